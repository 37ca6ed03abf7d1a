"""A new head's start: fitted to what the teacher shows, with everything below it as it is.

The features of a trained network hold its image at every level. So a head that is new need not begin with
noise: its matrix is found in closed form (least squares over sampled positions), then its dependence on w,
the factors 1 + A w of the channels, by some epochs over the same positions.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ganzoo.blocks import Head
from ganzoo.blocks.head import ToImage
from ganzoo.generators.generator import Generator
from ganzoo.ops.wavelet import dwt
from ganzoo.system.images import shrink
from ganzoo.system.progress import progress_bar
from ganzoo.training.cache import TeacherCache
from ganzoo.training.least_squares import (
    LATENTS_AT_ONCE,
    at_places,
    least_squares,
    sampled_places,
)
from ganzoo.training.teacher import Teacher

EPOCHS, LR = 30, 2e-3


@dataclass
class Samples:
    """What a level's prediction is made from, and should be.

    Attributes:
        features: `[N, C, positions, 1]`: an image whose pixels are the sampled ones.
        w: Row of w that the head reads, `[N, w_dim]`.
        wanted: `[N, out, positions, 1]`.
    """

    features: Tensor
    w: Tensor
    wanted: Tensor


def fit_head(
    student: Generator,
    teacher: Teacher,
    count: int,
    *,
    cache: TeacherCache | None = None,
    kept: Collection[str] = (),
    batch: int = 8,
) -> dict[int, float]:
    """Fit a student's head to its teacher's images, and return the mean absolute error left by level.

    Args:
        student: Generator with a head, on the teacher's device.
        teacher: Teacher of the run.
        count: Number of latents: those of the run's first images, or as many as the cache has.
        cache: The teacher's images, if they are on disk.
        kept: Names of tensors that stay; a level whose weight is among them is left alone.
        batch: Images at once.

    Raises:
        ValueError: if the student has no such head.
    """
    head = getattr(student.synthesis, "head", None)
    if not isinstance(head, Head):
        raise ValueError("init_head fits the head of a network of levels: give init_head=0.")
    count, errors = count if cache is None else min(count, cache.count), {}
    for name, module in head.to_image.items():  # from low to high: a skip head's sum needs those below
        if f"synthesis.head.to_image.{name}.conv.weight" in kept:
            continue
        samples = _sample(student, teacher, cache, head, int(name), count, batch)
        errors[int(name)] = _fit(cast(ToImage, module), samples, teacher.settings.seed)
    return errors


@torch.no_grad()
def _sample(
    student: Generator,
    teacher: Teacher,
    cache: TeacherCache | None,
    head: Head,
    level: int,
    count: int,
    batch: int,
) -> Samples:
    """Features, w and wanted predictions at random positions of the images of the first latents."""
    module, seen = head.to_image[str(level)], []
    hook = module.register_forward_hook(lambda module, inputs, output: seen.append(inputs))
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    try:
        with progress_bar("level", shown=True) as progress:
            bar = progress.add_task("Fitting the head", total=count, level=f"level {level}")
            for first in range(0, count, batch):
                numbers = list(range(first, min(first + batch, count)))
                drawn = teacher.drawn(numbers)
                target = cache.images(numbers) if cache else teacher.images(drawn.w, drawn.noise)
                target = target.to(teacher.device)
                noise = student.synthesis.borrowed(drawn.noise)
                output = student.synthesis(teacher.w_of_student(student, drawn), noise)
                ((x, w),) = seen[-1:]
                seen.clear()
                wanted = _wanted(head, level, list(output.levels), target)
                places = sampled_places(numbers, x.shape[-1] ** 2, teacher.settings.seed).to(x.device)
                found.append((at_places(x.float(), places), w, at_places(wanted, places)))
                progress.update(bar, completed=numbers[-1] + 1)
    finally:
        hook.remove()
    features, w, wanted = (torch.cat(part) for part in zip(*found, strict=True))
    return Samples(features, w, wanted)


def _wanted(head: Head, level: int, levels: list[Tensor], target: Tensor) -> Tensor:
    """What a level should predict, given what those below it do."""
    index = list(head.to_image).index(str(level))
    shown = shrink(target, head.pixels(levels[index]).shape[-1])
    if index:  # what the head itself makes of the images below: nothing, or their sum
        below = head.images(levels)[index - 1]
        shown = shown - head.combine(below, torch.zeros_like(shown))
    return shown if head.idwt is None else dwt(shown)


def _fit(module: ToImage, samples: Samples, seed: int) -> float:
    """Fit a prediction in two steps, write it into the module, and return the mean absolute error."""
    x, wanted = samples.features, samples.wanted
    # The steps of Adam suit channels of one strength.
    spread = x.square().mean(dim=(0, 2, 3)).sqrt().clamp(min=1e-6)
    x = x / spread[:, None, None]
    matrix, bias = least_squares(x, wanted)
    conv = module.conv
    modulation, factors = conv.modulation, None
    if modulation is not None:
        matrix, bias, factors = _bilinear(x, samples.w, wanted, matrix, bias, seed)
    with torch.no_grad():
        conv.weight.copy_((matrix / spread / conv.scale)[:, :, None, None])
        if modulation is not None and factors is not None:
            modulation.weight.copy_(factors / modulation.scale)
            modulation.bias.fill_(1 / modulation.lr_multiplier)
        module.bias.copy_(bias)
        return float((module(samples.features, samples.w) - wanted).abs().mean())


@torch.enable_grad()
def _bilinear(
    x: Tensor, w: Tensor, wanted: Tensor, matrix: Tensor, bias: Tensor, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Matrix, bias and the factors' dependence on w, `[C, w_dim]`, from none, by Adam on the L1 distance."""
    parameters = [t.clone().requires_grad_() for t in (matrix, bias, w.new_zeros(x.shape[1], w.shape[1]))]
    adam = torch.optim.Adam(parameters, lr=LR)
    steps = EPOCHS * math.ceil(len(x) / LATENTS_AT_ONCE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, LR, total_steps=steps)
    random = torch.Generator("cpu").manual_seed(seed)
    for _ in range(EPOCHS):
        order = torch.randperm(len(x), generator=random).to(x.device)
        for rows in torch.split(order, LATENTS_AT_ONCE):
            own, own_bias, factors = parameters
            styled = own * (1 + w[rows] @ factors.T)[:, None]  # [N, out, C]: far fewer than the features
            found = styled @ x[rows, :, :, 0] + own_bias[:, None]
            loss = (found - wanted[rows, :, :, 0]).abs().mean()
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            schedule.step()
    own, own_bias, factors = (t.detach() for t in parameters)
    return own, own_bias, factors
