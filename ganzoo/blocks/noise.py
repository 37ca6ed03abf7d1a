"""Noise inputs: an image of noise per layer, times a trained strength (Karras et al. 2019, section 3.2)."""

import torch
from torch import Tensor, nn

from ganzoo.ops.initialize import normal_


class NoiseInjection(nn.Module):
    """`x + strength * noise` for `x [N, C, h, w]` and noise `[1 or N, 1, h, w]`; None adds nothing.

    Holds the layer's constant noise, drawn once and saved with the weights.

    Args:
        size: Height and width of the layer; None for one that gets another layer's noise.
        channels: C, each with a strength of its own; None for one strength.
    """

    const: Tensor | None

    def __init__(self, size: tuple[int, int] | None, channels: int | None = None) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.empty([] if channels is None else [channels, 1, 1]))
        self.register_buffer("const", None if size is None else torch.empty(1, 1, *size))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Strength 0, as the papers start, and new constant noise."""
        nn.init.zeros_(self.strength)
        if self.const is not None:
            normal_(self.const, generator=generator)

    def forward(self, x: Tensor, noise: Tensor | None) -> Tensor:
        return x if noise is None else x + self.strength * noise
