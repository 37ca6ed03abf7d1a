"""Differentiable operations in plain PyTorch."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
