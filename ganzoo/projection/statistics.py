"""Where the w of a mapping network lie: their mean, their spread, and the axes along which they spread."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.generators.generator import Generator

SAMPLES = 10_000
_SEED = 123  # of StyleGAN2's projector
_AT_ONCE = 1000


@dataclass(frozen=True)
class WStatistics:
    """What is known of w from samples.

    Attributes:
        mean: `[w_dim]`.
        deviation: Root of the mean squared distance from the mean: one number over all components.
        axes: `[w_dim, w_dim]`, a principal axis a row, the widest first, each as long as the deviation along
            it. A normal vector times it is a sample's offset from the mean.
    """

    mean: Tensor
    deviation: float
    axes: Tensor


@torch.no_grad()
def w_statistics(generator: Generator, samples: int = SAMPLES, label: Tensor | None = None) -> WStatistics:
    """Statistics of untruncated w, of latents by `numpy.random.RandomState(123)` as in StyleGAN2's projector.

    Args:
        generator: Generator whose mapping network is asked.
        samples: Number of latents, at least 2.
        label: `[1, label_dim]`, for a conditional generator; None takes all classes in turn.

    Raises:
        ValueError: for fewer than 2 samples.
    """
    if samples < 2:
        raise ValueError(f"Statistics of w need 2 samples at least; got {samples}.")
    z = torch.from_numpy(np.random.RandomState(_SEED).randn(samples, generator.z_dim)).to(
        generator.mapping.w_avg
    )
    if label is None and generator.label_dim:
        classes = torch.arange(samples, device=z.device) % generator.label_dim
        label = F.one_hot(classes, generator.label_dim).to(z)
    labels = [None] * samples if label is None else torch.split(label.to(z).expand(samples, -1), _AT_ONCE)
    pieces = zip(torch.split(z, _AT_ONCE), labels, strict=False)
    w = torch.cat([generator.mapping(piece, own)[:, 0] for piece, own in pieces])
    mean = w.mean(dim=0)
    offsets = (w - mean).cpu().double()
    variances, axes = torch.linalg.eigh(offsets.T @ offsets / samples)
    scaled = (axes * variances.clamp(min=0).sqrt()).T.flip(0)
    return WStatistics(mean, float(offsets.square().sum().div(samples).sqrt()), scaled.to(w))
