"""Interchangeable blocks of style-based generators; a new one is decorated with its kind's registry."""

from typing import Any

from ganzoo.blocks.ada import AdaptiveAugment
from ganzoo.blocks.adain import AdaINLayer
from ganzoo.blocks.augment import AUGMENTS, Augment, DiffAugment, NoAugment
from ganzoo.blocks.base import Block, Fold
from ganzoo.blocks.biggan_discriminator import BigGANDiscriminator
from ganzoo.blocks.classes import ClassesMapping
from ganzoo.blocks.conv import CONVS, DepthwiseConv, FullConv, ModulatedConv
from ganzoo.blocks.demodulation import (
    DEMODULATIONS,
    Demodulation,
    NoDemodulation,
    StaticDemodulation,
    StyleDemodulation,
)
from ganzoo.blocks.discriminator import DISCRIMINATORS, DiscriminatorBlock, ResidualDiscriminator
from ganzoo.blocks.head import HEADS, AuxHead, FadeHead, Head, SingleHead, SkipHead
from ganzoo.blocks.joined import JoinedMapping
from ganzoo.blocks.mapping import MAPPINGS, MappingNetwork, MLPMapping
from ganzoo.blocks.noise import NoiseInjection
from ganzoo.blocks.norm import NORMS, Norm
from ganzoo.blocks.progressive import StyleGANDiscriminator
from ganzoo.blocks.projected import ProjectedDiscriminator
from ganzoo.blocks.shortcut import SHORTCUTS, NoShortcut, ResidualShortcut, Shortcut
from ganzoo.blocks.styled import StyledLayer
from ganzoo.blocks.upsampler import (
    UPSAMPLERS,
    ConvTransposeUpsampler,
    IDWTUpsampler,
    NearestUpsampler,
    Upsampler,
)
from ganzoo.registry import Registry
from ganzoo.system.lazy import offer_modules

GENERATOR_KINDS: dict[str, Registry[Any]] = {
    r.kind: r for r in (MAPPINGS, UPSAMPLERS, CONVS, DEMODULATIONS, HEADS, SHORTCUTS, NORMS)
}
KINDS: dict[str, Registry[Any]] = {**GENERATOR_KINDS, **{r.kind: r for r in (DISCRIMINATORS, AUGMENTS)}}

__all__ = [
    "AUGMENTS", "CONVS", "DEMODULATIONS", "DISCRIMINATORS", "GENERATOR_KINDS", "HEADS", "KINDS",
    "MAPPINGS", "NORMS", "SHORTCUTS", "UPSAMPLERS",
    "AdaINLayer", "AdaptiveAugment", "Augment", "AuxHead", "BigGANDiscriminator", "Block",
    "ClassesMapping", "ConvTransposeUpsampler", "Demodulation", "DepthwiseConv", "DiffAugment",
    "DiscriminatorBlock", "FadeHead", "Fold", "FullConv", "Head", "IDWTUpsampler", "JoinedMapping",
    "MLPMapping", "MappingNetwork", "ModulatedConv", "NearestUpsampler", "NoAugment", "NoDemodulation",
    "NoShortcut", "NoiseInjection", "Norm", "ProjectedDiscriminator", "ResidualDiscriminator",
    "ResidualShortcut", "Shortcut", "SingleHead", "SkipHead", "StaticDemodulation", "StyleDemodulation",
    "StyleGANDiscriminator", "StyledLayer", "Upsampler",
]  # fmt: skip

offer_modules(__name__)
