"""The layer around every convolution: noise, bias, activation (Karras et al. 2020, figure 2)."""

import torch
from torch import Tensor, nn

from ganzoo.blocks.noise import NoiseInjection
from ganzoo.ops.activation import bias_act


class StyledLayer(nn.Module):
    """`x` and `w [N, w_dim]` and noise to `[N, C, r, r]`.

    Args:
        conv: a modulated convolution or an upsampler; called with `x` and `w`.
        out_channels: C, what `conv` gives.
        resolution: r, what `conv` gives.
        activation: a name of `ganzoo.ops.activation.ACTIVATIONS`.
        gain: on the activation; None takes the activation's own.
        clamp: limit of the layer's output; None does not clip.
    """

    def __init__(
        self,
        conv: nn.Module,
        out_channels: int,
        resolution: int,
        *,
        activation: str = "lrelu",
        gain: float | None = None,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.conv = conv
        self.noise = NoiseInjection(resolution)
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
