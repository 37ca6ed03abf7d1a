"""Quality figures of generators, each with the protocol that it was measured by."""

from ganzoo._lazy import offer_modules

offer_modules(__name__)
