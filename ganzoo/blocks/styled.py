"""The layer around every convolution: noise, bias, activation (Karras et al. 2020, figure 2)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.base import Block, Fold, is_overridden, prefixed
from ganzoo.blocks.noise import NoiseInjection
from ganzoo.ops.activation import ACTIVATIONS, HOMOGENEOUS, bias_act


class StyledLayer(Block):
    """`x` and `w [N, w_dim]` and noise to `[N, C, h, w]`.

    Args:
        conv: Modulated convolution or upsampler; called with `x` and `w`.
        out_channels: C, what `conv` gives.
        size: Height and width of what `conv` gives.
        activation: Name in `ganzoo.ops.activation.ACTIVATIONS`.
        gain: Factor of the activation; None takes the activation's own.
        clamp: Limit of the layer's output; None does not clip.
    """

    def __init__(
        self,
        conv: Block,
        out_channels: int,
        size: tuple[int, int],
        *,
        activation: str = "lrelu",
        gain: float | None = None,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.conv = conv
        self.noise = NoiseInjection(size)
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.activation = activation
        self.gain = gain
        self.clamp = clamp
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Bias 0."""
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        x = self.noise(self.conv(x, w), noise)
        return bias_act(x, self.bias, activation=self.activation, gain=self.gain, clamp=self.clamp)

    def can_fold(self) -> bool:
        return self.conv.can_fold() and not is_overridden(self, StyledLayer, "forward")

    def folded(self, fold: Fold | None = None) -> nn.Module:
        return FoldedLayer(self, fold or Fold()) if self.can_fold() else self

    def style_weights(self) -> list[Tensor]:
        return self.conv.style_weights()

    def narrowed(self, keep_in: Tensor, keep_out: Tensor) -> dict[str, Tensor]:
        conv = self.conv.narrowed(keep_in, keep_out)
        if not conv:
            return {}
        noise = self.noise.state_dict(keep_vars=True)
        return {"bias": self.bias[keep_out], **prefixed("noise", noise), **prefixed("conv", conv)}


class FoldedLayer(nn.Module):
    """The folded form of a `StyledLayer`, which it takes over: bias and gain are in the convolution."""

    def __init__(self, layer: StyledLayer, fold: Fold) -> None:
        super().__init__()
        gain = ACTIVATIONS[layer.activation][1] if layer.gain is None else layer.gain
        # f(g x) = g f(x) for g > 0 if f is homogeneous: then the gain can move in front of it.
        folded_gain, self.gain = (gain, 1.0) if layer.activation in HOMOGENEOUS else (1.0, gain)
        self.activation, self.clamp = layer.activation, layer.clamp
        self.conv = layer.conv.folded(
            Fold(
                gain=folded_gain,
                bias=layer.bias * folded_gain,
                order_in=fold.order_in,
                order_out=fold.order_out,
            )
        )
        self.noise = layer.noise
        self.noise.strength.mul_(folded_gain)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        x = self.conv(x, w)
        if noise is not None:
            x = x.add_(self.noise.strength * noise)
        if self.activation == "lrelu" and self.clamp is None:
            return F.leaky_relu_(x, 0.2)
        return bias_act(x, activation=self.activation, gain=self.gain, clamp=self.clamp)
