"""Faces in images: where they are, FFHQ's crop of them, and what small public networks say of them."""

from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
