"""Centers of w: the k-means of many w, for multi-modal truncation (Mokady et al. 2022, section 4).

The mean w stands for no one in particular, and truncation brings everyone towards it. Towards the nearest of
several centers, images get as clean and stay more varied.
"""

import torch
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.generators.sampling import Label
from ganzoo.latent.samples import sampled_w
from ganzoo.latent.truncation import truncate as truncate

CENTERS, SAMPLES = 64, 60_000  # as in stylegan3-fun
MAX_CENTERS = 4096
_STEPS = 100  # at most; about 10 are made
_SETTLED = 1e-3  # of the mean squared distance, by which a step must make it less
_PIECE = 4096  # w that are compared with all centers at once


@torch.no_grad()
def find_centers(
    generator: Generator,
    num: int = CENTERS,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    label: Label | None = None,
) -> Tensor:
    """Centers `[num, 1, w_dim]` of random w, on the generator's device; the same ones for the same seed.

    Args:
        generator: Generator whose w they are.
        num: Number of centers.
        samples: Number of w.
        seed: Seed of the w, and of the first centers.
        label: Class of a conditional model; None for classes drawn uniformly.

    Raises:
        ValueError: for a number of centers that is not 1 to `MAX_CENTERS`, or more than there are w.
    """
    check_centers(num)
    w = torch.cat([batch.float() for batch in sampled_w(generator, samples, seed, label)])
    return kmeans(w, num, seed)[:, None].to(generator.mapping.w_avg)


def check_centers(num: int) -> None:
    """Raise ValueError for a number of centers that there is not."""
    if not 1 <= num <= MAX_CENTERS:
        raise ValueError(f"--centers is 1 to {MAX_CENTERS}; got {num}.")


def kmeans(points: Tensor, num: int, seed: int = 0) -> Tensor:
    """Centers `[num, width]` of points `[N, width]`: k-means++ (Arthur and Vassilvitskii 2007), then Lloyd's.

    Args:
        points: Points `[N, width]`.
        num: Number of centers.
        seed: Seed of the first centers.

    Raises:
        ValueError: for fewer points than centers.
    """
    if len(points) < num:
        raise ValueError(f"{num} centers need as many points; got {len(points)}.")
    centers, before = _first_centers(points, num, torch.Generator().manual_seed(seed)), float("inf")
    for _ in range(_STEPS):
        distance, own = _assigned(points, centers)
        counts = torch.bincount(own, minlength=num)[:, None]
        sums = torch.zeros_like(centers).index_add_(0, own, points)
        centers = torch.where(counts > 0, sums / counts.clamp(min=1), centers)
        now = distance.mean().item()
        if before - now <= _SETTLED * now:
            break
        before = now
    return centers


def _first_centers(points: Tensor, num: int, random: torch.Generator) -> Tensor:
    """Points far from each other: each is drawn by its squared distance from those before."""
    norms = points.square().sum(dim=1)

    def squared(number: int) -> Tensor:
        return (norms + norms[number] - 2 * (points @ points[number])).clamp(min=0)

    chosen = [int(torch.randint(len(points), [1], generator=random))]
    distance = squared(chosen[0])
    for _ in range(num - 1):
        share = torch.rand([], generator=random, dtype=torch.float64)
        sums = distance.cpu().double().cumsum(0)
        chosen.append(min(int(torch.searchsorted(sums, share * sums[-1])), len(points) - 1))
        distance = torch.minimum(distance, squared(chosen[-1]))
    return points[chosen]


def _assigned(points: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance of every point from its nearest center, and that center's number."""
    norms, pieces = centers.square().sum(dim=1), []
    for piece in torch.split(points, _PIECE):
        pieces.append((norms - 2 * piece @ centers.T).min(dim=1))
    distance = torch.cat([p.values for p in pieces]) + points.square().sum(dim=1)
    return distance.clamp(min=0), torch.cat([p.indices for p in pieces])
