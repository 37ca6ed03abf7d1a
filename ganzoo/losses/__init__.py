"""What networks are trained to make small: functions of tensors, without weights or schedules of their own.

Every loss is a mean over the batch and a scalar. Targets are taken as they come: a teacher makes them under
`torch.no_grad`.
"""

from ganzoo.features.distances import feature_l1, feature_maps, perceptual
from ganzoo.losses.adversarial import (
    ADVERSARIAL,
    hinge_discriminator,
    linear_generator,
    logistic_discriminator,
    nonsaturating_generator,
    path_lengths,
    r1_penalty,
    relativistic_discriminator,
    relativistic_generator,
    slope_penalty,
    top_k,
    wasserstein_discriminator,
)
from ganzoo.losses.hidden import hidden_l1, triplet
from ganzoo.losses.orthogonality import orthogonality
from ganzoo.losses.reconstruction import reconstruction
from ganzoo.losses.relation import distance_consistency, offset_relation, relation
from ganzoo.losses.statistics import mmd
from ganzoo.system.lazy import offer_modules

__all__ = [
    "ADVERSARIAL",
    "distance_consistency",
    "feature_l1",
    "feature_maps",
    "hidden_l1",
    "hinge_discriminator",
    "linear_generator",
    "logistic_discriminator",
    "mmd",
    "nonsaturating_generator",
    "offset_relation",
    "orthogonality",
    "path_lengths",
    "perceptual",
    "r1_penalty",
    "reconstruction",
    "relation",
    "relativistic_discriminator",
    "relativistic_generator",
    "slope_penalty",
    "top_k",
    "triplet",
    "wasserstein_discriminator",
]  # fmt: skip

offer_modules(__name__)
