"""The forms of a deployed generator that engines take best: the same images from other operations."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.conv import FoldedConv
from ganzoo.generators.generator import Generator
from ganzoo.ops.wavelet import IDWT, BlocksToSpace, ModulatedIDWT, haar_pixels

# The four pixels of all blocks, or one tensor that has them behind each other, to `[N, C, 2H, 2W]`.
Merge = Callable[[list[Tensor]], Tensor]


@dataclass(frozen=True)
class Form:
    """What an engine wants.

    Attributes:
        merge: Way to interleave the four pixels of a block of an inverse transform, a name in `MERGES`.
        dense_channels: Largest number of channels for which an inverse transform is one transposed
            convolution.
        folds_style: Whether the style may go into the weights at batch 1; otherwise weights are constants.
        hides_noise: Whether constant noise looks as if it depended on w. Engines that add up constants make
            one of noise `[1, 1, r, r]` and bias `[C]`, of C times the size: 287 MB in the place of 33 for
            `mobilestylegan_ffhq`, all of them read for every image.
    """

    merge: str = "blocks"
    dense_channels: int = 0
    folds_style: bool = True
    hides_noise: bool = False


def formed(generator: Generator, form: Form) -> Generator:
    """A copy of a deployed generator in another form, its weights laid out as the engines read them."""
    result = copy.deepcopy(generator)
    for module in list(result.synthesis.modules()):
        if isinstance(module, FoldedConv):
            module.folds_style = form.folds_style
        for name, child in list(module.named_children()):
            if type(child) is ModulatedIDWT and child.sorted and child.channels <= form.dense_channels:
                setattr(module, name, DenseTransform(child.channels, folds_factors=form.folds_style))
            elif type(child) is IDWT:
                setattr(module, name, InverseTransform(sorted=child.sorted, merge=form.merge))
            elif type(child) is BlocksToSpace:
                setattr(module, name, Interleave(form.merge))
    return result.to(memory_format=torch.contiguous_format)


class InverseTransform(nn.Module):
    """`IDWT` with another way to interleave: `[N, 4C, H, W]` to `[N, C, 2H, 2W]`."""

    def __init__(self, *, sorted: bool, merge: str) -> None:
        super().__init__()
        self.sorted = sorted
        self.merge = MERGES[merge]

    def forward(self, x: Tensor) -> Tensor:
        if self.sorted:
            low, lh, hl, hh = x.chunk(4, dim=1)
        else:
            c = x.shape[1] // 4
            x = 0.5 * x
            low, lh, hl, hh = x[:, :c], *(x[:, c + i :: 3] for i in range(3))
        low_plus, low_minus, high_plus, high_minus = low + lh, low - lh, hl + hh, hl - hh
        return self.merge(
            [low_plus + high_plus, low_plus - high_plus, low_minus + high_minus, low_minus - high_minus]
        )


class DenseTransform(nn.Module):
    """`ModulatedIDWT` of sorted sub-bands as a transposed convolution, its factors in the weights at batch 1.

    It multiplies by many zeros, and yet few channels take less time than slices, sums and moves do: in
    OpenVINO 92 ms in the place of 95 for an image of `mobilestylegan_ffhq` with up to 128 channels, 96 with
    up to 256 (2 threads of a virtual Xeon with AVX-512, 2026-11).
    """

    sorted = True

    def __init__(self, channels: int, *, folds_factors: bool) -> None:
        super().__init__()
        self.folds_factors = folds_factors
        pixels = haar_pixels(torch.eye(channels))  # [4 x out, in]
        weight = pixels.reshape(2, 2, channels // 4, channels).permute(3, 2, 0, 1)
        self.register_buffer("weight", weight.contiguous())

    def forward(self, x: Tensor, factors: Tensor) -> Tensor:
        weight = cast(Tensor, self.weight)
        if self.folds_factors and x.shape[0] == 1:
            weight = weight * factors[0, :, None, None, None]
        else:
            x = x * factors[:, :, None, None]
        return F.conv_transpose2d(x, weight, stride=2)


class Interleave(nn.Module):
    """`BlocksToSpace` in another way."""

    def __init__(self, merge: str) -> None:
        super().__init__()
        self.merge = MERGES[merge]

    def forward(self, x: Tensor) -> Tensor:
        return self.merge([x])


def merge_blocks(pixels: list[Tensor]) -> Tensor:
    """The four pixels as blocks of channels, moved to space at once.

    OpenVINO makes one DepthToSpace of it: 95 ms for an image of `mobilestylegan_ffhq` (2 threads of a
    virtual Xeon with AVX-512, 2026-11) where `merge_rows` takes 123; onnxruntime takes 199 and 146.
    """
    x = torch.cat(pixels, dim=1) if len(pixels) > 1 else pixels[0]
    n, c, h, w = x.shape
    x = x.reshape(n, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // 4, 2 * h, 2 * w)


def merge_rows(pixels: list[Tensor]) -> Tensor:
    """The channels last and no tensor of more than four dimensions, for engines that know no others."""
    last = [x.permute(0, 2, 3, 1) for x in pixels]
    halves = (
        [torch.cat(last[:2], dim=3), torch.cat(last[2:], dim=3)] if len(last) > 1 else last[0].chunk(2, 3)
    )
    n, h, w, channels = halves[0].shape
    rows = torch.cat([half.reshape(n, h, 1, w * channels) for half in halves], dim=2)
    return rows.reshape(n, 2 * h, 2 * w, channels // 2).permute(0, 3, 1, 2)


MERGES: dict[str, Merge] = {"blocks": merge_blocks, "rows": merge_rows}
