"""How fast generators are here, and what they take: `ganzoo bench`."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
