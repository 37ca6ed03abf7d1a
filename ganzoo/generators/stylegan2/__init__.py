"""StyleGAN2, MobileStyleGAN and what lies between: levels of interchangeable blocks under one head."""

from ganzoo.generators.stylegan2.config import StyleGAN2Config
from ganzoo.generators.stylegan2.synthesis import Synthesis

__all__ = ["StyleGAN2Config", "Synthesis"]
