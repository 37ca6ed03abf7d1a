"""Plots as SVG, inside a page or as a file of their own, for light and dark grounds."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
