"""Linear layer with equalised learning rate (Karras et al. 2018, section 4.1)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.ops.initialize import normal_


class EqualizedLinear(nn.Module):
    """`x [..., in] -> [..., out]`, weights stored at unit variance and scaled at run time.

    The effective weight is `weight * lr_multiplier / sqrt(in)`, the effective bias `bias * lr_multiplier`.
    """

    def __init__(
        self, in_features: int, out_features: int, *, lr_multiplier: float = 1.0, bias_init: float = 0.0
    ) -> None:
        super().__init__()
        self.lr_multiplier = lr_multiplier
        self.bias_init = bias_init
        self.scale = lr_multiplier / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew: the effective ones have the variance 1 / in."""
        normal_(self.weight, std=1 / self.lr_multiplier, generator=generator)
        nn.init.constant_(self.bias, self.bias_init / self.lr_multiplier)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.lr_multiplier)

    def folded(self, *, scale: float = 1.0, order: Tensor | None = None) -> nn.Linear:
        """A plain linear layer of the effective weights, times `scale`, its outputs in another order."""
        weight = self.weight * (self.scale * scale)
        bias = self.bias * (self.lr_multiplier * scale)
        if order is not None:
            weight, bias = weight[order], bias[order]
        linear = nn.Linear(1, 1, device="meta")
        linear.weight, linear.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        linear.in_features, linear.out_features = weight.shape[1], weight.shape[0]
        return linear

    def narrowed(self, keep: Tensor) -> dict[str, Tensor]:
        """Tensors by name of the layer with these outputs alone."""
        return {"weight": self.weight[keep], "bias": self.bias[keep]}
