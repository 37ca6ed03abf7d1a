"""How much two images differ from pixel to pixel."""

import math

import torch
from torch import Tensor

from ganzoo.system.images import IMAGE_RANGE

_LEAST_SQUARE = 1e-16  # 166 dB, which stand for equal images


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference of each pair, unclipped."""
    return (a - b).abs().mean(dim=(1, 2, 3))


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each pair in dB, for a range of 2, unclipped; at most 166."""
    error = (a - b).square().mean(dim=(1, 2, 3)).clamp(min=_LEAST_SQUARE)
    return 10 * torch.log10(IMAGE_RANGE**2 / error)


def decibels(mean_square: float, value_range: float = IMAGE_RANGE) -> float:
    """PSNR in dB of one mean squared error over many images, or over other values of a range of their own.

    Infinite where nothing differs, nan where the error is not finite. This is not `psnr`, the mean over
    images: a record that holds it says so in a definition.
    """
    if not math.isfinite(mean_square):
        return math.nan
    return 10 * math.log10(value_range**2 / mean_square) if mean_square > 0 else math.inf
