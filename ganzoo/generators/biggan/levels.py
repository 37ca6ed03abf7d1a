"""The blocks of a BigGAN, and the levels that they make up (Brock et al. 2019, figures 15 and 16)."""

from abc import ABC
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.base import Block, Fold
from ganzoo.blocks.norm import Norm
from ganzoo.ops.activation import bias_act
from ganzoo.ops.attention import SelfAttention
from ganzoo.ops.spectral import SpectralConv2d

RATIO = 4  # of a bottleneck's width to that of its convolutions
Rows = Sequence[tuple[Tensor, Tensor | None]]  # condition [N, D] and truncation [N] of every row of w


class Place(NamedTuple):
    """Where a block stands: the level it is a part of, its widths, and whether it doubles the size."""

    level: int
    in_channels: int
    out_channels: int
    doubles: bool


class Parts(NamedTuple):
    """What blocks are made of.

    Attributes:
        norm: Makes a normalisation of its number of channels.
        conv: Makes a convolution of its channels, in and out, and its kernel's size.
        activation, slope: Activation, without gain.
    """

    norm: Callable[[int], Norm]
    conv: Callable[[int, int, int], nn.Module]
    activation: str
    slope: float

    def act(self, x: Tensor) -> Tensor:
        """The activation of features."""
        return bias_act(x, activation=self.activation, slope=self.slope, gain=1.0)


class BigGANBlock(Block, ABC):
    """Base of the blocks: features `[N, in, H, W]` to `[N, out, H or 2H, W or 2W]`.

    Args:
        row: Row of w that its normalisations read.
        parts: What it is made of.
        doubles: Whether it doubles the size.
    """

    def __init__(self, row: int, parts: Parts, *, doubles: bool) -> None:
        super().__init__()
        self.row, self.doubles, self.act = row, doubles, parts.act

    def up(self, x: Tensor) -> Tensor:
        """Every pixel as four, if the block doubles the size."""
        return F.interpolate(x, scale_factor=2.0, mode="nearest") if self.doubles else x

    def norms(self) -> list[Norm]:
        """Its normalisations."""
        return [module for module in self.children() if isinstance(module, Norm)]

    def style_weights(self) -> list[Tensor]:
        return [matrix for norm in self.norms() for matrix in norm.style_weights()]

    def folded(self, fold: Fold | None = None) -> nn.Module:
        for name, module in list(self.named_children()):
            setattr(self, name, cast(Any, module).folded())
        return self


class ResidualBlock(BigGANBlock):
    """Two 3 x 3 convolutions, and a 1 x 1 one around them where size or width change (figure 15 b)."""

    def __init__(self, in_channels: int, out_channels: int, row: int, parts: Parts, *, doubles: bool) -> None:
        super().__init__(row, parts, doubles=doubles)
        self.norm1 = parts.norm(in_channels)
        self.conv1 = parts.conv(in_channels, out_channels, 3)
        self.norm2 = parts.norm(out_channels)
        self.conv2 = parts.conv(out_channels, out_channels, 3)
        if doubles or in_channels != out_channels:
            self.shortcut = parts.conv(in_channels, out_channels, 1)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """Features of those below, and the conditions of all rows of w."""
        condition = rows[self.row]
        h = self.conv1(self.up(self.act(self.norm1(x, *condition))))
        h = self.conv2(self.act(self.norm2(h, *condition)))
        # The original enlarges first, which gives the same numbers for four times the work.
        around = self.shortcut(x) if hasattr(self, "shortcut") else x
        return cast(Tensor, h + self.up(around))


class BottleneckBlock(BigGANBlock):
    """Two 3 x 3 convolutions of a quarter of the width; around them the first channels (figure 16 b)."""

    def __init__(self, in_channels: int, out_channels: int, row: int, parts: Parts, *, doubles: bool) -> None:
        super().__init__(row, parts, doubles=doubles)
        self.out_channels = out_channels
        inner = max(1, in_channels // RATIO)
        self.norm1 = parts.norm(in_channels)
        self.conv1 = parts.conv(in_channels, inner, 1)
        self.norm2 = parts.norm(inner)
        self.conv2 = parts.conv(inner, inner, 3)
        self.norm3 = parts.norm(inner)
        self.conv3 = parts.conv(inner, inner, 3)
        self.norm4 = parts.norm(inner)
        self.conv4 = parts.conv(inner, out_channels, 1)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """Features of those below, and the conditions of all rows of w."""
        condition = rows[self.row]
        h = self.conv1(self.act(self.norm1(x, *condition)))
        h = self.conv2(self.up(self.act(self.norm2(h, *condition))))
        h = self.conv3(self.act(self.norm3(h, *condition)))
        h = self.conv4(self.act(self.norm4(h, *condition)))
        return cast(Tensor, h + self.up(x[:, : self.out_channels]))


BLOCKS: dict[str, type[ResidualBlock] | type[BottleneckBlock]] = {
    "residual": ResidualBlock,
    "bottleneck": BottleneckBlock,
}


class SeparableConv(Block):
    """A depthwise convolution followed by a pointwise one, both spectrally normalised."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, **options: Any) -> None:
        super().__init__()
        self.depthwise: nn.Module = SpectralConv2d(
            in_channels, in_channels, kernel_size, groups=in_channels, bias=False, **options
        )
        self.pointwise: nn.Module = SpectralConv2d(in_channels, out_channels, 1, **options)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.pointwise(self.depthwise(x)))

    def folded(self, fold: Fold | None = None) -> nn.Module:
        self.depthwise = cast(SpectralConv2d, self.depthwise).folded()
        self.pointwise = cast(SpectralConv2d, self.pointwise).folded()
        return self


class Level(Block):
    """All that happens at one size: blocks, and self-attention behind some of them.

    Args:
        blocks: Blocks of the level, the first of which has enlarged the features of the level below.
        attention: Self-attentions by the number of the level's blocks in front of them.
    """

    def __init__(self, blocks: Sequence[BigGANBlock], attention: dict[int, SelfAttention]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.attention = nn.ModuleDict({str(count): module for count, module in attention.items()})

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """Features of the level, of those below and the conditions of all rows of w."""
        for count in range(len(self.blocks) + 1):
            if count:
                x = self.blocks[count - 1](x, rows)
            if str(count) in self.attention:
                x = self.attention[str(count)](x)
        return x

    def folded(self, fold: Fold | None = None) -> nn.Module:
        self.blocks = nn.ModuleList(cast(Block, block).folded() for block in self.blocks)
        for name, module in self.attention.items():
            self.attention[name] = cast(SelfAttention, module).folded()
        return self


class InputLevel(Level):
    """The first level: a linear layer of row 0 makes its features.

    Args:
        linear: Layer to `channels * side * side` features.
        channels, side: Shape of those.
        blocks, attention: See `Level`.
    """

    def __init__(
        self,
        linear: nn.Module,
        channels: int,
        side: int,
        blocks: Sequence[BigGANBlock],
        attention: dict[int, SelfAttention],
    ) -> None:
        super().__init__(blocks, attention)
        self.linear = linear
        self.channels, self.side = channels, side

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """Features of the level, of what the linear layer reads."""
        features = self.linear(x).view(-1, self.channels, self.side, self.side)
        if self.training and features.device.type == "cpu":  # a step takes three quarters of the time
            features = features.contiguous(memory_format=torch.channels_last)
        return super().forward(features, rows)

    def folded(self, fold: Fold | None = None) -> nn.Module:
        self.linear = cast(Any, self.linear).folded()
        return super().folded(fold)
