"""Interchangeable blocks of style-based generators; a new one is decorated with its kind's registry."""

from ganzoo.blocks.base import CONVS, DEMODULATIONS, HEADS, KINDS, MAPPINGS, UPSAMPLERS
from ganzoo.blocks.conv import DepthwiseConv, FullConv, ModulatedConv
from ganzoo.blocks.demodulation import Demodulation, NoDemodulation, StaticDemodulation, StyleDemodulation
from ganzoo.blocks.head import AuxHead, Head, SingleHead, SkipHead
from ganzoo.blocks.mapping import MappingNetwork, MLPMapping
from ganzoo.blocks.noise import NoiseInjection
from ganzoo.blocks.styled import StyledLayer
from ganzoo.blocks.upsampler import ConvTransposeUpsampler, IDWTUpsampler

__all__ = [
    "CONVS", "DEMODULATIONS", "HEADS", "KINDS", "MAPPINGS", "UPSAMPLERS",
    "AuxHead", "ConvTransposeUpsampler", "Demodulation", "DepthwiseConv", "FullConv", "Head", "IDWTUpsampler",
    "MLPMapping", "MappingNetwork", "ModulatedConv", "NoDemodulation", "NoiseInjection", "SingleHead",
    "SkipHead", "StaticDemodulation", "StyleDemodulation", "StyledLayer",
]  # fmt: skip
