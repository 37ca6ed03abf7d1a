"""One descent: w, and perhaps noise, moved step by step until the images of a generator are near others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.projection.noise import WEIGHT, noise_regularisation, normalise_noise
from ganzoo.projection.schedule import Schedule
from ganzoo.projection.statistics import WStatistics

Distance = Callable[[Tensor], Tensor]
"""Images `[N, C, R, R]` of a generator to their distance from the targets, `[N]`."""


@dataclass(frozen=True)
class Step:
    """Where a projection is after a step.

    Attributes:
        number: Steps that are done.
        steps: Steps in all.
        w: `[N, num_ws, w_dim]` after the step.
        noise: Noise of every layer after the step; None where it is not fitted.
        images: `[N, C, r, r]` that the step began with, at the side r at which it was made.
        distances: `[N]`, of those images from their targets.
    """

    number: int
    steps: int
    w: Tensor
    noise: tuple[Tensor, ...] | None
    images: Tensor
    distances: Tensor


def descend(
    generator: Generator,
    distance: Distance,
    start: Tensor,
    statistics: WStatistics,
    steps: int,
    *,
    schedule: Schedule,
    noise: Sequence[Tensor] | None = None,
    noise_weight: float = WEIGHT,
    draw: Callable[[Tensor], Tensor] = torch.randn_like,
) -> Iterator[Step]:
    """Each step of Adam (0.9, 0.999) on the sum of distances, as StyleGAN2's projector takes them.

    Args:
        generator: Generator, or a smaller one of its family: rows that it lacks stay as they are.
        distance: What is made small.
        start: `[N, 1, w_dim]` to stay in W, or `[N, num_ws, w_dim]` for W+.
        statistics: Of the generator's w, for the noise on it and for the axes.
        steps: Number of steps.
        schedule: Learning rate and noise of w; its axes are those of `statistics`.
        noise: Noise of every layer `[N, 1, r, r]` to be fitted, too, which changes in place; None for the
            noise that is saved with the weights.
        noise_weight: Weight of the noise's regularisation.
        draw: Normal noise shaped like w.
    """
    rows, samples = generator.num_ws, len(start)
    moved = torch.zeros_like(start, requires_grad=True)
    maps = [x.requires_grad_() for x in noise or ()]
    adam = torch.optim.Adam([moved, *maps], lr=0.0, betas=(0.9, 0.999))

    def point() -> Tensor:
        return start + (moved @ statistics.axes if schedule.along_axes else moved)

    for number in range(steps):
        for group in adam.param_groups:
            group["lr"] = schedule.learning_rate(number, steps)
        w = point()
        if (shake := schedule.noise(number, steps)) > 0:
            w = w + draw(w) * (shake * statistics.deviation)
        w = w.expand(samples, rows, -1) if w.shape[1] == 1 else w[:, :rows]
        images = generator.synthesis(w, noise=maps if maps else "const").image
        distances = distance(images)
        loss = distances.sum()
        if maps:
            loss = loss + noise_weight * noise_regularisation(maps)
        adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        if maps:
            normalise_noise(maps)
        yield Step(
            number + 1,
            steps,
            point().detach(),
            tuple(x.detach() for x in maps) or None,
            images.detach(),
            distances.detach(),
        )
