"""Accounts for the tensors of a foreign file: each is used, or dropped with a reason, or an error."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ganzoo.converters.contents import ArrayRef, Record, TensorRef
from ganzoo.converters.unknown import (
    Unknown,
    UnknownNeededError,
    attributes_of_module,
    children_of_module,
    is_module,
    shown,
)
from ganzoo.generators.generator import Generator

Array = NDArray[Any]
Ref = TensorRef | ArrayRef | Unknown  # in the place of a tensor there may be what nobody knows
Module = TypeVar("Module", bound=nn.Module)
MAX_NODES = 1_000_000  # containers that share their parts could be walked forever
MAX_NESTING = 64
MAX_NAME = 1000
MAX_SHARED = 4096  # numbers; one filter may serve many layers
NOISE_SEED = 0
MAPPING_LR_MULTIPLIER = 0.01  # of StyleGAN2, where no file of a format records it
W_AVG_SAMPLES = 10_000  # enough for a mean within 1 % of the spread of w
ESTIMATED = f"estimated from {W_AVG_SAMPLES} latents: the source has no single mean of w"
_SHOWN = 5
_OBJECTS = (dict, list, tuple, Record, TensorRef, ArrayRef)


class Tensors:
    """The tensors of one network in a foreign file, by the names that they have there.

    Attributes:
        used: Names of the tensors that were taken, in that order.
        dropped: Names of those that are not needed, each with the reason.
        made: Our names of tensors that the file lacks, each with how it was made.
        assumed: Settings that neither the tensors nor the file tell, each with the value taken.
    """

    def __init__(self, refs: "Mapping[str, Ref]") -> None:
        self.refs = refs
        self.used: dict[str, None] = {}
        self.dropped: dict[str, str] = {}
        self.made: dict[str, str] = {}
        self.assumed: dict[str, str] = {}
        self.owners: dict[int, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.refs

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor.

        Raises:
            ValueError: if there is none of that name, or it is not known what makes it.
        """
        ref = self._ref(name)
        if isinstance(ref, TensorRef):
            return ref.shape
        return () if ref.value is None else ref.value.shape

    def is_zero(self, name: str) -> bool:
        """Whether all numbers of a tensor are 0; it is not used by that."""
        return not self._ref(name).array().any()

    def take(self, name: str, shape: tuple[int, ...] | None = None) -> Array:
        """The numbers of a tensor as float32, in another shape if one is given.

        Raises:
            ValueError: if there is none, it has another number of items, or a number that is not finite.
        """
        found, ref = self.shape(name), self._ref(name)
        # Every copy takes memory: names that stand for one large tensor could ask for any amount of it.
        if self.owners.setdefault(id(ref), name) != name and math.prod(found) > MAX_SHARED:
            raise ValueError(
                f"{name} and {self.owners[id(ref)]} are the same tensor, which no StyleGAN2 has."
            )
        self.used[name] = None
        array = ref.array()
        if array.dtype.kind != "f":
            raise ValueError(f"{name} holds no floating-point numbers but {array.dtype}.")
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=False)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds numbers that are infinite or NaN.")
        if shape is None:
            return array
        if math.prod(found) != math.prod(shape):
            raise ValueError(f"{name} has shape {list(found)}, which does not fit {list(shape)}.")
        return array.reshape(shape)

    def _ref(self, name: str) -> TensorRef | ArrayRef:
        if name not in self.refs:
            raise ValueError(f"The network lacks {name}.")
        ref = self.refs[name]
        unknown = ref.unknown if isinstance(ref, ArrayRef) else ref
        if isinstance(unknown, Unknown):
            raise UnknownNeededError(ref, str(unknown))
        return cast("TensorRef | ArrayRef", ref)

    def drop(self, reason: str, *, when: Callable[[str], bool]) -> None:
        """Mark what is not used and fulfils a condition as not needed."""
        for name in self.refs:
            if name not in self.used and name not in self.dropped and when(name):
                self.dropped[name] = reason

    def finish(self, architecture: str = "StyleGAN2") -> None:
        """Raise ValueError if a tensor is neither used nor dropped."""
        tensors = [name for name, ref in self.refs.items() if not isinstance(ref, Unknown)]
        if left := [name for name in tensors if name not in self.used and name not in self.dropped]:
            more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
            raise ValueError(
                f"The network has tensors that no {architecture} has: {', '.join(left[:_SHOWN])}{more}."
            )

    def separable_filter(self, name: str, *, gain: float) -> tuple[float, ...]:
        """Taps of a fixed resampling filter `[k, k]`, `[k]` or, alike for C channels, `[C, 1, k, k]`; sum 1.

        Raises:
            ValueError: if the filter is not separable or does not sum to `gain`.
        """
        kernel = self.take(name).astype(np.float64)
        if kernel.ndim == 4 and kernel.shape[1] == 1 and len(kernel) and (kernel == kernel[0]).all():
            kernel = kernel[0, 0]
        if kernel.ndim not in (1, 2) or abs(kernel.sum() - gain) > 1e-4 * gain:
            raise ValueError(f"{name} is no filter of sum {gain}.")
        if kernel.ndim == 1:
            return _plain_taps(kernel / gain)
        taps = kernel.sum(axis=1) / gain
        if not np.allclose(np.outer(taps, taps) * gain, kernel, atol=1e-5 * gain):
            raise ValueError(f"{name} is no separable filter, which is all that is supported.")
        return _plain_taps(taps)


