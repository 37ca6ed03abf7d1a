"""`convert`: a foreign checkpoint to a network of this package, whatever its format."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ganzoo.converters import mobilestylegan, nvidia_arguments, openvino
from ganzoo.converters.archive import unpacked
from ganzoo.converters.candidates import Candidate, find
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.choice import PARTS, check_settings, choose
from ganzoo.converters.contents import Record
from ganzoo.converters.folders import KINDS, Opened, open_folder
from ganzoo.converters.keymap import Tensors, flatten, place_of, unknown_places
from ganzoo.converters.layouts import Network
from ganzoo.converters.safetensors_file import is_safetensors, open_safetensors
from ganzoo.converters.unknown import Unknown, UnknownNeededError, shown
from ganzoo.system.files import sha256, size
from ganzoo.system.kinds import CONFIG_FILE, other_kind
from ganzoo.system.paths import missing, user_path
from ganzoo.system.validation import unknown

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
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
_HEAD = 1024  # bytes that tell what a file is


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
        module: Network in float32, on the CPU, in eval mode.
        format: Format of the source, in words.
        part: Part of the source that this network is.
        parts: All parts of the source.
        key: Place of the network in the source.
        others: Part and key of each other network of the source.
        files: Files of the source.
        used: The source's names of the tensors that went into the network.
        dropped: Names of all others, each with the reason.
        made: Our names of tensors that the source lacks, each with how it was made.
        assumed: Settings that the source does not record, each with the value taken.
    """

    module: Network
    format: str
    part: str
    parts: tuple[str, ...]
    key: str
    others: tuple[tuple[str, str], ...]
    files: tuple[SourceFile, ...]
    used: tuple[str, ...]
    dropped: Mapping[str, str]
    made: Mapping[str, str]
    assumed: Mapping[str, str]


def convert(
    path: Paths,
    part: str | None = None,
    key: str | None = None,
    assume: Mapping[str, Any] | None = None,
) -> Network:
    """The network of a foreign checkpoint, float32, on the CPU; nothing in the file is imported or called.

    Args:
        path: NVIDIA `.pkl` (StyleGAN2-ADA, StyleGAN3, StyleGAN and StyleGAN2 of TensorFlow), `.pt` or
            `.safetensors` with the state dict of a StyleGAN3 of NVIDIA, a StyleGAN2 of NVIDIA, rosinality,
            BasicSR, mmagic or genforce, or a StyleGAN of rosinality or genforce, a MobileStyleGAN
            distiller's `.ckpt`, a teacher's two `.ckpt` as a list, the folder of an unpacked `.pt`, of
            random-face's OpenVINO files, of a run of BigGAN-PyTorch or of Hugging Face's BigGAN-deep, or a
            file of those two.
        part: "generator_ema", "student", "teacher", "generator" or "discriminator"; None takes the first of
            these that the file has.
        key: Place of the network in the file, such as "state_dict.generator", where a file has several of one
            part.
        assume: Settings that the file does not record, instead of the defaults: of a state dict of NVIDIA's
            networks "activation", "clamp", "mapping_activation", "lr_multiplier", "group_size", of a
            StyleGAN3 also "first_cutoff" and its like; of one of mmagic "colors", "rgb" or "bgr"; of a
            StyleGAN of genforce "fused_scale" ("auto", True or False) and "lod", of one of rosinality "step"
            and "alpha"; of a generator of BigGAN "activation", "slope", "norm", "norm_eps", "eps", "depth",
            "sums".

    Raises:
        ValueError: for a file that is none of these, damaged, hostile or of an unsupported architecture, a
            part or key that it lacks, or several networks that could be meant.
        OSError: if it cannot be read.
    """
    return convert_with_account(path, part, key, assume).module


