"""All randomness of training as a function of an image's number, so that a run can be cut anywhere.

Image number k is the same one in whatever step, process, part of a batch or resumed run it is met. So there
is no random state to save, and no two processes that must agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.metrics.seeds import HELD_OUT_SEED

# Numbers from here on are never trained on: their latents, labels and noise are those of `ganzoo eval`.
HELD_OUT = 2**62
NOT_MIXED = 2**31  # a crossover beyond all rows


class Purpose(IntEnum):
    """What random numbers are for: each has a stream of its own."""

    LATENT = 0
    NOISE = 1
    AUGMENT_REAL = 2
    AUGMENT_FAKE = 3
    AUGMENT_GENERATOR = 4
    ORDER = 5
    PLACES = 6
    MIXTURE = 7
    DIRECTION = 8
    MIRROR = 9
    LABEL = 10
    PATH = 11
    LEVEL = 12
    TRUNCATION = 13
    DROPOUT = 14


def stream(seed: int, purpose: Purpose, number: int, lane: int = 0) -> np.random.Generator:
    """Random numbers of one image: Philox, keyed by run and purpose, counted by image.

    Args:
        seed: Run seed.
        purpose: What they are for.
        number: Image number.
        lane: Which of several draws of that purpose, where one number stands for several images.
    """
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, number, lane, 0]))


def held_out_seed(number: int) -> int:
    """The seed of a held-out image: `ganzoo eval` measures the same ones, whatever the run's seed is."""
    return HELD_OUT_SEED + number - HELD_OUT


@dataclass(frozen=True)
class Latents:
    """What decides on a batch of images.

    Attributes:
        z: `[N, z_dim]`.
        label: `[N, label_dim]`, one-hot, or None.
        z2: Latents of the second w, `[N, z_dim]`.
        crossover: First row of the second w, `[N]`; `NOT_MIXED` where there is only one.
    """

    z: Tensor
    label: Tensor | None
    z2: Tensor
    crossover: Tensor


def latents(
    numbers: Sequence[int],
    *,
    seed: int,
    z_dim: int,
    label_dim: int,
    num_ws: int,
    mixing: float,
    lane: int = 0,
) -> Latents:
    """Latents of images, on the CPU.

    Args:
        numbers: Image numbers.
        seed: Run seed.
        z_dim: Width of the teacher's z.
        label_dim: Width of the teacher's label, 0 for none.
        num_ws: Rows that the student reads: two w cross within them.
        mixing: Share of images with two w.
        lane: Which draw of the same numbers.
    """
    z, z2, crossover, classes = [], [], [], []
    for number in numbers:
        random = stream(seed, Purpose.LATENT, number, lane)
        z.append(random.standard_normal(z_dim, dtype=np.float32))
        mixed = random.random() < mixing and num_ws > 1
        crossover.append(int(random.integers(1, num_ws)) if mixed else NOT_MIXED)
        z2.append(random.standard_normal(z_dim, dtype=np.float32))
        classes.append(int(random.integers(label_dim)) if label_dim else 0)
        if number >= HELD_OUT:
            own = held_out_seed(number)
            z[-1] = np.random.RandomState(own).randn(z_dim).astype(np.float32)
            classes[-1] = own % label_dim if label_dim else 0
    return Latents(
        z=torch.from_numpy(np.stack(z)),
        label=F.one_hot(torch.tensor(classes), label_dim).float() if label_dim else None,
        z2=torch.from_numpy(np.stack(z2)),
        crossover=torch.tensor(crossover),
    )


def w_of(generator: Generator, batch: Latents, truncation_psi: float) -> Tensor:
    """The w `[N, num_ws, w_dim]` of a batch by that generator's mapping, mixed where the batch says so."""
    device = generator.mapping.w_avg.device
    label = None if batch.label is None else batch.label.to(device)
    w: Tensor = generator.mapping(batch.z.to(device), label, truncation_psi)
    return mixed(generator, batch, w, truncation_psi)


def mixed(generator: Generator, batch: Latents, w: Tensor, truncation_psi: float = 1.0) -> Tensor:
    """W of the first latents, `[N, num_ws, w_dim]`, with the rows of the second ones where the batch says."""
    if not bool((batch.crossover < NOT_MIXED).any()):
        return w
    label = None if batch.label is None else batch.label.to(w.device)
    second = generator.mapping(batch.z2.to(w.device), label, truncation_psi)
    crossed = torch.arange(generator.num_ws)[None] >= batch.crossover[:, None]  # [N, num_ws]
    return torch.where(crossed[:, :, None].to(w.device), second, w)


def uniform(numbers: Sequence[int], *, seed: int, purpose: Purpose, count: int) -> Tensor:
    """Numbers in 0..1, `count` an image: `[N, count]`."""
    rows = [stream(seed, purpose, number).random(count, dtype=np.float32) for number in numbers]
    return torch.from_numpy(np.stack(rows).reshape(len(rows), count))


def noise_sources(numbers: Sequence[int], *, seed: int, lane: int = 0) -> list[torch.Generator]:
    """A source of noise for every image."""
    seeds = [
        held_out_seed(number)
        if number >= HELD_OUT
        else int(stream(seed, Purpose.NOISE, number, lane).integers(2**62))
        for number in numbers
    ]
    return [torch.Generator("cpu").manual_seed(s) for s in seeds]
