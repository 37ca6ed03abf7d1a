"""Finds the networks of a checkpoint: where each lies, which it is, and what reads it.

One walk through the file's containers. A network's place is its key, such as `state_dict.generator_ema`; what
it is called there tells whether it is a moving average. Wrappings of trainers and compilers are left out.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ganzoo.converters import mobilestylegan, nvidia, rosinality, stylegan_tensorflow, tensorflow
from ganzoo.converters.contents import Record
from ganzoo.converters.keymap import Ref, Tensors, flatten
from ganzoo.converters.layouts import LAYOUTS, MEANS, Layout, Network
from ganzoo.converters.unknown import Unknown, UnknownNeededError, is_module

# What compilers and parallel training put between or before the names of modules.
WRAPPERS = {"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
# Words in the name of a place that say that its network is a moving average.
_AVERAGED = {"ema", "smooth", "shadow", "average", "averaged", "avg", "running", "swa", "gs"}
_NOT = {"non", "no", "not", "without", "raw"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_MAX_NETWORKS = 64  # of one file
_COUNTER = "n_averaged"  # beside the tensors of torch's AveragedModel
_IS_DISCRIMINATOR = {"D", "d", "netD", "discriminator"}


@dataclass(frozen=True)
class Candidate:
    """A network of a file.

    Attributes:
        key: Place of the network in the file.
        part: Part that the network is.
        format: Format of the file, in words.
        refs: Tensors of the network by the names that its reader knows.
        read: Function that makes the network; where there are settings, they may be given anew.
        names: The file's names of tensors that have another name there.
        path: Containers that the network lies in.
        takes_mean: Whether a mean of w beside it belongs to it.
        settings: Settings that the file does not hold, with the values taken.
        is_foreign: Whether `read` only says why such a network is not converted.
    """

    key: str
    part: str
    format: str
    refs: Mapping[str, Ref]
    read: Callable[..., Network]
    names: Mapping[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    takes_mean: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    is_foreign: bool = False


def find(
    contents: Any, assume: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]] = {}
) -> list[Candidate]:
    """All networks of a file, in its order; empty if none is known.

    Args:
        contents: Contents of the file.
        assume: Settings that the user gives for files that do not record them.
        told: Settings that other files tell, by the first step of a network's place; of "", of all.
    """
    if networks := tensorflow.find(contents):
        return [_of_tensorflow(str(i), *item) for i, item in enumerate(networks.items())]
    found: list[Candidate] = []
    unreadable: list[Candidate] = []
    means: dict[tuple[str, ...], tuple[str, Ref]] = {}
    for path, item in _nodes(contents):
        known = told.get(path[0] if path else "", told.get("", {}))
        if isinstance(item, Record):
            found += _of_module(path, item, assume)
        elif isinstance(item, Unknown) and not item:
            own = _of_state(path, dict(flatten(item)), assume, known)
            found += own
            unreadable += [] if own else _unreadable(path, item)
        else:
            state = _tensors(item)
            found += _of_state(path, state, assume, known)
            if there := [name for name in MEANS if name in state]:
                means[path] = (there[0], state[there[0]])
        if len(found) > _MAX_NETWORKS:
            raise ValueError(f"The file has more than {_MAX_NETWORKS} networks.")
    found += unreadable if found else []
    above = {c.path[:depth] for c in found if c.takes_mean for depth in range(len(c.path) + 1)}
    for path in sorted(above & set(means), key=len, reverse=True):
        found = _with_mean(found, path, *means[path])
    return found


def _nodes(contents: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All dicts and pickled modules with their paths; the insides of a module are its own.

    Raises:
        ValueError: for containers that contain themselves, or are nested too deep.
    """
    for _ in flatten(contents):  # it bounds what is walked here and below, however parts are shared
        pass
    kinds = (dict, list, tuple, Record)
    stack: list[tuple[tuple[str, ...], Any]] = [((), contents)] if isinstance(contents, kinds) else []
    while stack:
        path, item = stack.pop()
        if isinstance(item, Unknown) or (isinstance(item, Record) and is_module(item.state)):
            yield path, item
            if not isinstance(item, Unknown) or item.state:
                continue
        elif isinstance(item, dict):
            yield path, item
        content = item.state if isinstance(item, Record) else item
        items = content.items() if isinstance(content, dict) else enumerate(content)
        children = [((*path, str(k)), child) for k, child in items if isinstance(child, kinds)]
        stack += reversed(children)


def _of_tensorflow(key: str, part: str, record: Record | Unknown) -> Candidate:
    if isinstance(record, Unknown):
        return Candidate(key, part, "NVIDIA snapshot (TensorFlow)", {}, partial(_refuse, record))
    refs = tensorflow.variables(record)
    library = stylegan_tensorflow if stylegan_tensorflow.is_stylegan(refs) else tensorflow
    reader = library.read_discriminator if part == "discriminator" else library.read_generator
    return Candidate(key, part, "NVIDIA snapshot (TensorFlow)", refs, partial(reader, record))


def _of_module(path: tuple[str, ...], record: Record, assume: Mapping[str, Any]) -> list[Candidate]:
    """The network that a pickled module is, or those that its tensors are."""
    part = nvidia.part_of(record)
    if part is None:
        if found := _of_state(path, dict(flatten(record)), assume):
            return found
        if not path or path[-1] not in ("G_ema", "G", "D"):
            return []
        part = "discriminator" if path[-1] in _IS_DISCRIMINATOR else "generator"
    reader = nvidia.read_discriminator if part == "discriminator" else nvidia.read_generator
    return [
        Candidate(
            _key(path),
            _part(part, path),
            "NVIDIA snapshot (PyTorch)",
            dict(flatten(record)),
            partial(reader, record),
            path=path,
        )
    ]