def convert_with_account(
    path: Paths,
    part: str | None = None,
    key: str | None = None,
    assume: Mapping[str, Any] | None = None,
) -> Conversion:
    """What `convert` gives, with the account of the source's tensors; it raises the same."""
    if not isinstance(path, str | os.PathLike | Iterable) or isinstance(path, bytes):
        raise TypeError(f"A checkpoint is given by its path, or a teacher by two; got {path!r}.")
    given = [path] if isinstance(path, str | os.PathLike) else list(path)
    for item in given:
        if "://" in os.fspath(item):
            raise ValueError(f"{item} is an address: download the file first.")
    paths = [user_path(item) for item in given]
    if not 1 <= len(paths) <= 2:
        raise ValueError(f"A checkpoint is one file, or the two of a teacher's pair; got {len(paths)}.")
    part = _SPELLINGS.get(part, part) if part is not None else None
    if part is not None and part not in PARTS:
        raise ValueError(unknown("part", part, PARTS))
    for p in paths:
        if not p.exists():
            raise FileNotFoundError(missing(p))
        if not p.is_file() and not p.is_dir():
            raise ValueError(f"{p} is no regular file.")
    try:
        alone = len(paths) == 1 and unpacked(paths[0]) is None
        opened = open_folder(paths[0], _open) if alone else None
        if opened is None and (folder := _openvino_folder(paths)):
            return _read_openvino(folder, part, key)
        return _read_checkpoint(paths, opened, part, key, assume or {})
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


def _read_checkpoint(
    paths: list[Path],
    opened: Opened | None,
    part: str | None,
    key: str | None,
    assume: Mapping[str, Any],
) -> Conversion:
    """A checkpoint in one file, a pair, or a folder that was opened."""
    contents = [opened.contents] if opened else [_open(path) for path in paths]
    whole: Any = contents[0]
    if len(paths) == 2:
        if not all(map(mobilestylegan.is_half, contents)):
            raise ValueError("Only the two files of a MobileStyleGAN teacher are converted together.")
        whole = {"state_dict": mobilestylegan.join(*contents)}
    elif mobilestylegan.is_half(whole):
        raise ValueError("This is half of a MobileStyleGAN teacher: give both files, mapping and synthesis.")
    candidates = _detect(whole, assume, opened.told if opened else {})
    chosen = choose(candidates, part, key)
    check_settings(chosen, assume)
    recorded = _recorded(paths[0], chosen, assume)
    tensors = Tensors(chosen.refs)
    try:
        read = partial(chosen.read, settings={**chosen.settings, **recorded}) if recorded else chosen.read
        module = read(tensors)
    except UnknownNeededError as error:
        raise ValueError(
            f"{place_of(error.thing, whole)} is made by {error.name}, which is not known here and was not "
            f"run: the {chosen.part} cannot be had without it."
        ) from error
    names = chosen.names
    told = dict.fromkeys(assume, " (as told)")
    settings = {  # None is what the file itself tells, unless somebody said so
        name: f"{_shown(value)}{told.get(name, '')}"
        for name, value in chosen.settings.items()
        if name not in recorded and (value is not None or name in assume)
    }
    files = opened.files_of(chosen.path) if opened else paths
    files = [*files, *([nvidia_arguments.beside(paths[0])] if recorded else [])]
    there = [c for c in candidates if c.refs]
    return Conversion(
        module=module,
        format=chosen.format if len(paths) == 1 else "MobileStyleGAN.pytorch, teacher's pair",
        part=chosen.part,
        parts=tuple(dict.fromkeys(c.part for c in there)),
        key=chosen.key,
        others=tuple((c.part, c.key) for c in there if c is not chosen),
        files=tuple(map(_source_file, files)),
        used=tuple(names.get(name, name) for name in tensors.used),
        dropped=_dropped(whole, candidates, chosen, tensors),
        made=tensors.made,
        assumed={**settings, **tensors.assumed},
    )


def _open(path: Path) -> Any:
    """The contents of a file, inert.

    Raises:
        ValueError: for a file that is certainly no checkpoint, with what it is.
    """
    if unpacked(path) is not None:
        return open_checkpoint(path)
    if path.is_dir():
        raise ValueError("This is a folder: only one of random-face's OpenVINO files is converted.")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if kind := other_kind(head):
        what, _, advice = kind.partition(": ")
        raise ValueError(f"This is {what}, and no checkpoint{f': {advice}' if advice else ''}.")
    return open_safetensors(path) if is_safetensors(head) else open_checkpoint(path)


