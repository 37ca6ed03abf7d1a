"""Shortcuts: paths around the two convolutions of a level, from the features below to those above."""

import math
from abc import ABC, abstractmethod
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.base import SHORTCUTS
from ganzoo.ops.initialize import normal_
from ganzoo.ops.resample import Upsample


class Shortcut(nn.Module, ABC):
    """Base of the shortcuts.

    Args:
        in_channels: of the features that enter the level.
        out_channels: of those that leave it.
    """

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, below: Tensor, x: Tensor) -> Tensor:
        """What leaves the level, `[N, out, 2H, 2W]`.

        Args:
            below: what entered it, `[N, in, H, W]`.
            x: what its convolutions made of that, `[N, out, 2H, 2W]`.
        """


@SHORTCUTS.register("none")
class NoShortcut(Shortcut):
    """No path around the convolutions (Karras et al. 2020, figure 7 a and b)."""

    def forward(self, below: Tensor, x: Tensor) -> Tensor:
        return x


@SHORTCUTS.register("residual")
class ResidualShortcut(Shortcut):
    """A 1 x 1 convolution and upsampling; the sum is scaled by sqrt(1/2) (Karras et al. 2020, figure 7 c).

    Args:
        taps: of the separable filter that upsamples.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        taps: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0),
    ) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels)
        self.scale = 1 / math.sqrt(in_channels)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 1, 1))
        self.upsample = Upsample(taps)
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew at unit variance."""
        normal_(self.weight, generator=generator)

    def forward(self, below: Tensor, x: Tensor) -> Tensor:
        around = cast(Tensor, self.upsample(F.conv2d(below, self.weight * self.scale)))
        return (around + x) * math.sqrt(0.5)
