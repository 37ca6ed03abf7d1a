"""`convert`: a foreign checkpoint to a network of this package, whatever its format."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ganzoo.converters import mobilestylegan, nvidia, openvino, rosinality, tensorflow
from ganzoo.converters.archive import unpacked
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.contents import Record
from ganzoo.converters.keymap import Ref, Tensors, flatten, place_of, unknown_places
from ganzoo.converters.unknown import Unknown, UnknownNeededError, shown
from ganzoo.discriminator import Discriminator
from ganzoo.export.manifest import file_bytes, file_sha256
from ganzoo.generators.generator import Generator
from ganzoo.kinds import other_kind
from ganzoo.registry import unknown
from ganzoo.weights import CONFIG_FILE

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Network = Generator | Discriminator
# The first of them that a file has is the default.
PARTS = ("generator_ema", "student", "teacher", "generator", "discriminator")
_SPELLINGS = {  # of the files themselves
    "g_ema": "generator_ema",
    "G_ema": "generator_ema",
    "g": "generator",
    "G": "generator",
    "d": "discriminator",
    "D": "discriminator",
}
ANOTHER = "another network of the file"
MAX_IR_BYTES = 2 << 30
_MAX_MESSAGE = 400
_SHOWN = 3


@dataclass(frozen=True)
class SourceFile:
    """A file that was converted."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Conversion:
    """A converted network and the account of its tensors.

    Attributes:
        module: the network, float32, on the CPU, in eval mode.
        format: of the source, in words.
        part: which network of the source this is.
        parts: all that the source has.
        files: the source.
        used: the source's names of the tensors that went into the network.
        dropped: names of all others, each with the reason.
        made: our names of tensors that the source lacks, each with how it was made.
    """

    module: Network
    format: str
    part: str
    parts: tuple[str, ...]
    files: tuple[SourceFile, ...]
    used: tuple[str, ...]
    dropped: Mapping[str, str]
    made: Mapping[str, str]


@dataclass(frozen=True)
class _Part:
    """One network of a file: its tensors by their names within it, and what reads them."""

    refs: Mapping[str, Ref]
    read: Callable[[Tensors], Network]


def convert(path: Paths, part: str | None = None) -> Network:
    """The network of a foreign checkpoint, float32, on the CPU; nothing in the file is imported or called.

    Args:
        path: an NVIDIA `.pkl` (StyleGAN2-ADA, the StyleGAN2 networks of stylegan3, TensorFlow StyleGAN2), a
            rosinality `.pt`, a MobileStyleGAN distiller's `.ckpt`, a teacher's two `.ckpt` as a list, or the
            folder of random-face's OpenVINO files.
        part: "generator_ema", "student", "teacher", "generator" or "discriminator"; None takes the first of
            these that the file has.

    Raises:
        ValueError: for a file that is none of these, damaged, hostile or of an unsupported architecture, or a
            part that it lacks.
        OSError: if it cannot be read.
    """
    return convert_with_account(path, part).module


