"""How the state dicts of public repositories name their networks: what tells each, and what reads it.

A layout that differs from rosinality's in names alone is brought to those names and read by the same code.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ganzoo.converters import (
    biggan,
    biggan_discriminator,
    genforce,
    huggingface,
    mmagic,
    nvidia_state,
    nvidia_stylegan3_state,
    rosinality,
    stylegan_genforce,
    stylegan_rosinality,
)
from ganzoo.converters.keymap import Tensors
from ganzoo.generators.discriminator import Discriminator
from ganzoo.generators.generator import Generator

Network = Generator | Discriminator
Rules = tuple[tuple[str, str], ...]
MEANS = ("latent_avg", "mean_latent", "truncation_latent", "dlatent_avg")  # names of the mean of w

_BASICSR_GENERATOR: Rules = (
    (r"style_mlp\.(.+)", r"style.\1"),
    (r"constant_input\.weight", "input.input"),
    (r"style_(conv1|convs\.\d+)\.weight", r"\1.noise.weight"),
    (r"style_(conv1|convs\.\d+)\.modulated_conv\.(.+)", r"\1.conv.\2"),
    (r"style_(conv1|convs\.\d+)\.activate\.bias", r"\1.activate.bias"),
    (r"(to_rgb1|to_rgbs\.\d+)\.modulated_conv\.(.+)", r"\1.conv.\2"),
    (r"noises\.noise(\d+)", r"noises.noise_\1"),
)
_BASICSR_DISCRIMINATOR: Rules = ((r"conv_body\.(.+)", r"convs.\1"),)
_MMAGIC_GENERATOR: Rules = (
    (r"style_mapping\.(\d+)\.linear\.weight_orig", r"style.\1.weight"),
    (r"style_mapping\.(\d+)\.bias", r"style.\1.bias"),
    (r"constant_input\.input", "input.input"),
    (r"(.+)\.conv\.style_modulation\.linear\.weight_orig", r"\1.conv.modulation.weight"),
    (r"(.+)\.conv\.style_modulation\.bias", r"\1.conv.modulation.bias"),
    (r"(.+)\.conv\.weight_orig", r"\1.conv.weight"),
    (r"(.+)\.noise_injector\.weight", r"\1.noise.weight"),
    (r"injected_noise_(\d+)", r"noises.noise_\1"),
    (r"w_avg", "latent_avg"),
)
_MMAGIC_DISCRIMINATOR: Rules = ((r"(.+)\.(?:conv|linear)\.weight_orig", r"\1.weight"),)
_ONE_NAME_FOR_THE_MEAN: Rules = tuple((name, "latent_avg") for name in MEANS)


@dataclass(frozen=True)
class Layout:
    """A state dict's names.

    Attributes:
        format: Format of the file, in words.
        anchor: Name of a tensor by which the network is told from others.
        beside: Name of another tensor that it must have, where the anchor alone occurs elsewhere.
        read: Function that makes the network; it gets the settings, if there are any, as a second argument.
        part: "generator" or "discriminator".
        rules: Patterns of names with what each becomes before the network is read.
        takes_mean: Whether a mean of w that lies beside the network belongs to it.
        settings: Settings that the file does not hold, with their defaults; or what tells them, of the names.
        is_foreign: Whether `read` only says why such a network is not converted.
    """

    format: str
    anchor: str
    read: Callable[..., Network]
    part: str = "generator"
    rules: Rules = ()
    takes_mean: bool = False
    settings: Mapping[str, Any] | Callable[[Iterable[str]], Mapping[str, Any]] | None = None
    is_foreign: bool = False
    beside: str | None = None

    def open_settings(self, names: Iterable[str]) -> dict[str, Any]:
        """The settings that a network of these tensors leaves open, with their defaults."""
        return dict(self.settings(names) if callable(self.settings) else self.settings or {})

    def name(self, name: str) -> str:
        """A tensor's name as the network's reader knows it."""
        for pattern, new in self.rules:
            if match := re.fullmatch(pattern, name):
                return match.expand(new)
        return name


def _foreign(format: str, anchor: str, reason: str) -> Layout:
    """A network that cannot be converted, with the reason."""

    def read(tensors: Tensors) -> NoReturn:
        raise ValueError(f"The network is {reason}")

    return Layout(format, anchor, read, is_foreign=True)


# Where one name tells two layouts, the first of them counts.
LAYOUTS = (
    _foreign(
        "BasicSR, clean",
        "style_conv1.bias",
        "BasicSR's clean variant, the decoder of GFPGAN: it enlarges bilinearly where StyleGAN2 filters, "
        "so no StyleGAN2 gives its images.",
    ),
    Layout(
        "rosinality/stylegan2-pytorch",
        "input.input",
        rosinality.read_generator,
        rules=_ONE_NAME_FOR_THE_MEAN,
        takes_mean=True,
    ),
    Layout(
        "rosinality/stylegan2-pytorch", "convs.0.0.weight", rosinality.read_discriminator, "discriminator"
    ),
    Layout(
        "BasicSR, StyleGAN2",
        "constant_input.weight",
        rosinality.read_generator,
        rules=_BASICSR_GENERATOR,
        takes_mean=True,
    ),
    Layout(
        "BasicSR, StyleGAN2",
        "conv_body.0.0.weight",
        rosinality.read_discriminator,
        "discriminator",
        _BASICSR_DISCRIMINATOR,
    ),
    Layout(
        "mmagic or mmgeneration, StyleGAN2",
        "constant_input.input",
        mmagic.read_generator,
        rules=_MMAGIC_GENERATOR,
        takes_mean=True,
        settings=mmagic.SETTINGS,
    ),
    Layout(
        "mmagic or mmgeneration, StyleGAN2",
        "convs.0.0.conv.weight_orig",
        mmagic.read_discriminator,
        "discriminator",
        _MMAGIC_DISCRIMINATOR,
        settings=mmagic.SETTINGS,
    ),
    Layout("genforce, StyleGAN2", "synthesis.early_layer.const", genforce.read_generator),
    Layout(
        nvidia_state.FORMAT,
        "synthesis.b4.const",
        nvidia_state.read_generator,
        settings=nvidia_state.GENERATOR,
    ),
    Layout(
        nvidia_state.FORMAT,
        "b4.fc.weight",
        nvidia_state.read_discriminator,
        "discriminator",
        settings=nvidia_state.DISCRIMINATOR,
    ),
    Layout(
        biggan.FORMAT,
        "output_layer.2.weight",
        biggan.read_generator,
        settings=biggan.settings,
        beside="blocks.0.0.conv1.weight",
    ),
    Layout(
        huggingface.FORMAT,
        "embeddings.weight",
        huggingface.read_generator,
        rules=huggingface.RULES,
        settings=huggingface.SETTINGS,
        beside="generator.gen_z.bias",
    ),
    Layout(
        biggan_discriminator.FORMAT,
        "embed.weight",
        biggan_discriminator.read_discriminator,
        "discriminator",
        settings=biggan_discriminator.SETTINGS,
        beside="blocks.0.0.conv1.weight",
    ),
    _foreign(
        "lucidrains/stylegan2-pytorch",
        "blocks.0.to_style1.weight",
        "of lucidrains/stylegan2-pytorch, which is no StyleGAN2 in detail: latents are not normalised, "
        "layers are enlarged bilinearly, and one noise image enters with a weight for each channel. It "
        "cannot be converted exactly.",
    ),
    Layout(
        nvidia_stylegan3_state.FORMAT,
        nvidia_stylegan3_state.ANCHOR,
        nvidia_stylegan3_state.read_generator,
        settings=nvidia_stylegan3_state.SETTINGS,
    ),
    Layout(
        "rosinality/style-based-gan-pytorch",
        "generator.progression.0.conv1.input",
        stylegan_rosinality.read_generator,
        settings=stylegan_rosinality.SETTINGS,
    ),
    Layout(
        "rosinality/style-based-gan-pytorch",
        "progression.0.conv1.0.conv.weight_orig",
        stylegan_rosinality.read_discriminator,
        "discriminator",
        settings=stylegan_rosinality.SETTINGS,
    ),
    Layout(
        "genforce, StyleGAN",
        "synthesis.layer0.style.weight",
        stylegan_genforce.read_generator,
        settings=stylegan_genforce.GENERATOR,
    ),
    Layout(
        "genforce, StyleGAN",
        "layer1.blur.kernel",
        stylegan_genforce.read_discriminator,
        "discriminator",
        settings=stylegan_genforce.DISCRIMINATOR,
    ),
)
