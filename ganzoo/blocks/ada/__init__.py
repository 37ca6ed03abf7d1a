"""Adaptive discriminator augmentation (Karras et al. 2020a, section 3 and appendix B)."""

from ganzoo.blocks.ada.block import AdaptiveAugment
from ganzoo.blocks.ada.draws import Draws
from ganzoo.blocks.ada.pipeline import augmented

__all__ = ["AdaptiveAugment", "Draws", "augmented"]
