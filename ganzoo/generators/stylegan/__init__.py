"""StyleGAN of 2019: a learnt constant, convolutions that no style scales, AdaIN behind every one."""

from ganzoo.generators.stylegan.config import StyleGANConfig
from ganzoo.generators.stylegan.synthesis import Synthesis

__all__ = ["StyleGANConfig", "Synthesis"]
