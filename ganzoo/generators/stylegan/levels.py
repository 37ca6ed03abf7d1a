"""The levels of a synthesis network: two layers each (Karras et al. 2019, figure 1)."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ganzoo.blocks import AdaINLayer, Fold, NoiseInjection, Upsampler
from ganzoo.ops.initialize import normal_

Order = Tensor | None  # of a level's channels; None for their own


class Level(nn.Module):
    """Base of the levels.

    Attributes:
        first_row: Row of w that the first of its two layers reads.
        names: Names of the two.
    """

    def __init__(self, first_row: int, names: tuple[str, str]) -> None:
        super().__init__()
        self.first_row = first_row
        self.names = names

    @property
    def layers(self) -> list[AdaINLayer]:
        """Its layers in the order in which they read rows of w."""
        return [cast(AdaINLayer, getattr(self, name)) for name in self.names]

    def noises(self) -> list[NoiseInjection]:
        """Its noise inputs that hold constant noise."""
        return [layer.noise for layer in self.layers if layer.noise.const is not None]

    def run(self, x: Tensor, w: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        """Features `[N, C, h, w]` of what enters, all rows of w, and the noise of its layers, one or two."""
        for i, layer in enumerate(self.layers):
            x = layer(x, w[:, self.first_row + i], noise[min(i, len(noise) - 1)])
        return x

    def input_order(self) -> Order:
        """The order of the channels from the level below that suits the folded form best."""
        return None

    def can_fold(self) -> bool:
        """Whether all of its blocks take channels in another order."""
        return all(layer.can_fold() for layer in self.layers)

    def fold(self, order_in: Order, order_out: Order) -> None:
        """Put the folded form of every layer in its place."""
        first, last = self.names
        folds = {first: Fold(order_in=order_in), last: Fold(order_out=order_out)}
        for name, fold in folds.items():
            setattr(self, name, cast(AdaINLayer, getattr(self, name)).folded(fold))


class InputLevel(Level):
    """Level 0: a learnt constant without a convolution; then one convolution."""

    def __init__(self, layer: AdaINLayer, conv: AdaINLayer, channels: int, size: tuple[int, int]) -> None:
        super().__init__(0, ("input", "conv"))
        self.const = nn.Parameter(torch.empty(1, channels, *size))
        self.input = layer
        self.conv = conv
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the learnt constant anew.

        The paper starts it at ones, which have no variance: AdaIN would make 10,000 times its rounding error.
        """
        normal_(self.const, generator=generator)

    def forward(self, x: None, w: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        """Features `[N, C, h, w]`; see `Level.run`."""
        return self.run(self.const.expand(w.shape[0], -1, -1, -1), w, noise)


class UpsamplingLevel(Level):
    """A level above the first: an upsampler with its convolution, and another convolution."""

    def __init__(self, first_row: int, upsample: AdaINLayer, conv: AdaINLayer) -> None:
        super().__init__(first_row, ("upsample", "conv"))
        self.upsample = upsample
        self.conv = conv

    def forward(self, x: Tensor, w: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        """Features `[N, C, h, w]` of those of the level below; see `Level.run`."""
        return self.run(x, w, noise)

    def input_order(self) -> Order:
        return cast(Upsampler, self.upsample.conv).input_order() if self.can_fold() else None
