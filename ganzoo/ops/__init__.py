"""Differentiable operations in plain PyTorch."""

from ganzoo._lazy import offer_modules

offer_modules(__name__)
