"""Noise fitted together with w, kept from drawing the image (Karras et al. 2020, appendix D)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.generators.generator import Generator

WEIGHT = 1e5
_LEAST_SIDE = 8  # a map is halved until its side is no larger


def noise_regularisation(maps: Sequence[Tensor]) -> Tensor:
    """How much neighbours of noise resemble each other, a scalar; StyleGAN2 weighs it by `WEIGHT`.

    For every map, and for the map halved again and again down to 8 x 8: the squared mean of the products of
    neighbours, across and down, around the edges; summed over maps, their sizes, and samples.

    Args:
        maps: Noise `[N, 1, r, r]` of every layer.
    """
    total = maps[0].new_zeros(())
    for x in maps:
        while True:
            for axis in (3, 2):
                total = total + (x * x.roll(1, dims=axis)).mean(dim=(1, 2, 3)).square().sum()
            if x.shape[2] <= _LEAST_SIDE:
                break
            x = F.avg_pool2d(x, 2)
    return total


@torch.no_grad()
def normalise_noise(maps: Sequence[Tensor]) -> None:
    """Bring every sample of every map `[N, 1, r, r]` to mean 0 and variance 1, in place."""
    for x in maps:
        x -= x.mean(dim=(1, 2, 3), keepdim=True)
        x *= x.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()


def drawn_noise(generator: Generator, samples: int, random: torch.Generator) -> list[Tensor]:
    """Normal noise `[samples, 1, r, r]` of every layer, on the generator's device."""
    return [
        torch.randn(samples, 1, *size, generator=random).to(generator.device)
        for size in generator.synthesis.noise_sizes
    ]
