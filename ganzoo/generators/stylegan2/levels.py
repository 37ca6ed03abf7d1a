"""The levels of a synthesis network: all that happens at one resolution (Karras et al. 2020, figure 7)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ganzoo.blocks import Fold, NoiseInjection, Shortcut, StyledLayer, Upsampler
from ganzoo.blocks.base import prefixed
from ganzoo.ops.initialize import normal_

Order = Tensor | None  # of a level's channels; None for their own


class Level(nn.Module, ABC):
    """Base of the levels.

    Attributes:
        layers: Styled layers in the order in which they read rows of w and take noise.
        first_row: Row of w that the first of them reads; the head reads the row after the last one's.
    """

    def __init__(self, first_row: int, layers: Sequence[str]) -> None:
        super().__init__()
        self.first_row = first_row
        self.names = tuple(layers)

    @property
    def layers(self) -> list[StyledLayer]:
        return [cast(StyledLayer, getattr(self, name)) for name in self.names]

    @property
    def head_row(self) -> int:
        """Row of w that the head reads at this level."""
        return self.first_row + len(self.names)

    @property
    def width(self) -> int:
        """Channels of its features, and in front of its last convolution."""
        return len(self.layers[-1].bias)

    def noises(self) -> list[NoiseInjection]:
        """The noise inputs of its layers."""
        return [layer.noise for layer in self.layers]

    def input_order(self) -> Order:
        """The order of the channels from the level below that suits the folded form best."""
        return None

    def can_fold(self) -> bool:
        """Whether all of its blocks take channels in another order."""
        return all(layer.can_fold() for layer in self.layers)

    def fold(self, order_in: Order, order_out: Order) -> None:
        """Put the folded form of every block in its place."""
        for name in self.names:
            layer = cast(StyledLayer, getattr(self, name))
            fold = Fold(
                order_in=order_in if name == self.names[0] else None,
                order_out=order_out if name == self.names[-1] else None,
            )
            setattr(self, name, layer.folded(fold))

    @abstractmethod
    def narrowed(self, keep_in: Tensor, keep_inner: Tensor, keep_out: Tensor) -> dict[str, Tensor]:
        """Tensors by name of the level with fewer channels, as in `Block.narrowed`.

        Args:
            keep_in: Channels of the features from the level below.
            keep_inner: Channels in front of the level's last convolution.
            keep_out: Channels of the level's features.
        """


class InputLevel(Level):
    """Level 0: a learnt constant and one convolution."""

    def __init__(self, conv: StyledLayer, channels: int, size: tuple[int, int]) -> None:
        super().__init__(0, ["conv"])
        self.const = nn.Parameter(torch.empty(1, channels, *size))
        self.conv = conv
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the learnt constant anew."""
        normal_(self.const, generator=generator)

    def forward(self, x: None, w: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        """Features `[N, C, h, w]` of all rows of w and the noise of all layers."""
        return cast(Tensor, self.conv(self.const.expand(w.shape[0], -1, -1, -1), w[:, 0], noise[0]))

    def narrowed(self, keep_in: Tensor, keep_inner: Tensor, keep_out: Tensor) -> dict[str, Tensor]:
        return {
            "const": self.const[:, keep_inner],
            **prefixed("conv", self.conv.narrowed(keep_inner, keep_out)),
        }


class UpsamplingLevel(Level):
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

    def forward(self, x: Tensor, w: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        """Features `[N, C, h, w]` of those of the level below, all rows of w and the noise of all layers."""
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