def _detect(
    contents: Any, assume: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]]
) -> list[Candidate]:
    """The networks of a checkpoint.

    Raises:
        ValueError: if it has none that is known.
    """
    if found := find(contents, assume, told):
        return found
    strange = [f"{place} by {thing}" for place, thing in islice(unknown_places(contents), _SHOWN)]
    made = f" Not known, and not run: what is made as {'; '.join(strange)}." if strange else ""
    raise ValueError(
        f"The file holds {_summary(contents)}, and no network that ganzoo knows: it converts NVIDIA .pkl, "
        "MobileStyleGAN .ckpt, BigGANs, and StyleGAN and StyleGAN2 state dicts of NVIDIA, rosinality, "
        f"BasicSR, mmagic, genforce.{made}"
    )


def _recorded(path: Path, chosen: Candidate, assume: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a file beside the checkpoint tells; what the user says goes before it."""
    found = nvidia_arguments.recorded(path, chosen.key) if chosen.settings else {}
    return {name: value for name, value in found.items() if name in chosen.settings and name not in assume}


def _dropped(whole: Any, candidates: list[Candidate], chosen: Candidate, tensors: Tensors) -> dict[str, str]:
    """The file's tensors that did not go into the network, each with the reason."""
    used = {id(ref) for ref in chosen.refs.values()}
    dropped = {chosen.names.get(name, name): reason for name, reason in tensors.dropped.items()}
    parts = Counter(c.part for c in candidates)
    other: dict[int, str] = {}
    for candidate in candidates:
        flag = f"--part {candidate.part}" if parts[candidate.part] == 1 else f"--key {candidate.key}"
        other |= {id(ref): flag for ref in candidate.refs.values()}
    for name, ref in flatten(whole):
        if id(ref) in used:
            continue
        if id(ref) in other:
            dropped[name] = f"{ANOTHER}: {other[id(ref)]}"
        else:
            dropped[name] = f"no part of a network: {_owner(name)}"
    return dropped


def _shown(value: Any) -> str:
    """A setting's value as `--assume` takes it."""
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _openvino_folder(paths: list[Path]) -> Path | None:
    """The folder of random-face's files, if a path is that folder or one of them."""
    if len(paths) != 1:
        return None
    [path] = paths
    if path.is_dir():
        if unpacked(path) is not None:
            return None
        if (path / openvino.FILES[0]).is_file():
            return path
        if not (path / CONFIG_FILE).is_file():
            return path
        raise ValueError("This is a model of ganzoo already: nothing is left to convert.")
    return path.parent if path.name in openvino.FILES else None


def _read_openvino(folder: Path, part: str | None, key: str | None) -> Conversion:
    """The network of random-face's files."""
    if missing := [name for name in openvino.FILES if not (folder / name).is_file()]:
        raise FileNotFoundError(
            f"{folder} lacks {', '.join(missing)}: a folder to convert holds {KINDS}, random-face's "
            "OpenVINO files, or data.pkl and data of an unpacked file of torch.save."
        )
    if part not in (None, "student") or key is not None:
        raise ValueError(f"The files have no {part or repr(key)}; they have: student.")
    paths = [folder / file for file in openvino.FILES]
    if sum(path.stat().st_size for path in paths) > MAX_IR_BYTES:
        raise ValueError(f"{folder}: the files are larger than {MAX_IR_BYTES} bytes.")
    account = Tensors({})
    module = openvino.from_openvino({path.name: path.read_bytes() for path in paths}, account)
    return Conversion(
        module=module,
        format="OpenVINO files of random-face",
        part="student",
        parts=("student",),
        key="",
        others=(),
        files=tuple(map(_source_file, paths)),
        used=tuple(account.used),
        dropped=account.dropped,
        made=account.made,
        assumed={},
    )


def _source_file(path: Path) -> SourceFile:
    """Name, size and hash of a file, or of a folder."""
    path = unpacked(path) or path
    return SourceFile(path.absolute().name, size(path), sha256(path))


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