def convert_with_account(path: Paths, part: str | None = None) -> Conversion:
    """What `convert` gives, with the account of the source's tensors; it raises the same."""
    if not isinstance(path, str | os.PathLike | Iterable) or isinstance(path, bytes):
        raise TypeError(f"A checkpoint is given by its path, or a teacher by two; got {path!r}.")
    given = [path] if isinstance(path, str | os.PathLike) else list(path)
    for item in given:
        if "://" in os.fspath(item):
            raise ValueError(f"{item} is an address: download the file first.")
    paths = [Path(item) for item in given]
    if not 1 <= len(paths) <= 2:
        raise ValueError(f"A checkpoint is one file, or the two of a teacher's pair; got {len(paths)}.")
    part = _SPELLINGS.get(part, part) if part is not None else None
    if part is not None and part not in PARTS:
        raise ValueError(unknown("part", part, PARTS))
    for p in paths:
        if not p.exists():
            raise FileNotFoundError(f"{p} does not exist.")
        if not p.is_file() and not p.is_dir():
            raise ValueError(f"{p} is no regular file.")
    try:
        if folder := _openvino_folder(paths):
            return _read_openvino(folder, part)
        return _read_checkpoint(paths, part)
    except (TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        # The layouts are not ours: what contradicts them in a way that no check foresees is damaged.
        reason = f"the file is damaged ({type(error).__name__}: {error})."
        raise ValueError(_one_line(paths, reason)) from error
    except ValueError as error:
        raise ValueError(_one_line(paths, str(error))) from error


def _one_line(paths: list[Path], message: str) -> str:
    """A message that names the files; what it quotes from them cannot steer a terminal or flood it."""
    where = " and ".join(map(str, paths))
    for prefix in (*(f"{path}: " for path in paths), *(f"{path} " for path in paths)):
        message = message.removeprefix(prefix)
    text = "".join(c if c.isprintable() else "?" for c in " ".join(message.split()))
    return f"{where}: {text[:_MAX_MESSAGE]}{'…' if len(text) > _MAX_MESSAGE else ''}"


def _read_checkpoint(paths: list[Path], part: str | None) -> Conversion:
    """A checkpoint in one file, or a pair."""
    for path in paths:
        _refuse_others(path)
    contents = [open_checkpoint(path) for path in paths]
    whole: Any = contents[0]
    if len(paths) == 2:
        if not all(map(mobilestylegan.is_half, contents)):
            raise ValueError("Only the two files of a MobileStyleGAN teacher are converted together.")
        whole = {"state_dict": mobilestylegan.join(*contents)}
        kind, parts = "MobileStyleGAN.pytorch, teacher's pair", _mobilestylegan(whole["state_dict"])
    elif mobilestylegan.is_half(whole):
        raise ValueError("This is half of a MobileStyleGAN teacher: give both files, mapping and synthesis.")
    else:
        kind, parts = _detect(whole)
    name = _choose(part, parts)
    chosen = parts[name]
    tensors = Tensors(chosen.refs)
    try:
        module = chosen.read(tensors)
    except UnknownNeededError as error:
        raise ValueError(
            f"{place_of(error.thing, whole)} is made by {error.name}, which is not known here and was not "
            f"run: the {name} cannot be had without it."
        ) from error
    used = {id(ref): None for ref in chosen.refs.values()}
    dropped = dict(tensors.dropped)
    other = {id(ref): p for p, candidate in parts.items() for ref in candidate.refs.values()}
    for path_in_file, ref in flatten(whole):
        if id(ref) in used:
            continue
        if id(ref) in other:
            dropped[path_in_file] = f"{ANOTHER}: --part {other[id(ref)]}"
        else:
            dropped[path_in_file] = f"no part of a network: {_owner(path_in_file)}"
    return Conversion(
        module=module,
        format=kind,
        part=name,
        parts=tuple(part for part, candidate in parts.items() if candidate.refs),
        files=tuple(map(_source_file, paths)),
        used=tuple(tensors.used),
        dropped=dropped,
        made=tensors.made,
    )


def _detect(contents: Any) -> tuple[str, dict[str, _Part]]:
    """Format of a checkpoint and its networks.

    Raises:
        ValueError: if it has none that is known.
    """
    if found := nvidia.find(contents):
        return "NVIDIA snapshot (PyTorch)", {name: _nvidia(name, record) for name, record in found.items()}
    if found := tensorflow.find(contents):
        return "NVIDIA snapshot (TensorFlow)", {name: _tensorflow(name, n) for name, n in found.items()}
    if state := mobilestylegan.find(contents):
        return "MobileStyleGAN.pytorch, distiller", _mobilestylegan(state)
    if states := rosinality.find(contents):
        return "rosinality/stylegan2-pytorch", {name: _rosinality(name, s) for name, s in states.items()}
    if nvidia.is_plain(contents):
        raise ValueError(
            "These are tensors of NVIDIA's networks without their settings, such as activations and clamps: "
            "give the .pkl that they come from."
        )
    strange = [f"{place} by {thing}" for place, thing in islice(unknown_places(contents), _SHOWN)]
    made = f" Not known, and not run: what is made as {'; '.join(strange)}." if strange else ""
    raise ValueError(
        f"The file holds {_summary(contents)}, and no network that ganzoo knows: it converts NVIDIA .pkl, "
        f"rosinality .pt and MobileStyleGAN .ckpt files.{made}"
    )


def _nvidia(name: str, record: Record | Unknown) -> _Part:
    if isinstance(record, Unknown):
        return _unknown(record)
    reader = nvidia.read_discriminator if name == "discriminator" else nvidia.read_generator
    return _Part(dict(flatten(record)), partial(reader, record))


def _tensorflow(name: str, record: Record | Unknown) -> _Part:
    if isinstance(record, Unknown):
        return _unknown(record)
    reader = tensorflow.read_discriminator if name == "discriminator" else tensorflow.read_generator
    return _Part(tensorflow.variables(record), partial(reader, record))


def _unknown(network: Unknown) -> _Part:
    """A network that nobody can read."""

    def read(_: Tensors) -> Network:
        raise UnknownNeededError(network, network.name)

    return _Part({}, read)


def _mobilestylegan(state: Mapping[str, Any]) -> dict[str, _Part]:
    """Networks of a distiller, or of a teacher's pair."""
    readers: dict[str, Callable[[Tensors], Network]] = {
        "student": mobilestylegan.read_student,
        "teacher": mobilestylegan.read_teacher,
        "discriminator": partial(rosinality.read_discriminator, prefix=mobilestylegan.DISCRIMINATOR),
    }
    parts = {}
    for name, reader in readers.items():
        prefixes = mobilestylegan.PREFIXES[name]
        refs = {key: ref for key, ref in _tensors(state).items() if key.startswith(prefixes)}
        if any(key.startswith(prefixes[0]) for key in refs):
            parts[name] = _Part(refs, reader)
    return parts


def _rosinality(name: str, state: Mapping[str, Any]) -> _Part:
    reader = rosinality.read_discriminator if name == "discriminator" else rosinality.read_generator
    return _Part(_tensors(state), reader)


def _tensors(state: Mapping[str, Any]) -> dict[str, Ref]:
    """The tensors of a state dict, and what may be some."""
    return {str(name): ref for name, ref in state.items() if isinstance(ref, Ref)}


def _choose(part: str | None, parts: Iterable[str]) -> str:
    """The part that was asked for, or the default.

    Raises:
        ValueError: if the file lacks it.
    """
    there = [name for name in PARTS if name in parts]
    if part is None:
        return there[0]
    if part not in there:
        raise ValueError(f"The file has no {part}; it has: {', '.join(there)}.")
    return part


def _openvino_folder(paths: list[Path]) -> Path | None:
    """The folder of random-face's files, if a path is that folder or one of them."""
    if len(paths) != 1:
        return None
    [path] = paths
    if path.is_dir():
        if unpacked(path) is not None:
            return None
        if (path / openvino.FILES[0]).is_file() or not (path / CONFIG_FILE).is_file():
            return path
        raise ValueError("This is a model of ganzoo already: nothing is left to convert.")
    return path.parent if path.name in openvino.FILES else None


def _read_openvino(folder: Path, part: str | None) -> Conversion:
    """The network of random-face's files."""
    if missing := [name for name in openvino.FILES if not (folder / name).is_file()]:
        raise FileNotFoundError(
            f"{folder} lacks {', '.join(missing)}: a folder to convert holds random-face's OpenVINO files, "
            "or data.pkl and data of an unpacked file of torch.save."
        )
    name = _choose(part, ["student"])
    paths = [folder / file for file in openvino.FILES]
    if sum(path.stat().st_size for path in paths) > MAX_IR_BYTES:
        raise ValueError(f"{folder}: the files are larger than {MAX_IR_BYTES} bytes.")
    account = Tensors({})
    module = openvino.from_openvino({path.name: path.read_bytes() for path in paths}, account)
    return Conversion(
        module=module,
        format="OpenVINO files of random-face",
        part=name,
        parts=(name,),
        files=tuple(map(_source_file, paths)),
        used=tuple(account.used),
        dropped=account.dropped,
        made=account.made,
    )


def _refuse_others(path: Path) -> None:
    """Raise ValueError for files that are certainly no checkpoint, with what they are."""
    if unpacked(path) is not None:
        return
    if path.is_dir():
        raise ValueError("This is a folder: only one of random-face's OpenVINO files is converted.")
    with path.open("rb") as file:
        head = file.read(1024)
    if kind := other_kind(head):
        what, _, advice = kind.partition(": ")
        raise ValueError(f"This is {what}, and no checkpoint{f': {advice}' if advice else ''}.")
    if head[8:9] == b"{":
        raise ValueError("This is a safetensors file: if ganzoo wrote it, its folder is a model already.")


def _source_file(path: Path) -> SourceFile:
    """Name, size and hash of a file, or of a folder."""
    path = unpacked(path) or path
    return SourceFile(path.absolute().name, file_bytes(path), file_sha256(path))


def _owner(path_in_file: str) -> str:
    """What a tensor outside of all networks belongs to, as far as its name tells."""
    words = "".join(c if c.isprintable() else "?" for c in path_in_file[:80]).split(".")
    return ".".join(words[:2]) if words[0] == "state_dict" else words[0]


def _summary(contents: Any) -> str:
    """What a file holds, in a few words."""
    if isinstance(contents, Unknown) and not contents:
        return f"what {contents} would make"
    if isinstance(contents, dict):
        keys = ", ".join(shown(str(key))[:40] for key, _ in zip(contents, range(6), strict=False))
        return f"a dict of {len(contents)} ({keys})"
    return f"a {contents.cls!r}" if isinstance(contents, Record) else f"a {type(contents).__name__}"
