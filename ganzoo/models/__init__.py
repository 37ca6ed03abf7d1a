"""A name to a model: references, entries, recipes, weights, sources and the Hub's pull."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
