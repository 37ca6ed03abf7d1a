"""Blur in front of the discriminator, which fades: at first it sees no detail (Karras et al. 2021)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.ops.resample import filter2d
from ganzoo.system.validation import check_fields
from ganzoo.training.settings import require

MAX_SIGMA = 100.0


@dataclass(frozen=True, kw_only=True)
class BlurSettings:
    """How much is blurred, and for how long.

    Args:
        sigma: Width at the beginning, in pixels; 0 for none. An amplitude is halved at that distance.
        kimg: Thousands of images until it is gone, evenly.
    """

    sigma: float = 0.0
    kimg: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        require(0 <= self.sigma <= MAX_SIGMA, f"sigma is from 0 to {MAX_SIGMA:g}", self.sigma)
        require(self.kimg >= 0, "kimg is not negative", self.kimg)

    def at(self, kimg: float) -> float:
        """The width after so many thousand images."""
        return self.sigma * max(0.0, 1 - kimg / self.kimg) if self.kimg else 0.0


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Images `[N, C, H, W]` blurred; as they are below a third of a pixel."""
    reach = int(3 * sigma)
    if not reach:
        return images
    taps = (-(torch.arange(-reach, reach + 1, device=images.device) / sigma).square()).exp2()
    return filter2d(images, taps / taps.sum())
