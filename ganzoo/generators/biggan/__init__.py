"""BigGAN and BigGAN-deep: classes and parts of z in batch norms, self-attention, spectral norm."""

from ganzoo.generators.biggan.config import BigGANConfig
from ganzoo.generators.biggan.synthesis import BigGANSynthesis

__all__ = ["BigGANConfig", "BigGANSynthesis"]