def _unreadable(path: tuple[str, ...], item: Unknown) -> list[Candidate]:
    """The network that an unknown object stands for, by the place where NVIDIA's snapshots have it."""
    if len(path) != 1 or path[0] not in ("G_ema", "G", "D"):
        return []
    part = _part("discriminator" if path[0] in _IS_DISCRIMINATOR else "generator", path)
    return [Candidate(_key(path), part, "NVIDIA snapshot (PyTorch)", {}, partial(_refuse, item), path=path)]


def _refuse(network: Unknown, _: Tensors) -> Network:
    raise UnknownNeededError(network, network.name)


def _of_state(
    path: tuple[str, ...],
    state: Mapping[str, Ref],
    assume: Mapping[str, Any],
    known: Mapping[str, Any] = {},
) -> list[Candidate]:
    """The networks of a state dict: a group of names for each, told by a name that others lack."""
    names = _without_wrappers(state)
    if mobilestylegan.is_distiller(names):
        return _of_distiller(path, state, names)
    averaged = tuple(n.removesuffix(_COUNTER) for n in names if n.rpartition(".")[2] == _COUNTER)
    groups: dict[str, Layout] = {}
    for layout in LAYOUTS:
        end = f".{layout.anchor}"
        for name in names:
            if name == layout.anchor or name.endswith(end):
                prefix = name.removesuffix(layout.anchor)
                if layout.beside is None or f"{prefix}{layout.beside}" in names:
                    groups.setdefault(prefix, layout)
    if len(groups) > _MAX_NETWORKS:
        raise ValueError(f"The file has more than {_MAX_NETWORKS} networks.")
    found = []
    for prefix, layout in groups.items():
        inner = tuple(p for p in groups if p.startswith(prefix) and p != prefix)
        own = {n: names[n] for n in names if n.startswith(prefix) and not (inner and n.startswith(inner))}
        renamed = {layout.name(n.removeprefix(prefix)): old for n, old in own.items()}
        if len(renamed) != len(own):
            raise ValueError(f"The network {_key(path)!r} has two tensors of one meaning under two names.")
        renamed.pop(_COUNTER, None)
        place = (*path, *(step for step in prefix.split(".") if step))
        open_settings = layout.open_settings(renamed)
        settings = {
            name: assume.get(name, value) for name, value in open_settings.items() if name not in known
        }
        found.append(
            Candidate(
                _key(place),
                _part(layout.part, (*place, "ema") if averaged and prefix.startswith(averaged) else place),
                layout.format,
                {name: state[old] for name, old in renamed.items()},
                partial(layout.read, settings={**known, **settings}) if open_settings else layout.read,
                renamed,
                path,
                layout.takes_mean,
                settings,
                layout.is_foreign,
            )
        )
    return found


def _of_distiller(
    path: tuple[str, ...], state: Mapping[str, Ref], names: Mapping[str, str]
) -> list[Candidate]:
    """The networks of a MobileStyleGAN distiller, or of a teacher's pair."""
    readers: dict[str, Callable[[Tensors], Network]] = {
        "student": mobilestylegan.read_student,
        "teacher": mobilestylegan.read_teacher,
        "discriminator": partial(rosinality.read_discriminator, prefix=mobilestylegan.DISCRIMINATOR),
    }
    found = []
    for part, reader in readers.items():
        prefixes = mobilestylegan.PREFIXES[part]
        own = {name: old for name, old in names.items() if name.startswith(prefixes)}
        if any(name.startswith(prefixes[0]) for name in own):
            key = _key((*path, prefixes[0].rstrip(".")))
            refs = {name: state[old] for name, old in own.items()}
            kind = "MobileStyleGAN.pytorch, distiller"
            found.append(Candidate(key, part, kind, refs, reader, own, path))
    return found


def _with_mean(found: list[Candidate], path: tuple[str, ...], name: str, ref: Ref) -> list[Candidate]:
    """The candidates, a mean of w given to the one that it was measured on: the average before the others."""
    takers = [c for c in found if c.takes_mean and c.path[: len(path)] == path]
    for part in ("generator_ema", "generator", "teacher", "student"):
        if taker := [c for c in takers if c.part == part]:
            if len(taker) == 1 and "latent_avg" not in taker[0].refs:
                refs = {**taker[0].refs, "latent_avg": ref}
                names = {**taker[0].names, "latent_avg": ".".join((*path, name))}
                return [replace(c, refs=refs, names=names) if c is taker[0] else c for c in found]
            break
    return found


def _key(place: tuple[str, ...]) -> str:
    """A place as text that cannot steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in ".".join(place))


def _part(part: str, place: tuple[str, ...]) -> str:
    """Which network one of a kind is, by the names of its place."""
    if part == "discriminator":
        return part
    for step in place:
        words = {word.lower() for word in _WORD.findall(step)}
        if words & _AVERAGED and not words & _NOT:
            return "generator_ema"
    known = [step for step in place if step in ("teacher", "student")]
    return known[-1] if known else part


def _without_wrappers(state: Mapping[str, Ref]) -> dict[str, str]:
    """Names without wrappings, each with the name in the file; names that would become equal stay apart."""
    short = {n: ".".join(step for step in n.split(".") if step not in WRAPPERS) or n for n in state}
    counted = Counter(short.values())
    return {new if counted[new] == 1 else old: old for old, new in short.items()}


def _tensors(state: Mapping[Any, Any]) -> dict[str, Ref]:
    """The tensors of a dict."""
    return {str(name): ref for name, ref in state.items() if isinstance(ref, Ref)}
