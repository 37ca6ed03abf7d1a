"""Low-pass filters under a Kaiser window, separable or radial (Karras et al. 2021, appendix D.1)."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def lowpass(taps: int, *, cutoff: float, width: float, rate: float, radial: bool = False) -> Tensor | None:
    """Taps `[taps]` of sum 1 for both axes, or `[taps, taps]` of a radial filter; None for one tap.

    Float32 on the CPU, whatever the default device is.

    Args:
        taps: Number of taps.
        cutoff: Frequency at which half of the amplitude passes.
        width: Width of the transition band around it.
        rate: Sampling rate, in the same unit.
        radial: Whether it is a jinc, the same in all directions, instead of a sinc.
    """
    if taps == 1:
        return None
    place = (np.arange(taps) - (taps - 1) / 2) / rate
    window = np.kaiser(taps, _beta(taps, width / (rate / 2)))
    if radial:
        distance = np.hypot(place[:, None], place[None])
        filter_ = _jinc(2 * cutoff * distance) * np.outer(window, window)
    else:
        filter_ = np.sinc(2 * cutoff * place) * window
    return torch.as_tensor(filter_ / filter_.sum(), dtype=torch.float32, device="cpu")


def _beta(taps: int, width: float) -> float:
    """Kaiser's beta for a transition band of a share of half the sampling rate."""
    attenuation = 2.285 * (taps - 1) * math.pi * width + 7.95
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation > 21:
        return float(0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21))
    return 0.0


def _jinc(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """2 J1(pi x) / (pi x), 1 at 0."""
    scaled = np.where(x == 0, 1.0, math.pi * x)
    bessel = torch.special.bessel_j1(torch.from_numpy(scaled)).numpy()
    return np.where(x == 0, 1.0, 2 * bessel / scaled)
