"""Demodulations: what restores the variance of a convolution's output after its input was modulated.

A demodulation maps the energy of the weights `[out, in]` (squares summed over the kernel) and the style `[N,
in]` to factors for the output channels, `[N or 1, out]`, or None where nothing is scaled.
"""

import torch
from torch import Tensor, nn

from ganzoo.registry import Registry

EPS = 1e-8


class Demodulation(nn.Module):
    """Base of the demodulations.

    Attributes:
        is_constant: Whether the factors are the same for all styles, so that the deploy form folds them into
            the weights.
        vanishes: Whether its parameters are gone in the deploy form, and not counted in a model's cost.
    """

    macs_per_output = 0  # published costs leave the norm of the weights out
    is_constant = False
    vanishes = False

    def narrowed(self, keep_in: Tensor) -> dict[str, Tensor]:
        """Tensors by name for a convolution of these input channels alone; the others leave the norm."""
        return {}


DEMODULATIONS: Registry[Demodulation] = Registry("demodulation", context=["in_channels"])


@DEMODULATIONS.register("style")
class StyleDemodulation(Demodulation):
    """Factors `1 / sqrt(sum_in style^2 * energy)` from the sample's own style (Karras et al. 2020, eq. 3)."""

    def __init__(self, *, in_channels: int) -> None:
        super().__init__()

    def forward(self, energy: Tensor, style: Tensor) -> Tensor:
        return torch.rsqrt(style.square() @ energy.t() + EPS)


@DEMODULATIONS.register("static")
class StaticDemodulation(Demodulation):
    """Factors from a trained vector instead of the style, alike for all samples (Belousov 2021, section 3).

    A constant once trained, so that the deploy form folds it into the weights.
    """

    is_constant = vanishes = True

    def __init__(self, *, in_channels: int) -> None:
        super().__init__()
        self.style_inv = nn.Parameter(torch.empty(in_channels))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Start at ones: the weights' own norm, as if every style were 1."""
        nn.init.ones_(self.style_inv)

    def forward(self, energy: Tensor, style: Tensor) -> Tensor:
        return torch.rsqrt(self.style_inv.square()[None] @ energy.t() + EPS)

    def narrowed(self, keep_in: Tensor) -> dict[str, Tensor]:
        return {"style_inv": self.style_inv[keep_in]}


@DEMODULATIONS.register("none")
class NoDemodulation(Demodulation):
    """No factors: for weights with a demodulation already folded in, and for ablations."""

    is_constant = True

    def __init__(self, *, in_channels: int) -> None:
        super().__init__()

    def forward(self, energy: Tensor, style: Tensor) -> None:
        return None
