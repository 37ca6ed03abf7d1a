"""Quality figures of generators, each with the protocol that it was measured by."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
