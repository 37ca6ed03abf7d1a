"""What networks are trained to make small: functions of tensors, without weights or schedules of their own.

Every loss is a mean over the batch and a scalar. Targets are taken as they come: a teacher makes them under
`torch.no_grad`.
"""

from ganzoo.losses.adversarial import logistic_discriminator, nonsaturating_generator, r1_penalty
from ganzoo.losses.perceptual import feature_maps, lpips, perceptual_l1
from ganzoo.losses.reconstruction import reconstruction
from ganzoo.losses.relation import relation
from ganzoo.system.lazy import offer_modules

__all__ = [
    "feature_maps", "logistic_discriminator", "lpips", "nonsaturating_generator", "perceptual_l1",
    "r1_penalty", "reconstruction", "relation",
]  # fmt: skip

offer_modules(__name__)
