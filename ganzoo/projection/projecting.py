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

from ganzoo.features.networks import FeatureNetwork, load_features
from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import TRAINABLE, Generator
from ganzoo.latent.saved import fingerprint, same_mapping
from ganzoo.projection.descent import Step, descend
from ganzoo.projection.distance import FEATURES, PIXEL_WEIGHT, ImageDistance
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
        space: "w", one w for all rows, which keeps to what the generator knows; or "w+", a w for every row,
            which comes nearer and bears edits less well.
        steps: Steps in all.
        start: `[1 or N, num_ws, w_dim]`; by default the mean of w.
        noise: Whether to fit the noise of every layer as well.
        coarse: Smaller generators of the same mapping network, from low to high, which take the first steps.
        features: Feature network by name or as it is; None for pixels alone.
        pixel_weight: Weight of the mean squared difference of pixels beside the features.
        schedule: Learning rate and noise of w; with `Schedule()`, pixel_weight=0 and noise=True, the steps
            are those of StyleGAN2's projector.
        statistics: Of w, where they are known already; of all classes by default.
        seed: Seed of the noise on w and of the noise's start.
        cache_dir: Cache of the feature network.
        report: Function that is told of every step.

    Raises:
        ValueError: for another space, no steps, images or a start of another shape, or a coarse generator
            that is of another mapping network or too large.
        OSError: if the feature network cannot be had.
    """
    _check(generator, images, space, steps, coarse)
    network = load_features(features, cache_dir=cache_dir) if isinstance(features, str) else features
    network = network if network is None else network.to(generator.device)
    statistics = statistics or w_statistics(generator)
    random = torch.Generator().manual_seed(seed)
    targets = images.detach().to(generator.device, torch.float32)
    w = _started(generator, start, len(images), statistics)
    maps = drawn_noise(generator, len(images), random) if noise else None
    parts = _parts(generator, space, steps, coarse, from_start=start is not None)
    done, distance = 0, ImageDistance(targets, parts[0].generator.resolution, network, pixel_weight)
    with torch.inference_mode(False), torch.enable_grad():
        for part in parts:
            if (side := part.generator.resolution) != distance.side:
                distance = ImageDistance(targets, side, network, pixel_weight)
            for step in descend(
                _quick(part.generator),
                distance,
                w.mean(dim=1, keepdim=True) if part.space == W else w.contiguous(),
                statistics,
                part.steps,
                schedule=schedule
                if done == 0
                else replace(schedule, rate=schedule.rate * _LATER, w_noise=0.0),
                noise=maps if part.generator is generator else None,
                draw=lambda w: torch.randn(w.shape, generator=random).to(w),
            ):
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
    generator: Generator, space: str, steps: int, coarse: Sequence[Generator], *, from_start: bool
) -> list[_Part]:
    """What each generator does.

    Half of the steps are the generator's own: a coarse one is no more than near it, and 20 steps take it as
    near as it comes. Among the coarse ones, each takes half as many as the one before. A W+ begins in W,
    unless it has a start of its own: with the first generator, or the first half of the only one's steps.
    """
    generators = [*coarse, generator]
    if space == W_PLUS and not coarse and not from_start:
        generators = [generator, generator]
    weights = [2**i for i in reversed(range(len(generators) - 1))]
    weights.append(sum(weights) or 1)
    ends = [round(steps * sum(weights[: i + 1]) / sum(weights)) for i in range(len(weights))]
    counts = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    spaces = [space] * len(generators)
    if not from_start and len(generators) > 1:
        spaces[0] = W
    return [_Part(*part) for part in zip(generators, spaces, counts, strict=True) if part[2]]


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