def flatten(value: Any) -> Iterator[tuple[str, TensorRef | ArrayRef]]:
    """All tensors in nested containers and modules, with their dotted names.

    Raises:
        ValueError: for containers nested too deep, or shared so often that they would unfold to millions.
    """
    stack: list[tuple[str, Any, int]] = [("", value, 0)]
    nodes = 0
    while stack:
        name, item, depth = stack.pop()
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_NESTING or len(name) > MAX_NAME:
            raise ValueError("The file's containers are nested too deep, or contain themselves.")
        children: list[tuple[str, Any]] = []
        if isinstance(item, TensorRef | ArrayRef):
            yield name, item
        elif isinstance(item, Record):
            children = [(str(k), v) for k, v in module_children(item).items()]
        elif isinstance(item, Unknown):
            children = [(str(k), v) for k, v in item.children.items()]
        elif isinstance(item, dict):
            children = [(str(k), v) for k, v in item.items()]
        elif isinstance(item, list | tuple):
            children = [(str(k), v) for k, v in enumerate(item)]
        stack += [(f"{name}.{k}" if name else k, v, depth + 1) for k, v in reversed(children)]


def module_children(record: Record) -> dict[str, Any]:
    """Parameters, buffers and modules of a pickled module; of another object, its attributes."""
    return children_of_module(record.state) if is_module(record.state) else record.state


def place_of(thing: object, contents: Any) -> str:
    """The dotted path of an object in nested containers and modules."""
    return next(_path(node) for node, item in _walk(contents) if item is thing)


def unknown_places(contents: Any) -> Iterator[tuple[str, Unknown]]:
    """What is not known in nested containers and modules, by dotted paths; those near the top first."""
    return ((_path(node), item) for node, item in _walk(contents) if isinstance(item, Unknown))


def _walk(contents: Any) -> Iterator[tuple[Any, Any]]:
    """Every object once, with its place: its key and the place of what holds it. Texts are none."""
    queue: deque[tuple[Any, Any]] = deque([((), contents)])
    seen: set[int] = set()
    while queue:
        place, item = queue.popleft()
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield place, item
        children: Iterable[tuple[Any, Any]] = ()
        if isinstance(item, Record):
            children = {**attributes_of_module(item.state), **module_children(item)}.items()
        elif isinstance(item, dict):
            children = item.children.items() if isinstance(item, Unknown) else item.items()
        elif isinstance(item, list | tuple):
            children = enumerate(item)
        queue += [((key, place), child) for key, child in children if isinstance(child, _OBJECTS)]


def _path(place: Any) -> str:
    names = []
    while place:
        key, place = place
        names.append(shown(key) if isinstance(key, str) else str(key))
    return ".".join(reversed(names)) or "the file"


