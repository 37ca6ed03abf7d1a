"""`project`: images to the w, and perhaps the noise, from which a generator draws them again.

    projected = project(generator, images, space="w+", steps=200)
    projected.w, projected.images

Smaller generators that share the mapping network, such as the members of one family, take the first steps:
a step at 64 x 64 costs a tenth of one at 1024 x 1024, and w means the same to all of them.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganzoo.features.networks import FeatureNetwork
from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import TRAINABLE, Generator
from ganzoo.latent.saved import fingerprint, same_mapping
from ganzoo.projection.descent import Step, descend
from ganzoo.projection.distance import FEATURES, PIXEL_WEIGHT, ImageDistance, feature_network
from ganzoo.projection.noise import drawn_noise
from ganzoo.projection.schedule import FAST, Schedule
from ganzoo.projection.statistics import WStatistics, w_statistics

W, W_PLUS = "w", "w+"
SPACES = (W, W_PLUS)
STEPS = 100
_LATER = 0.5  # of the rate, in every part of a projection but the first


@dataclass(frozen=True)
class Projected:
    """What a projection found.

    Attributes:
        w: `[N, num_ws, w_dim]`.
        noise: Noise of every layer, `[N, 1, r, r]`, as `Generator.synthesis` takes it; None if the noise
            saved with the weights was used.
        images: `[N, C, R, R]` that the generator draws from them, unclamped.
        distances: `[N]`, of these images from the targets, as `ImageDistance` measures them.
    """

    w: Tensor
    noise: tuple[Tensor, ...] | None
    images: Tensor
    distances: Tensor


@dataclass(frozen=True)
class _Part:
    """Some steps of a projection at one size in one space."""

    generator: Generator
    space: str
    steps: int
    schedule: Schedule


def project(
    generator: Generator,
    images: Tensor,
    *,
    space: str = W,
    steps: int = STEPS,
    start: Tensor | None = None,
    noise: bool = False,
    coarse: Sequence[Generator] = (),
    features: str | FeatureNetwork | None = FEATURES,
    pixel_weight: float = PIXEL_WEIGHT,
    schedule: Schedule = FAST,
    statistics: WStatistics | None = None,
    seed: int = 0,
    cache_dir: str | os.PathLike[str] | None = None,
    report: Callable[[Step], None] = lambda step: None,
) -> Projected:
    """The w whose images are nearest to some images, found by gradient descent.

    Args:
        generator: Generator, which stays as it is.
        images: `[N, C, R, R]` in -1..1, each projected by itself; another side is brought to the generator's.
        space: "w", one w for all rows; or "w+", a w for every row: nearer, and edits suit it less.
        steps: Steps in all.
        start: `[1 or N, num_ws, w_dim]`; None for the mean of w.
        noise: Whether to fit the noise of every layer as well.
        coarse: Smaller generators of the same mapping network, from low to high, for the first steps.
        features: Feature network by name or as it is; None for pixels alone.
        pixel_weight: Weight of the pixels' mean squared difference.
        schedule: `Schedule()` with noise and no pixels takes the steps of StyleGAN2's projector.
        statistics: Of w, where they are known already; of all classes by default.
        seed: Seed of all noise.
        cache_dir: Cache of the feature network.
        report: Function that is told of every step.

    Raises:
        ValueError: for other spaces or shapes, no steps, or a coarse generator of another mapping network.
        OSError: if the feature network cannot be had.
    """
    _check(generator, images, space, steps, coarse)
    network = feature_network(features, generator.device, cache_dir)
    done, random = 0, torch.Generator().manual_seed(seed)
    parts = _parts([*coarse, generator], space, steps, schedule, from_start=start is not None)
    with torch.inference_mode(False), torch.enable_grad():  # what came from that mode has no gradients
        known = statistics or w_statistics(generator)
        targets = images.detach().to(generator.device, torch.float32).clone()
        w = _started(generator, start, len(images), known).clone()
        maps = drawn_noise(generator, len(images), random) if noise else None
        for part in parts:
            distance = ImageDistance(targets, part.generator.resolution, network, pixel_weight)
            begin = w.mean(dim=1, keepdim=True) if part.space == W else w.contiguous()
            found = descend(
                _quick(part.generator), distance, begin, known, part.steps, schedule=part.schedule,
                noise=maps if part.generator is generator else None,
                draw=lambda w: torch.randn(w.shape, generator=random).to(w),
            )  # fmt: skip
            for step in found:
                done, w = done + 1, step.w.expand(-1, generator.num_ws, -1)
                report(replace(step, number=done, steps=steps, w=w))
    return _drawn(generator, w.clone(), None if maps is None else [x.detach() for x in maps], distance)


def check_space(space: str, what: str = "space") -> None:
    """Raise ValueError for a space that there is not."""
    if space not in SPACES:
        raise ValueError(f"{what} is {' or '.join(SPACES)}; got {space!r}.")


def _drawn(
    generator: Generator, w: Tensor, noise: Sequence[Tensor] | None, distance: ImageDistance
) -> Projected:
    """What a generator draws of a w, and how near it is."""
    with torch.no_grad():
        images = generator.synthesis(w, noise="const" if noise is None else noise).image
        return Projected(w, None if noise is None else tuple(noise), images, distance(images))


def _parts(
    generators: list[Generator], space: str, steps: int, schedule: Schedule, *, from_start: bool
) -> list[_Part]:
    """What each generator does.

    Half of the steps are those of the last one: the others are no more than near it, and 20 steps take them
    as near as they come. Among these, each takes half as many as the one before. A W+ begins in W, unless it
    has a start of its own: with the first generator, or in the first half of the only one's steps.
    """
    if space == W_PLUS and len(generators) == 1 and not from_start:
        generators = generators * 2
    weights = [2**i for i in reversed(range(len(generators) - 1))]
    weights.append(sum(weights) or 1)
    ends = [round(steps * sum(weights[: i + 1]) / sum(weights)) for i in range(len(weights))]
    counts = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    spaces = [space] * len(generators)
    if not from_start and len(generators) > 1:
        spaces[0] = W
    later = replace(schedule, rate=schedule.rate * _LATER, w_noise=0.0)
    kept = [part for part in zip(generators, spaces, counts, strict=True) if part[2]]
    return [_Part(*part, later if number else schedule) for number, part in enumerate(kept)]


def _quick(generator: Generator) -> Generator:
    """The quickest form for gradients with respect to w; the generator itself where it has none."""
    if generator.form != TRAINABLE:
        return generator
    return deploy(generator).to(memory_format=torch.channels_last)


def _started(generator: Generator, start: Tensor | None, samples: int, statistics: WStatistics) -> Tensor:
    shape = (samples, generator.num_ws, generator.w_dim)
    if start is None:
        return statistics.mean.expand(shape)
    if start.shape[1:] != shape[1:] or len(start) not in (1, samples):
        raise ValueError(f"start is [1 or {samples}, {shape[1]}, {shape[2]}]; got {list(start.shape)}.")
    return start.detach().to(statistics.mean).expand(shape)


def _check(generator: Generator, images: Tensor, space: str, steps: int, coarse: Sequence[Generator]) -> None:
    check_space(space)
    if steps < 1:
        raise ValueError(f"A projection takes 1 step at least; got {steps}.")
    channels = generator.img_channels
    if (
        images.ndim != 4
        or images.shape[1] != channels
        or images.shape[2] != images.shape[3]
        or not len(images)
    ):
        raise ValueError(f"images are square, [N, {channels}, R, R], N at least 1; got {list(images.shape)}.")
    known = fingerprint(generator) if coarse else ()
    sides = [one.resolution for one in (*coarse, generator)]
    if sides != sorted(sides):
        raise ValueError(f"Coarse generators come from low to high, up to the generator's side; got {sides}.")
    for one in coarse:
        same = (one.w_dim, one.img_channels) == (generator.w_dim, channels) and one.num_ws <= generator.num_ws
        if not (same and same_mapping(known, one)):
            raise ValueError(
                f"A coarse generator shares the generator's mapping network; {one!r} has another."
            )
