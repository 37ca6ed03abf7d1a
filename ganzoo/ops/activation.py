"""Activations, with the gains that keep the signal's variance (Karras et al. 2020, appendix B)."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

# name: function of x and the slope, default gain
ACTIVATIONS: dict[str, tuple[Callable[[Tensor, float], Tensor], float]] = {
    "linear": (lambda x, slope: x, 1.0),
    "relu": (lambda x, slope: F.relu(x), math.sqrt(2)),
    "lrelu": (F.leaky_relu, math.sqrt(2)),
    "tanh": (lambda x, slope: torch.tanh(x), 1.0),
    "sigmoid": (lambda x, slope: torch.sigmoid(x), 1.0),
    "elu": (lambda x, slope: F.elu(x), 1.0),
    "selu": (lambda x, slope: F.selu(x), 1.0),
    "softplus": (lambda x, slope: F.softplus(x), 1.0),
    "swish": (lambda x, slope: F.silu(x), math.sqrt(2)),
}
HOMOGENEOUS = ("linear", "relu", "lrelu")  # f(g x) = g f(x) for g > 0: a gain can move in front


def bias_act(
    x: Tensor,
    bias: Tensor | None = None,
    *,
    activation: str = "lrelu",
    slope: float = 0.2,
    gain: float | None = None,
    clamp: float | None = None,
) -> Tensor:
    """`clip(gain * activation(x + bias), -clamp, clamp)`, the shape of `x [N, C, ...]`.

    Args:
        x: `[N, C, ...]`.
        bias: `[C]`, added along dimension 1.
        activation: Name in `ACTIVATIONS`.
        slope: Slope of the negative part of `lrelu`.
        gain: None takes the activation's own.
        clamp: None does not clip.

    Raises:
        ValueError: for an unknown activation.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is one of {', '.join(ACTIVATIONS)}; got {activation!r}.")
    function, default_gain = ACTIVATIONS[activation]
    if bias is not None:
        x = x + bias.reshape(1, -1, *[1] * (x.ndim - 2))
    x = function(x, slope)
    gain = default_gain if gain is None else gain
    if gain != 1:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)
