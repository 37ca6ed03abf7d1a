"""Distances in the hidden features of discriminators (Chen et al. 2020, "Distilling portable GANs")."""

import torch.nn.functional as F
from torch import Tensor


def hidden_l1(features: Tensor, target_features: Tensor) -> Tensor:
    """Mean absolute difference of what the teacher's discriminator sees (Chen et al. 2020, section 3).

    Args:
        features: `[N, ...]`, of the student's images.
        target_features: The same of the teacher's.
    """
    return (features - target_features).abs().mean()


def triplet(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0) -> Tensor:
    """Mean over the samples of max(0, |anchor - positive| - |anchor - negative| + margin).

    It teaches the student's discriminator that real images are nearer to the teacher's than to the student's
    (Chen et al. 2020, section 3). Distances are mean absolute differences of a sample's features.

    Args:
        anchor: `[N, ...]`, features of real images.
        positive: Those of the teacher's images.
        negative: Those of the student's images.
        margin: By how much the negative is to be further away.
    """
    near, far = ((anchor - x).abs().flatten(1).mean(dim=1) for x in (positive, negative))
    return F.relu(near - far + margin).mean()
