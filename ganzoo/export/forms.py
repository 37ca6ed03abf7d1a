"""The forms of a deployed generator that engines take best: the same pictures from other operations."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganzoo.generators.deploy import DeployedConv
from ganzoo.generators.generator import Generator
from ganzoo.ops.wavelet import IDWT

Merge = Callable[[list[Tensor]], Tensor]


@dataclass(frozen=True)
class Form:
    """What an engine wants.

    Attributes:
        merge: how the four pixels of a block that an inverse transform gives are interleaved, a name of
            `MERGES`.
        folds_style: at batch 1, the style may go into the weights; without, weights are constants.
        hides_noise: constant noise looks as if it depended on the styles. Engines that add up constants
            make one of noise `[1, 1, r, r]` and bias `[C]`, of C times the size: 287 MB in the place of 33
            for `mobilestylegan_ffhq`, all of them read for every picture.
    """

    merge: str = "blocks"
    folds_style: bool = True
    hides_noise: bool = False


def formed(generator: Generator, form: Form) -> Generator:
    """A copy of a deployed generator in another form, its weights laid out as the engines read them."""
    result = copy.deepcopy(generator)
    for module in list(result.synthesis.modules()):
        if isinstance(module, DeployedConv):
            module.folds_style = form.folds_style
        for name, child in list(module.named_children()):
            if type(child) is IDWT:
                setattr(module, name, InverseTransform(sorted=child.sorted, merge=form.merge))
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


def merge_blocks(pixels: list[Tensor]) -> Tensor:
    """The four pixels as blocks of channels, moved to space at once.

    OpenVINO makes one DepthToSpace of it: 115 ms for a picture of `mobilestylegan_ffhq` (2 threads of a
    virtual Xeon with AVX-512, 2026-11) where the axes interleaved one by one take 172.
    """
    x = torch.cat(pixels, dim=1)
    n, c, h, w = x.shape
    x = x.reshape(n, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // 4, 2 * h, 2 * w)


def merge_rows(pixels: list[Tensor]) -> Tensor:
    """The channels last and no tensor of more than four dimensions, for engines that know no others."""
    a, b, c, d = (x.permute(0, 2, 3, 1) for x in pixels)
    n, h, w, channels = a.shape
    rows = [torch.cat(row, dim=3).reshape(n, h, 1, 2 * w * channels) for row in ([a, b], [c, d])]
    return torch.cat(rows, dim=2).reshape(n, 2 * h, 2 * w, channels).permute(0, 3, 1, 2)


MERGES: dict[str, Merge] = {"blocks": merge_blocks, "rows": merge_rows}