def same(what: str, values: Mapping[str, Any]) -> Any:
    """The value that all layers share.

    Args:
        what: Name of the value for the message.
        values: Values by the layers' names; at least one.

    Raises:
        ValueError: if they differ.
    """
    (name, first), *rest = values.items()
    for other, value in rest:
        if value != first:
            raise ValueError(
                f"{what} differs between layers, which is not supported: {first!r} in {name}, "
                f"{value!r} in {other}."
            )
    return first


def check_architecture(heads: Iterable[int], shortcuts: Iterable[int], last: int) -> None:
    """Raise ValueError unless heads and shortcuts are at the levels where StyleGAN2 has them.

    Args:
        heads: Levels that read from or write to the image.
        shortcuts: Levels with a path around their convolutions.
        last: Highest level.
    """
    levels = [*range(last + 1)]
    if list(heads) not in (levels, levels[-1:]) or list(shortcuts) not in (levels[1:], levels[:0]):
        raise ValueError("The network is of no architecture of StyleGAN2: skip, resnet or orig.")


def resolution_of(levels: int) -> int:
    """Resolution of a network with that many levels.

    Raises:
        ValueError: if no network has so many.
    """
    if not 1 <= levels <= 16:
        raise ValueError(f"The network has {levels} levels.")
    return int(2 ** (levels + 1))


@torch.inference_mode(False)  # what is made in inference mode could never be trained
def fill(module: Module, arrays: Mapping[str, Array], source: Tensors) -> Module:
    """An empty network with those tensors; what foreign files lack is made and noted.

    Raises:
        ValueError: if a tensor is missing, left over or misshaped.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    lacking = set(expected) - set(arrays)
    noise = sorted(n for n in lacking if n.endswith(".noise.const"))
    strengths = sorted(n for n in lacking if n.endswith(".noise.strength"))
    state = {name: torch.from_numpy(np.asarray(a, np.float32, order="C")) for name, a in arrays.items()}
    random = torch.Generator("cpu").manual_seed(NOISE_SEED)
    for name in noise:
        state[name] = torch.zeros(expected[name], device="cpu", dtype=torch.float32)
        if name.replace(".const", ".strength") in strengths:
            source.made[name] = "zeros: the network has no noise"
        else:
            state[name].normal_(generator=random)
            source.made[name] = f"drawn, seed {NOISE_SEED}: the file holds no constant noise"
    for name in strengths:
        state[name] = torch.zeros(expected[name], device="cpu", dtype=torch.float32)
        source.made[name] = "0: the network has no noise"
    estimated = "mapping.w_avg" in lacking
    if estimated:
        state["mapping.w_avg"] = torch.zeros(expected["mapping.w_avg"], device="cpu", dtype=torch.float32)
        source.made["mapping.w_avg"] = ESTIMATED
    if missing := sorted(set(expected) - set(state)):
        raise ValueError(f"The file lacks the source of {', '.join(missing[:_SHOWN])}.")
    for name, tensor in state.items():
        if name not in expected:
            raise ValueError(f"The network has {name}, which its other tensors leave no room for.")
        if tuple(tensor.shape) != expected[name]:
            raise ValueError(
                f"{name} has shape {list(tensor.shape)}; its neighbours ask for {list(expected[name])}."
            )
    module.load_state_dict(state, strict=True, assign=True)
    if estimated and isinstance(module, Generator):
        module.mapping.w_avg.copy_(module.mapping.estimate_w_avg(W_AVG_SAMPLES))
    for name, tensor in module.state_dict().items():
        if not tensor.isfinite().all():
            raise ValueError(f"{name} would hold numbers that are infinite or NaN.")
    return module


def _plain_taps(taps: Array) -> tuple[float, ...]:
    """Taps as people write them: whole numbers where a common factor makes them so."""
    ends = taps / taps[0] if taps[0] else taps
    whole = np.rint(ends)
    return tuple(float(tap) for tap in (whole if np.allclose(ends, whole, atol=1e-4) else taps))
