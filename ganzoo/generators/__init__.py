"""The generator, a folder per architecture, the discriminator, and the form that runs fastest."""

from ganzoo._lazy import offer_modules
from ganzoo.generators import stylegan2 as stylegan2  # registers the architecture

offer_modules(__name__)
