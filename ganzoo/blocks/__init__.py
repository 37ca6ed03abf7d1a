"""Interchangeable blocks of style-based generators; a new one is decorated with its kind's registry."""

from ganzoo._lazy import offer_modules
from ganzoo.blocks.augment import Augment, DiffAugment, NoAugment
from ganzoo.blocks.base import (
    AUGMENTS,
    CONVS,
    DEMODULATIONS,
    DISCRIMINATORS,
    GENERATOR_KINDS,
    HEADS,
    KINDS,
    MAPPINGS,
    SHORTCUTS,
    UPSAMPLERS,
)
from ganzoo.blocks.conv import DepthwiseConv, FullConv, ModulatedConv
from ganzoo.blocks.demodulation import Demodulation, NoDemodulation, StaticDemodulation, StyleDemodulation
from ganzoo.blocks.discriminator import ResidualDiscriminator
from ganzoo.blocks.head import AuxHead, Head, SingleHead, SkipHead
from ganzoo.blocks.mapping import MappingNetwork, MLPMapping
from ganzoo.blocks.noise import NoiseInjection
from ganzoo.blocks.shortcut import NoShortcut, ResidualShortcut, Shortcut
from ganzoo.blocks.styled import StyledLayer
from ganzoo.blocks.upsampler import ConvTransposeUpsampler, IDWTUpsampler

__all__ = [
    "AUGMENTS", "CONVS", "DEMODULATIONS", "DISCRIMINATORS", "GENERATOR_KINDS", "HEADS", "KINDS", "MAPPINGS",
    "SHORTCUTS", "UPSAMPLERS",
    "Augment", "AuxHead", "ConvTransposeUpsampler", "Demodulation", "DepthwiseConv", "DiffAugment",
    "FullConv", "Head", "IDWTUpsampler", "MLPMapping", "MappingNetwork", "ModulatedConv", "NoAugment",
    "NoDemodulation", "NoShortcut", "NoiseInjection", "ResidualDiscriminator", "ResidualShortcut", "Shortcut",
    "SingleHead", "SkipHead", "StaticDemodulation", "StyleDemodulation", "StyledLayer",
]  # fmt: skip

offer_modules(__name__)
