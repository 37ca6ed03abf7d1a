"""The start of narrowed levels: every convolution that lacks inputs, fitted to what the teacher's gives.

A layer that reads fewer channels than its teacher's misses what the others brought. Least squares over
sampled places of the features let those that it has bring as much of it as they can. This goes from low to
high, so that every layer makes up for what those below it, fitted already, still lack.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from ganzoo.blocks import Demodulation, ModulatedConv, StyledLayer
from ganzoo.generators.generator import Generator
from ganzoo.system.progress import progress_bar
from ganzoo.training.least_squares import at_places, channel_spread, least_squares, sampled_places
from ganzoo.training.teacher import Teacher


@dataclass
class NarrowedLayer:
    """A layer to fit.

    Attributes:
        name: Name of it, in student and teacher.
        own: The student's.
        theirs: The teacher's.
        kept: Indices of the teacher's output channels that the student has.
        wanted: What the teacher's convolution gives of them at sampled places, by batches `[N, out, P, 1]`.
    """

    name: str
    own: StyledLayer
    theirs: StyledLayer
    kept: Tensor
    wanted: list[Tensor] = field(default_factory=list)

    @property
    def is_fitted(self) -> bool:
        """Whether it lacks inputs, is built like the teacher's, and learns."""
        ours, theirs = (_convolution(layer) for layer in (self.own, self.theirs))
        alike = [type(part) for part in _parts(self.own)] == [type(part) for part in _parts(self.theirs)]
        return alike and ours.in_channels < theirs.in_channels and ours.weights()[-1].requires_grad


@torch.no_grad()
def fit_levels(
    student: Generator, teacher: Teacher, kept: Mapping[str, Tensor], count: int, *, batch: int = 4
) -> dict[str, float]:
    """Fit the layers that read fewer channels than their teacher's, in place.

    A layer stays as it is where its weights are frozen, or its convolution has a demodulation or is built
    otherwise than the teacher's.

    Args:
        student: Generator that took over chosen channels, on the teacher's device.
        teacher: Teacher of the run.
        kept: Indices of the teacher's channels by layer, from low to high: `WarmStart.kept`.
        count: Number of latents: those of the run's first images.
        batch: Images at once.

    Returns:
        Share of the energy of the teacher's features that is left, by layer.
    """
    found = [_layer(student, teacher, name, indices) for name, indices in kept.items()]
    layers = [layer for layer in found if layer.is_fitted]
    numbers = [range(first, min(first + batch, count)) for first in range(0, count, batch)]
    left: dict[str, float] = {}
    with progress_bar("layer", shown=True) as progress:
        bar = progress.add_task("Fitting the levels", total=(1 + len(layers)) * len(numbers), layer="")
        for some in numbers:
            _ask(teacher, layers, some)
            progress.update(bar, advance=1, layer="the teacher")
        for layer in layers:
            columns = []
            for some in numbers:
                columns.append(_columns(student, teacher, layer, some))
                progress.update(bar, advance=1, layer=layer.name)
            if all(part is not None for part in columns):
                left[layer.name] = _fit(layer, torch.cat(cast(list[Tensor], columns)))
    return left


def _layer(student: Generator, teacher: Teacher, name: str, kept: Tensor) -> NarrowedLayer:
    own, theirs = (cast(StyledLayer, network.get_submodule(name)) for network in (student, teacher.original))
    return NarrowedLayer(name, own, theirs, kept.to(teacher.device))


def _convolution(layer: StyledLayer) -> ModulatedConv:
    """The convolution in a layer's upsampler, or the layer's own."""
    return next(part for part in layer.conv.modules() if isinstance(part, ModulatedConv))


def _parts(layer: StyledLayer) -> list[nn.Module]:
    """What a layer is built of, but for what scales its outputs."""
    return [part for part in layer.modules() if not isinstance(part, Demodulation)]


def _places(numbers: Sequence[int], x: Tensor, teacher: Teacher) -> Tensor:
    """The same places of student and teacher, whose features are of one size."""
    return sampled_places(numbers, x.shape[-2] * x.shape[-1], teacher.settings.seed).to(x.device)


def _ask(teacher: Teacher, layers: Sequence[NarrowedLayer], numbers: Sequence[int]) -> None:
    """Add to every layer what the teacher's gives for these images."""
    drawn = teacher.drawn(numbers)
    seen: list[str] = []

    def remember(layer: NarrowedLayer) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            kept = output.float()[:, layer.kept]
            layer.wanted.append(at_places(kept, _places(numbers, kept, teacher)))
            seen.append(layer.name)

        return hook

    hooks = [layer.theirs.conv.register_forward_hook(remember(layer)) for layer in layers]
    try:
        for _ in teacher.original.synthesis.features(drawn.w, drawn.noise):
            if len(seen) == len(layers):
                break  # nobody asks for what lies above
    finally:
        for hook in hooks:
            hook.remove()


def _columns(
    student: Generator, teacher: Teacher, layer: NarrowedLayer, numbers: Sequence[int]
) -> Tensor | None:
    """What the student's layer mixes at the same places, `[N, M, P, 1]`; None where that is not all."""
    drawn = teacher.drawn(numbers)
    seen: list[tuple[Tensor, Tensor]] = []
    hook = layer.own.conv.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    try:
        noise = student.synthesis.borrowed(drawn.noise)
        for _ in student.synthesis.features(teacher.w_of_student(student, drawn), noise):
            if seen:
                break
    finally:
        hook.remove()
    columns = []
    for number, x, w in zip(numbers, *(torch.split(part, 1) for part in seen[0]), strict=True):
        found = layer.own.conv.columns(x, w)  # of one image: a full convolution has nine times its features
        if found is None:
            return None
        columns.append(at_places(found.float(), _places([number], found, teacher)))
    return torch.cat(columns)


def _fit(layer: NarrowedLayer, columns: Tensor) -> float:
    """Write the nearest weight and bias into a layer, and return the share of energy that is left."""
    wanted, spread = torch.cat(layer.wanted), channel_spread(columns)
    matrix, bias = least_squares(columns / spread[:, None, None], wanted)
    matrix /= spread
    weight = _convolution(layer.own).weights()[-1]
    weight.copy_(matrix.view_as(weight))
    layer.own.bias.add_(bias)  # behind noise, which is added to both
    layer.wanted.clear()
    found = matrix @ columns[..., 0] + bias[:, None]
    return float((found - wanted[..., 0]).square().sum() / wanted.square().sum())
