"""The levels of a synthesis network: two layers each (Karras et al. 2019, figure 1)."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ganzoo.blocks import AdaINLayer, Upsampler
from ganzoo.generators.leveled import Level, Order
from ganzoo.ops.initialize import normal_


class AdaINLevel(Level):
    """Base of the levels.

    Args:
        first_row: Row of w that the first of its two layers reads.
        names: Names of the two.
        noises: Numbers of the noise that they take.
    """

    def __init__(self, first_row: int, names: tuple[str, str], noises: tuple[int, int]) -> None:
        super().__init__(first_row, names)
        self.taken = noises

    @property
    def head_row(self) -> int:
        """A row that there is: the head reads none."""
        return self.first_row

    def run(self, x: Tensor, w: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        """Its layers, one after the other."""
        for i, layer in enumerate(self.layers):
            x = layer(x, w[:, self.first_row + i], noise[self.taken[i]])
        return x


class InputLevel(AdaINLevel):
    """Level 0: a learnt constant without a convolution; then one convolution."""

    def __init__(
        self,
        layer: AdaINLayer,
        conv: AdaINLayer,
        channels: int,
        size: tuple[int, int],
        noises: tuple[int, int],
    ) -> None:
        super().__init__(0, ("input", "conv"), noises)
        self.const = nn.Parameter(torch.empty(1, channels, *size))
        self.input = layer
        self.conv = conv
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the learnt constant anew.

        The paper starts it at ones, which have no variance: AdaIN would make 10,000 times its rounding error.
        """
        normal_(self.const, generator=generator)

    def forward(self, x: Tensor | None, w: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        return self.run(self.const.expand(w.shape[0], -1, -1, -1), w, noise)


class UpsamplingLevel(AdaINLevel):
    """A level above the first: an upsampler with its convolution, and another convolution."""

    def __init__(
        self, first_row: int, upsample: AdaINLayer, conv: AdaINLayer, noises: tuple[int, int]
    ) -> None:
        super().__init__(first_row, ("upsample", "conv"), noises)
        self.upsample = upsample
        self.conv = conv

    def forward(self, x: Tensor | None, w: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        return self.run(cast(Tensor, x), w, noise)

    def input_order(self) -> Order:
        return cast(Upsampler, self.upsample.conv).input_order() if self.can_fold() else None
