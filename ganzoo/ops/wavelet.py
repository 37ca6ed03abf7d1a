"""The Haar transform and its inverse, in MobileStyleGAN's channel order (Belousov 2021, section 3).

A block [[a, b], [c, d]] of pixels has the coefficients

    LL = (a + b + c + d) / 2    LH = (a + b - c - d) / 2
    HL = (a - b + c - d) / 2    HH = (a - b - c + d) / 2

A tensor of C channels becomes 4C channels of half the size: first the C LL bands, then for every channel its
LH, HL, HH.
"""

from typing import cast

import torch
from einops import rearrange
from torch import Tensor, nn


def dwt(x: Tensor) -> Tensor:
    """Sub-bands `[N, 4C, H/2, W/2]` of `x [N, C, H, W]`; H and W even.

    Raises:
        ValueError: for an odd height or width.
    """
    if x.shape[-1] % 2 or x.shape[-2] % 2:
        raise ValueError(f"The Haar transform needs an even height and width; got {list(x.shape)}.")
    a, b, c, d = (0.5 * x[..., i::2, j::2] for i in (0, 1) for j in (0, 1))
    top, bottom, top_step, bottom_step = a + b, c + d, a - b, c - d
    details = torch.stack([top - bottom, top_step + bottom_step, top_step - bottom_step], dim=2)
    return torch.cat([top + bottom, rearrange(details, "n c k h w -> n (c k) h w")], dim=1)


def idwt(x: Tensor) -> Tensor:
    """Image `[N, C, 2H, 2W]` of the sub-bands `x [N, 4C, H, W]`: the inverse of `dwt`.

    Raises:
        ValueError: if the number of channels is not a multiple of 4.
    """
    if x.shape[1] % 4:
        raise ValueError(f"Sub-bands come in fours; got {x.shape[1]} channels.")
    x, c = 0.5 * x, x.shape[1] // 4
    low, details = x[:, :c], x[:, c:]
    return merge_subbands(low, details[:, 0::3], details[:, 1::3], details[:, 2::3])


def merge_subbands(low: Tensor, lh: Tensor, hl: Tensor, hh: Tensor) -> Tensor:
    """Image `[N, C, 2H, 2W]` of four halved sub-bands `[N, C, H, W]`, by sums alone."""
    low_plus, low_minus, high_plus, high_minus = low + lh, low - lh, hl + hh, hl - hh
    top = [low_plus + high_plus, low_plus - high_plus]
    bottom = [low_minus + high_minus, low_minus - high_minus]
    # Interleaved with the channels last: pixel_shuffle takes twice as long on a CPU, and so does a depthwise
    # convolution of what it returns (512 x 512, 64 channels: 0.35 s with the channels first, 0.02 s with the
    # channels last).
    rows = [torch.stack([rearrange(x, "n c h w -> n h w c") for x in row], dim=3) for row in (top, bottom)]
    return rearrange(torch.stack(rows, dim=2), "n h i w j c -> n c (h i) (w j)")


def blocks_to_space(x: Tensor) -> Tensor:
    """Image `[N, C, 2H, 2W]` of `x [N, 4C, H, W]`: top left pixels, top right, bottom left, bottom right.

    Stored with the channels last, like `merge_subbands`.
    """
    pixels = rearrange(x, "n (i jc) h w -> n h i w jc", i=2).contiguous()
    return rearrange(pixels, "n h i w (j c) -> n c (h i) (w j)", j=2)


def haar_pixels(x: Tensor) -> Tensor:
    """The pixels of halved and sorted sub-bands, along the first axis: `[4C, ...]` to `[4C, ...]`.

    In: all LL, then all LH, HL, HH; out: all top left pixels, top right, bottom left, bottom right. So a
    linear layer in front of an inverse transform takes in its sums, and leaves `blocks_to_space` of it.
    """
    signs = x.new_tensor([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
    return (signs @ x.reshape(4, -1)).reshape(x.shape)


def subband_order(channels: int) -> Tensor:
    """Indices that sort the channels in front of an inverse transform by sub-band: LL, LH, HL, HH."""
    details = torch.arange(channels // 4, channels).view(-1, 3)
    return torch.cat([torch.arange(channels // 4), details.t().reshape(-1)])


def subband_groups(channels: int) -> Tensor:
    """Indices `[channels / 4, 4]` of the LL, LH, HL and HH that make a channel of an inverse transform."""
    return subband_order(channels).view(4, -1).t()


class IDWT(nn.Module):
    """`idwt` as a module.

    Args:
        sorted: Whether the input is already halved and sorted by sub-band, all LL channels and then all LH,
            HL, HH: four slices.
    """

    macs_per_output = 4

    def __init__(self, *, sorted: bool = False) -> None:
        super().__init__()
        self.sorted = sorted

    def forward(self, x: Tensor) -> Tensor:
        return merge_subbands(*x.chunk(4, dim=1)) if self.sorted else idwt(x)


class ModulatedIDWT(nn.Module):
    """The inverse transform of features `x [N, 4C, H, W]` times `factors [N, 4C]`: `[N, C, 2H, 2W]`."""

    def __init__(self, channels: int, *, sorted: bool) -> None:
        super().__init__()
        self.channels, self.sorted = channels, sorted  # 4C
        self.idwt = IDWT(sorted=sorted)

    def forward(self, x: Tensor, factors: Tensor) -> Tensor:
        return cast(Tensor, self.idwt(x * factors[:, :, None, None]))


class BlocksToSpace(nn.Module):
    """`blocks_to_space` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        return blocks_to_space(x)
