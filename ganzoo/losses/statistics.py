"""Distance of two sets of features as distributions, as in NICKEL and DiME (Gretton et al. 2012)."""

import torch
from torch import Tensor

BANDWIDTHS = (0.5, 1.0, 2.0)  # of the targets' mean squared distance


def mmd(features: Tensor, target_features: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of features from their targets' (Gretton et al. 2012, equation 5).

    Mean k(x, x') + mean k(y, y') - 2 mean k(x, y) over all pairs, a sample with itself included: 0 for equal
    sets, never below. The kernel is the mean of three Gaussians exp(-|x - y|^2 / s), s being 0.5, 1 and 2
    times the mean squared distance between two different targets: it has no unit to choose. No gradient
    passes through s.

    Args:
        features: `[N, ...]`, flattened per sample.
        target_features: `[M, ...]` of the same width; M is at least 2.

    Raises:
        ValueError: for one target, or another width.
    """
    x, y = features.flatten(1), target_features.flatten(1)
    if len(y) < 2 or x.shape[1] != y.shape[1]:
        raise ValueError(
            f"Statistics are of at least 2 targets, as wide as the features; got {list(features.shape)} and "
            f"{list(target_features.shape)}."
        )
    between = _squared_distances(y, y)
    scale = (between.sum() / (len(y) * (len(y) - 1))).detach().clamp(min=1e-12)
    own, cross = _squared_distances(x, x), _squared_distances(x, y)
    return _kernel(own, scale).mean() + _kernel(between, scale).mean() - 2 * _kernel(cross, scale).mean()


def _kernel(squared: Tensor, scale: Tensor) -> Tensor:
    return torch.stack([torch.exp(-squared / (factor * scale)) for factor in BANDWIDTHS]).mean(dim=0)


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Every sample of one from every sample of the other, `[N, M]`, by differences: their slope is finite."""
    return (x[:, None] - y[None]).square().sum(dim=2)
