"""Adaptive instance normalisation, and the layer that ends with it (Karras et al. 2019, equation 1)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.base import Block, Fold, is_overridden
from ganzoo.blocks.noise import NoiseInjection
from ganzoo.ops.activation import ACTIVATIONS, HOMOGENEOUS, bias_act
from ganzoo.ops.equalized import EqualizedLinear

EPS = 1e-8
_HALF = (torch.float16, torch.bfloat16)


class AdaIN(nn.Module):
    """`x [N, C, h, w]` with mean 0 and variance 1 over the pixels of every channel, then the style of w.

    The style is a factor and a shift a channel, `[N, 2C]`, the factors first.

    Args:
        channels: C.
        w_dim: Width of w.
        eps: What is added to the variance.
    """

    def __init__(self, channels: int, w_dim: int, *, eps: float = EPS) -> None:
        super().__init__()
        self.style: nn.Module = StyleAffine(w_dim, 2 * channels)
        self.eps = eps

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        # Half precision has no room for eps, nor for the square of a large feature.
        wide = x.float() if x.dtype in _HALF else x
        factor, shift = (s[:, :, None, None] for s in self.style(w).chunk(2, dim=1))
        centered = wide - wide.mean(dim=(2, 3), keepdim=True)
        variance = centered.square().mean(dim=(2, 3), keepdim=True)
        found: Tensor = centered * (torch.rsqrt(variance + self.eps) * factor) + shift
        return found.to(x.dtype)


class StyleAffine(EqualizedLinear):
    """`w [N, w_dim]` to factors, which start at 1, and shifts, which start at 0."""

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew."""
        super().reset_parameters(generator)
        if not self.bias.is_meta:
            self.bias[: len(self.bias) // 2] = 1


class AdaINLayer(Block):
    """`x` and `w [N, w_dim]` and noise to `[N, C, h, w]`: convolution, noise, bias, activation, AdaIN.

    Args:
        conv: Convolution or upsampler, not modulated; called with `x` and `w`. None for the learnt constant.
        channels: C, what `conv` gives.
        size: Height and width of what it gives; None if the noise is another layer's.
        w_dim: Width of w.
        activation: Name in `ganzoo.ops.activation.ACTIVATIONS`.
        eps: Option of the AdaIN.
        bias: Whether a bias is added.
    """

    def __init__(
        self,
        conv: Block | None,
        channels: int,
        size: tuple[int, int] | None,
        *,
        w_dim: int,
        activation: str = "lrelu",
        eps: float = EPS,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.conv = conv
        self.noise = NoiseInjection(size, channels)
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None
        self.adain = AdaIN(channels, w_dim, eps=eps)
        self.activation = activation
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Bias 0."""
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        x = self.noise(x if self.conv is None else self.conv(x, w), noise)
        x = bias_act(x, self.bias, activation=self.activation)
        return self.adain(x, w)  # type: ignore[no-any-return]

    def can_fold(self) -> bool:
        own = not is_overridden(self, AdaINLayer, "forward")
        return own and (self.conv is None or self.conv.can_fold())

    def folded(self, fold: Fold | None = None) -> nn.Module:
        return FoldedAdaINLayer(self, fold or Fold()) if self.can_fold() else self

    def style_weights(self) -> list[Tensor]:
        style = self.adain.style
        return [style.weight * style.scale] if isinstance(style, EqualizedLinear) else []


class FoldedAdaINLayer(nn.Module):
    """The folded form of an `AdaINLayer`, which it takes over: its bias is in the convolution.

    The gain of the activation is gone: what is normalised has no scale.
    """

    def __init__(self, layer: AdaINLayer, fold: Fold) -> None:
        super().__init__()
        self.activation, self.gain = layer.activation, ACTIVATIONS[layer.activation][1]
        self.noise, self.adain = layer.noise, layer.adain
        if layer.activation in HOMOGENEOUS:
            self.adain.eps, self.gain = self.adain.eps / self.gain**2, 1.0
        order = fold.order_out
        both = None
        if order is not None:
            self.noise.strength = nn.Parameter(self.noise.strength[order].clone())
            both = torch.cat([order, order + len(order)])
        style = self.adain.style
        if isinstance(style, EqualizedLinear):
            self.adain.style = style.folded(order=both)
        self.conv: nn.Module | None = None
        self.bias = layer.bias
        if layer.conv is not None:
            own = Fold(bias=layer.bias, order_in=fold.order_in, order_out=order)
            self.conv, self.bias = layer.conv.folded(own), None
        elif order is not None and layer.bias is not None:
            self.bias = nn.Parameter(layer.bias[order].clone())

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        if self.conv is None:
            x = self.noise(x, noise)
        else:
            x = self.conv(x, w)
            if noise is not None:
                x = x.add_(self.noise.strength * noise)
        if self.bias is None and self.activation == "lrelu":
            x = F.leaky_relu_(x, 0.2)
        else:
            x = bias_act(x, self.bias, activation=self.activation, gain=self.gain)
        return self.adain(x, w)  # type: ignore[no-any-return]
