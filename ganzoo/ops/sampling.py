"""Images between and beyond their pixels: continuation by reflection, and bilinear sampling.

Sampling is linear in the image, so its derivative is its transpose, which spreads values over the places they
were taken from, and the derivative of that is sampling again: it can be differentiated any number of times.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Size, Tensor
from torch.autograd import Function

BILINEAR, BORDER = 0, 1  # what torch's operator calls them


def sample(images: Tensor, grid: Tensor) -> Tensor:
    """Values of images between their pixels, `[N, C, h, w]`; the border's value outside.

    torch's `grid_sample` itself has no second derivative in the versions that we support.

    Args:
        images: `[N, C, H, W]`.
        grid: `[N, h, w, 2]`: x and y, -1 and 1 at the centres of the first and last pixel. Gets no gradient.
    """
    sampled: Tensor = _Sample.apply(images, grid)
    return sampled


def reflected(places: Tensor, size: int) -> Tensor:
    """The pixels that a side continued by reflection has at whole places; the edge is not repeated."""
    period = max(2 * (size - 1), 1)
    within = places % period
    return torch.minimum(within, period - within) if size > 1 else within


class _Sample(Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.size = images.shape
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        spread: Tensor = _Spread.apply(gradients[0], grid, ctx.size)
        return spread, None


class _Spread(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, grid: Tensor, size: Size) -> Tensor:
        ctx.save_for_backward(grid)
        images = values.new_empty(size)  # read for the grid's gradient alone, which nobody asks for
        spread: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            values, images, grid, BILINEAR, BORDER, True, (True, False)
        )[0]
        return spread

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        sampled: Tensor = _Sample.apply(gradients[0], grid)
        return sampled, None, None
