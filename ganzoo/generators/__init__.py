"""Generators: the public module, its synthesis loop, and the form that runs fastest."""

from ganzoo._lazy import offer_modules

offer_modules(__name__)
