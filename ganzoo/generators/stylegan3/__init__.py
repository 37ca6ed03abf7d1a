"""StyleGAN3, T and R: every layer is filtered so that the image moves with its input (Karras et al. 2021)."""

from ganzoo.generators.stylegan3.config import StyleGAN3Config
from ganzoo.generators.stylegan3.synthesis import Synthesis

__all__ = ["StyleGAN3Config", "Synthesis"]
