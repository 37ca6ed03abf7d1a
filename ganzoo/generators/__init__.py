"""The generator, a folder per architecture, the discriminator, and the form that runs fastest."""

from ganzoo.generators import biggan as biggan  # registers the architecture
from ganzoo.generators import stylegan as stylegan
from ganzoo.generators import stylegan2 as stylegan2
from ganzoo.generators import stylegan3 as stylegan3
from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
