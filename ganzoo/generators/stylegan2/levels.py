"""The levels of a synthesis network: all that happens at one resolution (Karras et al. 2020, figure 7)."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ganzoo.blocks import Fold, Shortcut, StyledLayer, Upsampler
from ganzoo.blocks.base import prefixed
from ganzoo.generators.leveled import Level, Order
from ganzoo.ops.initialize import normal_


class StyledLevel(Level):
    """Base of the levels: styled layers."""

    @property
    def last(self) -> StyledLayer:
        """The layer that it ends with."""
        return cast(StyledLayer, self.layers[-1])

    @property
    def width(self) -> int:
        """Channels of its features, and in front of its last convolution."""
        return len(self.last.bias)

    @abstractmethod
    def narrowed(self, keep_in: Tensor, keep_inner: Tensor, keep_out: Tensor) -> dict[str, Tensor]:
        """Tensors by name of the level with fewer channels, as in `Block.narrowed`.

        Args:
            keep_in: Channels of the features from the level below.
            keep_inner: Channels in front of the level's last convolution.
            keep_out: Channels of the level's features.
        """


class InputLevel(StyledLevel):
    """Level 0: a learnt constant and one convolution."""

    def __init__(self, conv: StyledLayer, channels: int, size: tuple[int, int]) -> None:
        super().__init__(0, ["conv"])
        self.const = nn.Parameter(torch.empty(1, channels, *size))
        self.conv = conv
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the learnt constant anew."""
        normal_(self.const, generator=generator)

    def forward(self, x: Tensor | None, w: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        return cast(Tensor, self.conv(self.const.expand(w.shape[0], -1, -1, -1), w[:, 0], noise[0]))

    def narrowed(self, keep_in: Tensor, keep_inner: Tensor, keep_out: Tensor) -> dict[str, Tensor]:
        return {
            "const": self.const[:, keep_inner],
            **prefixed("conv", self.conv.narrowed(keep_inner, keep_out)),
        }


class UpsamplingLevel(StyledLevel):
    """A level above the first: an upsampler, a convolution, and a path around both.

    Args:
        first_row: Row of w that the upsampler reads.
        upsample: Styled layer around an upsampler.
        conv: Styled layer around a convolution.
        shortcut: Path around both.
    """

    def __init__(self, first_row: int, upsample: StyledLayer, conv: StyledLayer, shortcut: Shortcut) -> None:
        super().__init__(first_row, ["upsample", "conv"])
        self.upsample = upsample
        self.conv = conv
        self.shortcut = shortcut

    def forward(self, x: Tensor | None, w: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        i = self.first_row
        y = self.upsample(x, w[:, i], noise[i])
        y = self.conv(y, w[:, i + 1], noise[i + 1])
        return cast(Tensor, self.shortcut(x, y))

    def input_order(self) -> Order:
        return cast(Upsampler, self.upsample.conv).input_order() if self.can_fold() else None

    def can_fold(self) -> bool:
        return super().can_fold() and self.shortcut.can_fold()

    def fold(self, order_in: Order, order_out: Order) -> None:
        super().fold(order_in, order_out)
        self.shortcut = cast(Shortcut, self.shortcut.folded(Fold(order_in=order_in, order_out=order_out)))

    def narrowed(self, keep_in: Tensor, keep_inner: Tensor, keep_out: Tensor) -> dict[str, Tensor]:
        return {
            **prefixed("upsample", self.upsample.narrowed(keep_in, keep_inner)),
            **prefixed("conv", self.conv.narrowed(keep_inner, keep_out)),
            **prefixed("shortcut", self.shortcut.narrowed(keep_in, keep_out)),
        }
