"""Modulated convolutions: the style scales the input channels, the demodulation the output channels.

Scaling activations instead of weights gives the same numbers (Karras et al. 2020, appendix B) and keeps one
convolution for the whole batch.
"""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.base import CONVS
from ganzoo.ops.equalized import EqualizedLinear
from ganzoo.ops.initialize import normal_

_KERNEL_SIZES = (1, 3, 5, 7)


class ModulatedConv(nn.Module, ABC):
    """Base of the convolutions: `[N, in, H, W]` and `w [N, w_dim]` to `[N, out, H, W]`.

    A new convolution gives `convolve` and `energy` for its weights as stored, at unit variance; the
    scale `1/sqrt(in * k * k)` of equalised learning rate is applied here.

    Raises:
        ValueError: for a kernel size other than 1, 3, 5 or 7.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        demodulation: nn.Module,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        if kernel_size not in _KERNEL_SIZES:
            raise ValueError(f"kernel_size is one of {_KERNEL_SIZES}; got {kernel_size!r}.")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.modulation = EqualizedLinear(w_dim, in_channels, bias_init=1.0)
        self.demodulation = demodulation

    @abstractmethod
    def convolve(self, x: Tensor, *, transposed: bool) -> Tensor:
        """The result of the convolution, `[N, out, H, W]`.

        With `transposed`, the full result at stride 2: `[N, out, 2H + k - 2, 2W + k - 2]`.
        """

    @abstractmethod
    def energy(self) -> Tensor:
        """Squares of the weights summed over the kernel: `[out, in]`."""

    def forward(self, x: Tensor, w: Tensor, *, transposed: bool = False) -> Tensor:
        style = self.modulation(w)
        x = self.convolve(x * (style * self.scale)[:, :, None, None], transposed=transposed)
        factors = self.demodulation(self.energy() * self.scale**2, style)
        return x if factors is None else x * factors[:, :, None, None]


@CONVS.register("full")
class FullConv(ModulatedConv):
    """Every output channel from every input channel (Karras et al. 2020, section 2.2)."""

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        demodulation: nn.Module,
        kernel_size: int = 3,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            out_channels=out_channels,
            w_dim=w_dim,
            demodulation=demodulation,
            kernel_size=kernel_size,
        )
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew at unit variance."""
        normal_(self.weight, generator=generator)

    def convolve(self, x: Tensor, *, transposed: bool) -> Tensor:
        if transposed:
            return F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
        return F.conv2d(x, self.weight, padding=self.kernel_size // 2)

    def energy(self) -> Tensor:
        return self.weight.square().sum(dim=(2, 3))


@CONVS.register("depthwise")
class DepthwiseConv(ModulatedConv):
    """A depthwise convolution followed by a pointwise one (Belousov 2021, section 3)."""

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        demodulation: nn.Module,
        kernel_size: int = 3,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            out_channels=out_channels,
            w_dim=w_dim,
            demodulation=demodulation,
            kernel_size=kernel_size,
        )
        self.weight_dw = nn.Parameter(torch.empty(in_channels, 1, kernel_size, kernel_size))
        self.weight_pw = nn.Parameter(torch.empty(out_channels, in_channels, 1, 1))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw both weights anew at unit variance."""
        normal_(self.weight_dw, generator=generator)
        normal_(self.weight_pw, generator=generator)

    def convolve(self, x: Tensor, *, transposed: bool) -> Tensor:
        if transposed:
            x = F.conv_transpose2d(x, self.weight_dw, stride=2, groups=self.in_channels)
        else:
            x = F.conv2d(x, self.weight_dw, padding=self.kernel_size // 2, groups=self.in_channels)
        return F.conv2d(x, self.weight_pw)

    def energy(self) -> Tensor:
        return self.weight_pw.flatten(1).square() * self.weight_dw.flatten(1).square().sum(dim=1)
