"""Shortcuts: paths around the two convolutions of a level, from the features below to those above."""

import math
from abc import ABC, abstractmethod
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.base import Block, Fold, is_overridden
from ganzoo.ops.initialize import normal_
from ganzoo.ops.resample import Upsample
from ganzoo.registry import Registry


class Shortcut(Block, ABC):
    """Base of the shortcuts.

    Args:
        in_channels: Channels that enter the level.
        out_channels: Channels that leave it.
    """

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, below: Tensor, x: Tensor) -> Tensor:
        """What leaves the level, `[N, out, 2H, 2W]`.

        Args:
            below: Features that entered it, `[N, in, H, W]`.
            x: Features that its convolutions made of those, `[N, out, 2H, 2W]`.
        """


SHORTCUTS: Registry[Shortcut] = Registry("shortcut", context=["in_channels", "out_channels"])


@SHORTCUTS.register("none")
class NoShortcut(Shortcut):
    """No path around the convolutions (Karras et al. 2020, figure 7 a and b)."""

    def forward(self, below: Tensor, x: Tensor) -> Tensor:
        return x

    def can_fold(self) -> bool:
        return not is_overridden(self, NoShortcut, "forward")  # any order of the channels is as good


@SHORTCUTS.register("residual")
class ResidualShortcut(Shortcut):
    """A 1 x 1 convolution and upsampling; the sum is scaled by sqrt(1/2) (Karras et al. 2020, figure 7 c).

    Args:
        taps: Taps of the separable filter that upsamples.
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

    def can_fold(self) -> bool:
        return not is_overridden(self, ResidualShortcut, "forward")

    def folded(self, fold: Fold | None = None) -> nn.Module:
        if fold is not None:  # a shortcut is asked for orders alone
            weight = self.weight if fold.order_out is None else self.weight[fold.order_out]
            weight = weight if fold.order_in is None else weight[:, fold.order_in]
            self.weight, self.scale = nn.Parameter(weight * self.scale), 1.0
        return self

    def input_norms(self, w: Tensor) -> Tensor:
        return self.weight.abs().sum(dim=(0, 2, 3)) * self.scale

    def narrowed(self, keep_in: Tensor, keep_out: Tensor) -> dict[str, Tensor]:
        if not self.can_fold():
            return {}
        return {"weight": self.weight[keep_out][:, keep_in] * math.sqrt(len(keep_in) / self.weight.shape[1])}
