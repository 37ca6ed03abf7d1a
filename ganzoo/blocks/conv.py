"""Modulated convolutions: the style scales the input channels, the demodulation the output channels.

Scaling activations instead of weights gives the same numbers (Karras et al. 2020, appendix B) and keeps one
convolution for the whole batch.
"""

import math
from abc import ABC, abstractmethod
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.base import Block, Fold, is_overridden, prefixed
from ganzoo.blocks.demodulation import Demodulation
from ganzoo.ops.conv import conv2d
from ganzoo.ops.equalized import EqualizedLinear
from ganzoo.ops.initialize import normal_
from ganzoo.registry import Registry

_KERNEL_SIZES = (1, 3, 5, 7)
Weights = tuple[Tensor, ...]
Bias = Tensor | None


class ModulatedConv(Block, ABC):
    """Base of the convolutions: `[N, in, H, W]` and `w [N, w_dim]` to `[N, out, H, W]`.

    A new convolution gives `weights`, `convolve` and `energy` for its weights as stored, at unit variance;
    the scale `1/sqrt(in * k * k)` of equalised learning rate is applied here. Where its weights are another
    thing than one tensor `[out, in, ...]`, it gives `scaled` and `sorted`, too, and so folds like ours.

    With `w_dim=0` it is a plain convolution: no style scales its input, and w is not read.

    Raises:
        ValueError: for a kernel size other than 1, 3, 5 or 7.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        demodulation: Demodulation,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        if kernel_size not in _KERNEL_SIZES:
            raise ValueError(f"kernel_size is one of {_KERNEL_SIZES}; got {kernel_size!r}.")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.modulation = EqualizedLinear(w_dim, in_channels, bias_init=1.0) if w_dim else None
        self.demodulation = demodulation

    @abstractmethod
    def weights(self) -> Weights:
        """The weights as stored, in the order in which they are applied."""

    @abstractmethod
    def convolve(
        self, x: Tensor, weights: Weights, bias: Tensor | None = None, *, transposed: bool
    ) -> Tensor:
        """The result of the convolution, `[N, out, H, W]`.

        Args:
            x: Features `[N, in, H, W]`.
            weights: Result of `weights`, perhaps scaled and sorted.
            bias: Vector `[out]` to add; None for none.
            transposed: Whether to give the full result at stride 2, `[N, out, 2H + k - 2, 2W + k - 2]`.
        """

    @abstractmethod
    def energy(self) -> Tensor:
        """Squares of the weights summed over the kernel: `[out, in]`."""

    def mixed(self, x: Tensor, weights: Weights, *, transposed: bool) -> Tensor | None:
        """What the last weight multiplies in `convolve`, `[N, M, H, W]`; None if there is no such thing."""
        return None

    def product(
        self, x: Tensor, w: Tensor, *, transposed: bool = False
    ) -> tuple[Tensor, nn.Parameter] | None:
        weights = self.weights()
        style = x.new_ones(1, self.in_channels) if self.modulation is None else self.modulation(w)
        factors = cast("Tensor | None", self.demodulation(self.energy() * self.scale**2, style))
        if factors is not None or not self.can_fold() or not isinstance(weights[-1], nn.Parameter):
            return None
        found = self.mixed(x * (style * self.scale)[:, :, None, None], weights, transposed=transposed)
        return None if found is None else (found, weights[-1])

    def scaled(self, weights: Weights, inputs: Tensor | None, outputs: Tensor | None) -> Weights:
        """Weights that scale the input's channels by `inputs [in]` and the output's by `outputs [out]`."""
        (weight,) = weights
        extra = [1] * (weight.ndim - 2)
        if inputs is not None:
            weight = weight * inputs.view(-1, *extra)
        return (weight if outputs is None else weight * outputs.view(-1, 1, *extra),)

    def sorted(self, weights: Weights, order_in: Tensor, order_out: Tensor) -> Weights:
        """Weights for channels in another order."""
        (weight,) = weights
        return (weight[order_out][:, order_in],)

    def normalized(self) -> Weights:
        """The weights with all factors of the output that no style changes; their scale is not among them."""
        energy = self.energy() * self.scale**2
        factors = cast("Tensor | None", self.demodulation(energy, torch.ones_like(energy[:1])))
        return self.weights() if factors is None else self.scaled(self.weights(), None, factors[0])

    def forward(self, x: Tensor, w: Tensor, *, transposed: bool = False) -> Tensor:
        if self.modulation is None:
            weights = self.normalized()
            scale = weights[0].new_full((self.out_channels,), self.scale)
            return self.convolve(x, self.scaled(weights, None, scale), transposed=transposed)
        style = self.modulation(w)
        scaled = x * (style * self.scale)[:, :, None, None]
        x = self.convolve(scaled, self.weights(), transposed=transposed)
        factors = self.demodulation(self.energy() * self.scale**2, style)
        return x if factors is None else x * factors[:, :, None, None]

    def can_fold(self) -> bool:
        return not is_overridden(self, ModulatedConv, "forward")

    def folded(self, fold: Fold | None = None) -> nn.Module:
        return FoldedConv(self, fold or Fold()) if self.can_fold() else self

    def input_norms(self, w: Tensor) -> Tensor:
        norms = self.energy().sqrt().sum(dim=0) * self.scale
        return norms if self.modulation is None else norms * self.modulation(w).abs()

    def style_weights(self) -> list[Tensor]:
        return [] if self.modulation is None else [self.modulation.weight * self.modulation.scale]

    def narrowed(self, keep_in: Tensor, keep_out: Tensor) -> dict[str, Tensor]:
        stored = self.weights()
        names = {id(parameter): name for name, parameter in self.named_parameters()}
        if not self.can_fold() or not all(id(weight) in names for weight in stored):
            return {}
        # The narrower block scales by 1 / sqrt(fewer channels): the weights as stored shrink by as much.
        gain = math.sqrt(len(keep_in) / self.in_channels)
        kept = self.sorted(stored, keep_in, keep_out)
        kept = self.scaled(kept, None, torch.full_like(keep_out, gain, dtype=stored[0].dtype))
        modulation = {} if self.modulation is None else self.modulation.narrowed(keep_in)
        return {
            **{names[id(old)]: new for old, new in zip(stored, kept, strict=True)},
            **prefixed("modulation", modulation),
            **prefixed("demodulation", self.demodulation.narrowed(keep_in)),
        }


CONVS: Registry[ModulatedConv] = Registry(
    "conv", context=["in_channels", "out_channels", "w_dim", "demodulation"]
)


@CONVS.register("full")
class FullConv(ModulatedConv):
    """Every output channel from every input channel (Karras et al. 2020, section 2.2)."""

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        demodulation: Demodulation,
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

    def weights(self) -> Weights:
        return (self.weight,)

    def convolve(
        self, x: Tensor, weights: Weights, bias: Tensor | None = None, *, transposed: bool
    ) -> Tensor:
        (weight,) = weights
        if transposed:
            return F.conv_transpose2d(x, weight.transpose(0, 1), bias, stride=2)
        return conv2d(x, weight, bias, padding=self.kernel_size // 2)

    def mixed(self, x: Tensor, weights: Weights, *, transposed: bool) -> Tensor | None:
        if is_overridden(self, FullConv, "convolve"):
            return None
        places = self.kernel_size**2  # every place of the kernel is a channel of its own
        shifts = torch.eye(places, device=x.device, dtype=x.dtype).view(places, 1, *[self.kernel_size] * 2)
        if transposed:
            shifts = shifts.view(1, places, *shifts.shape[2:]).expand(self.in_channels, -1, -1, -1)
            return F.conv_transpose2d(x, shifts, stride=2, groups=self.in_channels)
        shifts = shifts.repeat(self.in_channels, 1, 1, 1)
        return F.conv2d(x, shifts, padding=self.kernel_size // 2, groups=self.in_channels)

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
        demodulation: Demodulation,
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

    def weights(self) -> Weights:
        return (self.weight_dw, self.weight_pw)

    def convolve(
        self, x: Tensor, weights: Weights, bias: Tensor | None = None, *, transposed: bool
    ) -> Tensor:
        depthwise, pointwise = weights
        return F.conv2d(self._filtered(x, depthwise, transposed=transposed), pointwise, bias)

    def mixed(self, x: Tensor, weights: Weights, *, transposed: bool) -> Tensor | None:
        told = not is_overridden(self, DepthwiseConv, "convolve")
        return self._filtered(x, weights[0], transposed=transposed) if told else None

    def _filtered(self, x: Tensor, depthwise: Tensor, *, transposed: bool) -> Tensor:
        if transposed:
            return F.conv_transpose2d(x, depthwise, stride=2, groups=self.in_channels)
        return F.conv2d(x, depthwise, padding=self.kernel_size // 2, groups=self.in_channels)

    def energy(self) -> Tensor:
        return self.weight_pw.flatten(1).square() * self.weight_dw.flatten(1).square().sum(dim=1)

    def scaled(self, weights: Weights, inputs: Tensor | None, outputs: Tensor | None) -> Weights:
        depthwise, pointwise = weights
        if inputs is not None:
            depthwise = depthwise * inputs[:, None, None, None]
        return depthwise, pointwise if outputs is None else pointwise * outputs[:, None, None, None]

    def sorted(self, weights: Weights, order_in: Tensor, order_out: Tensor) -> Weights:
        depthwise, pointwise = weights
        return depthwise[order_in], pointwise[order_out][:, order_in]


class FoldedConv(nn.Module):
    """A modulated convolution with everything constant in its weights.

    Scales, constant demodulation, gain and the order of the channels are in the weights. At batch 1 the style
    goes into them, too, where they are smaller than the features.

    Args:
        conv: Block that is folded, whose `convolve` is called; it is taken over.
        fold: Further operation to take over.
    """

    folds_style = True  # some engines want weights to be constants: see `ganzoo.export.forms`

    def __init__(self, conv: ModulatedConv, fold: Fold) -> None:
        super().__init__()
        device = conv.weights()[0].device
        order_in, order_out = (
            torch.arange(size, device=device) if order is None else order
            for order, size in ((fold.order_in, conv.in_channels), (fold.order_out, conv.out_channels))
        )
        modulation, energy, gain = conv.modulation, conv.energy() * conv.scale**2, fold.gain
        self.style: nn.Module | None = None
        if modulation is None:
            gain *= conv.scale
        else:
            self.style = modulation.folded(scale=conv.scale, order=fold.order_in)
        constant = modulation is None or conv.demodulation.is_constant
        self.demodulation: nn.Module | None = None if constant else conv.demodulation
        weights = conv.normalized() if constant else conv.weights()
        weights = conv.sorted(weights, order_in, order_out)
        weights = conv.scaled(weights, None, torch.full_like(energy[:, 0], gain))
        if self.demodulation is not None:
            self.style_scale = 1 / conv.scale
            self.register_buffer("energy", energy[order_out][:, order_in])
        self.weights = nn.ParameterList(nn.Parameter(weight.clone()) for weight in weights)
        self.bias = None if fold.bias is None else nn.Parameter(fold.bias[order_out].clone())
        self.conv = _emptied(conv)

    def folds(self, x: Tensor) -> bool:
        """Whether the style goes into the weights: one sample's, where they are smaller than the features."""
        folds = self.folds_style and self.style is not None
        return folds and x.shape[0] == 1 and self.weights[0].numel() < x.numel()

    def forward(self, x: Tensor, w: Tensor, *, transposed: bool = False, modulated: bool = False) -> Tensor:
        """The convolution of `x`, or of features that the style was multiplied into: `modulated`."""
        weights = tuple(self.weights)
        if self.style is None:
            return self.conv.convolve(x, weights, self.bias, transposed=transposed)
        style = self.style(w)
        if not modulated:
            if self.folds(x):
                weights = self.conv.scaled(weights, style[0], None)
            else:
                x = x * style[:, :, None, None]
        if self.demodulation is None:
            return self.conv.convolve(x, weights, self.bias, transposed=transposed)
        x = self.conv.convolve(x, weights, transposed=transposed)
        factors: Tensor | None = self.demodulation(self.energy, style * self.style_scale)
        if factors is not None:
            x = x * factors[:, :, None, None]
        return x if self.bias is None else x.add_(self.bias[:, None, None])


def _emptied(conv: ModulatedConv) -> ModulatedConv:
    """A convolution without the tensors that its folded form holds; what else it has stays."""
    held = {id(weight) for weight in conv.weights()}
    del conv.modulation, conv.demodulation
    for module in list(conv.modules()):
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) in held:
                setattr(module, name, None)
    return conv
