"""The start of narrowed levels: every convolution that lacks inputs, fitted to what the teacher's gives.

A layer that reads fewer channels than its teacher's misses what the others brought. Least squares at sampled
places finds the weights with which the remaining channels come closest to the teacher's output. This goes
from low to high, so that every layer makes up for what those below it, fitted already, still lack.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from ganzoo.blocks import StyledLayer
from ganzoo.generators.generator import Generator
from ganzoo.generators.synthesis import Noise, SynthesisNetwork
from ganzoo.system.progress import progress_bar
from ganzoo.training.least_squares import NormalEquations, at_places, sampled_places
from ganzoo.training.teacher import Teacher
from ganzoo.training.warm_start import WarmStart

CHECKED = 10  # one in so many latents says whether a fit is better than what was taken over


@dataclass(frozen=True)
class NarrowedLayer:
    """A layer to fit.

    Attributes:
        name: Name of it, in student and teacher.
        own: The student's.
        theirs: The teacher's.
        kept: Indices of the teacher's output channels that the student has.
    """

    name: str
    own: StyledLayer
    theirs: StyledLayer
    kept: Tensor


@torch.no_grad()
def fit_levels(
    student: Generator, teacher: Teacher, start: WarmStart, count: int, *, batch: int = 4
) -> dict[str, float]:
    """Fit the layers that read fewer channels than their teacher's, in place.

    A layer stays as it is where its weight or bias is frozen, where its output is no product of the weight
    (`Block.product`), and where the fit is no better than what was taken over, on latents kept aside for it.

    Args:
        student: Generator that took over chosen channels, on the teacher's device.
        teacher: Teacher of the run.
        start: What the student took over from the teacher.
        count: Number of latents, at least 2: those of the run's first images.
        batch: Images at once.

    Returns:
        Share of the energy of what the teacher's convolution gives that is left, by layer, on those latents.
    """
    if not (layers := _narrowed(student, teacher, start)):
        return {}
    checked = count - max(1, count // CHECKED)
    bounds = [(0, checked), (checked, count)]
    numbers = [range(i, min(i + batch, end)) for begin, end in bounds for i in range(begin, end, batch)]
    left: dict[str, float] = {}
    with progress_bar("layer", shown=True) as progress:
        bar = progress.add_task("Fitting the levels", total=(1 + len(layers)) * len(numbers), layer="")
        advance = partial(progress.update, bar, advance=1)
        wanted = [_wanted(teacher, layers, some, partial(advance, layer="the teacher")) for some in numbers]
        for layer in layers:
            own = [found.pop(layer.name) for found in wanted]
            share = _fit(student, teacher, layer, numbers, own, checked, partial(advance, layer=layer.name))
            if share is not None:
                left[layer.name] = share
    return left


def _narrowed(student: Generator, teacher: Teacher, start: WarmStart) -> list[NarrowedLayer]:
    """The layers that lack inputs and learn, from low to high, up to the first that was not taken over."""
    found, below = [], None
    for name, kept in start.kept.items():
        own, theirs = (cast(StyledLayer, net.get_submodule(name)) for net in (student, teacher.original))
        if not {f"{name}.{part}" for part, _ in own.named_parameters()} <= {*start.narrowed, *start.copied}:
            break  # it is random, and what lies above reads that
        narrow = len(kept) < len(theirs.bias)
        lacks = narrow if below is None else below
        if lacks and own.bias.requires_grad:
            found.append(NarrowedLayer(name, own, theirs, kept.to(teacher.device)))
        below = narrow
    return found


def _wanted(
    teacher: Teacher, layers: Sequence[NarrowedLayer], numbers: Sequence[int], advance: Callable[[], None]
) -> dict[str, Tensor]:
    """What the teacher's convolutions give of the kept channels, by layer: `[N, out, P, 1]` each."""
    drawn, kept = teacher.drawn(numbers), {layer.name: layer.kept for layer in layers}

    def take(name: str, inputs: Any, output: Tensor) -> Tensor:
        output = output.float()[:, kept[name]]
        return at_places(output, _places(numbers, output, teacher))

    convolutions = {layer.name: layer.theirs.conv for layer in layers}
    found = _seen(teacher.original.synthesis, convolutions, drawn.w, drawn.noise, take)
    advance()
    return found


def _fit(
    student: Generator,
    teacher: Teacher,
    layer: NarrowedLayer,
    numbers: Sequence[Sequence[int]],
    wanted: Sequence[Tensor],
    checked: int,
    advance: Callable[[], None],
) -> float | None:
    """Write the nearest weight and bias into a layer, and return the share left; None where it stays.

    Args:
        student: What is fitted.
        teacher: What it is fitted to.
        layer: Layer of both.
        numbers: Images by batches.
        wanted: What `_wanted` gives for each of them.
        checked: First image that is kept aside.
        advance: Called after every batch.
    """
    sums: list[NormalEquations] = []
    for some, targets in zip(numbers, wanted, strict=True):
        product = _product(student, teacher, layer, some)
        advance()
        if product is None:
            return None
        columns, weight = product
        sums = sums or [NormalEquations(columns.shape[1], targets.shape[1]) for _ in range(2)]
        sums[some[0] >= checked].add(columns, targets)
    fitted, aside = sums
    taken_over = torch.cat([weight.flatten(1), weight.new_zeros(len(weight), 1)], dim=1)
    left = aside.left(fitted.solution())
    if left >= aside.left(taken_over):
        return None
    fitted.join(aside)
    solution = fitted.solution().to(weight)
    weight.copy_(solution[:, :-1].reshape(weight.shape))
    layer.own.bias.add_(solution[:, -1])  # behind noise, which is added to both
    return left


def _product(
    student: Generator, teacher: Teacher, layer: NarrowedLayer, numbers: Sequence[int]
) -> tuple[Tensor, nn.Parameter] | None:
    """`Block.product` of the student's convolution at the same places, `[N, M, P, 1]`."""
    drawn = teacher.drawn(numbers)
    w, noise = teacher.w_of_student(student, drawn), student.synthesis.borrowed(drawn.noise)
    convolution = layer.own.conv
    seen = _seen(student.synthesis, {layer.name: convolution}, w, noise, lambda name, inputs, output: inputs)
    columns, weight = [], None
    for number, x, row in zip(numbers, *(torch.split(t, 1) for t in seen[layer.name]), strict=True):
        product = convolution.product(x, row)  # one image: of a full convolution, nine times its features
        if product is None or not product[1].requires_grad:
            return None
        features, weight = product
        columns.append(at_places(features.float(), _places([number], features, teacher)))
    return (torch.cat(columns), weight) if weight is not None else None


def _places(numbers: Sequence[int], x: Tensor, teacher: Teacher) -> Tensor:
    """The same places of student and teacher, whose features are of one size."""
    return sampled_places(numbers, x.shape[-2] * x.shape[-1], teacher.settings.seed).to(x.device)


def _seen(
    synthesis: SynthesisNetwork,
    modules: Mapping[str, nn.Module],
    w: Tensor,
    noise: Noise,
    take: Callable[[str, Any, Tensor], Any],
) -> dict[str, Any]:
    """What `take` makes of name, inputs and output of every module; what lies above them does not run."""
    found: dict[str, Any] = {}

    def hook(name: str, module: nn.Module, inputs: Any, output: Tensor) -> None:
        found[name] = take(name, inputs, output)

    hooks = [module.register_forward_hook(partial(hook, name)) for name, module in modules.items()]
    try:
        for _ in synthesis.features(w, noise):
            if len(found) == len(modules):
                break
    finally:
        for handle in hooks:
            handle.remove()
    return found
