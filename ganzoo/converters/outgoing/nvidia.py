"""State dicts in the names of NVIDIA's PyTorch repositories, and the arguments of the constructors.

The names are those of `Generator` and `Discriminator` in stylegan2-ada-pytorch and of the StyleGAN2 networks
of stylegan3. A snapshot of theirs is a pickle that carries the text of its classes: none is written.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from ganzoo.converters.outgoing.fit import Blocks, misfit, of_architecture, of_blocks
from ganzoo.converters.outgoing.tensors import Own, kernel, normalized
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.config import StyleGAN2Config
from ganzoo.generators.stylegan2.names import CONST, conv_name, layer_name, shortcut_name
from ganzoo.ops.activation import ACTIVATIONS

GENERATOR, DISCRIMINATOR = "G_ema", "D"
_LARGE = 8  # taps from which on a filter is stored in one dimension
_DEFAULT_TAPS = (1.0, 3.0, 3.0, 1.0)  # of layers that never filter
_ACTIVATIONS = ("linear", "relu", "lrelu", "tanh", "sigmoid", "elu", "selu", "softplus", "swish")
_GENERATOR: Blocks = {
    "mapping": {"mlp": ("depth", "lr_multiplier", "activation", "layer_features", "embed_features")},
    "upsampler": {"conv_transpose": ("taps",)},
    "conv": {"full": ("kernel_size",)},
    "demodulation": {"style": ()},
    "head": {"skip": ("taps",), "single": ()},
    "shortcut": {"none": (), "residual": ("taps",)},
}
_GENERATOR_FIELDS = (
    *("resolution", "channels", "img_channels", "z_dim", "w_dim", "label_dim"),
    *("activation", "activation_gain", "clamp"),
)
_DISCRIMINATOR: Blocks = {
    "discriminator": {
        "residual": (
            *("architecture", "activation", "clamp", "taps", "mbstd_group_size", "mbstd_num_channels"),
            *("projection_dim", "mapping_depth", "mapping_lr_multiplier", "mapping_activation"),
            *("mapping_features", "embed_features"),
        )
    }
}


def generator_misfits(config: GeneratorConfig) -> list[str]:
    """What of a generator has no place there."""
    if found := of_architecture(config):
        return found
    network = cast(StyleGAN2Config, config)
    found = of_blocks(network, _GENERATOR, _GENERATOR_FIELDS) + _width_misfits(network.channels)
    if network.head["name"] == "skip" and network.shortcut["name"] == "residual":
        found.append(misfit("shortcut", "residual", "none beside a head skip, or a head single"))
    if network.activation not in _ACTIVATIONS:
        found.append(misfit("activation", network.activation, _ACTIVATIONS))
    elif (gain := network.activation_gain) is not None:
        own = ACTIVATIONS[network.activation][1]
        if not math.isclose(gain, own, rel_tol=1e-6):
            found.append(misfit("activation_gain", gain, f"none, for {own:g}"))
    lengths = {len(taps) for taps in _all_taps(network)}
    if len(lengths) > 1:
        found.append(misfit("the number of taps", tuple(sorted(lengths)), "one for all filters"))
    return found


def discriminator_misfits(config: DiscriminatorConfig) -> list[str]:
    """What of a discriminator has no place there."""
    found = of_blocks(config, _DISCRIMINATOR, ("resolution", "channels", "img_channels", "label_dim"))
    if config.resolution == 4:
        found.append(misfit("resolution", 4, "8 or more"))
    activation = config.discriminator.get("activation")
    if activation is not None and activation not in _ACTIVATIONS:
        found.append(misfit("discriminator.activation", activation, _ACTIVATIONS))
    return found + _width_misfits(config.channels)


def _width_misfits(channels: Sequence[int]) -> list[str]:
    rule = "min(channel_base // side, channel_max)"
    return [] if _widths(channels) else [misfit("channels", tuple(channels), rule)]


def _widths(channels: Sequence[int]) -> dict[str, int] | None:
    """`channel_base` and `channel_max` that give these widths; None if none do."""
    most = max(channels)
    sides = [4 << level for level in range(len(channels))]
    least = max(width * side for width, side in zip(channels, sides, strict=True))
    below = [(w + 1) * side for w, side in zip(channels, sides, strict=True) if w < most]
    return {"channel_base": least, "channel_max": most} if least < min([least + 1, *below]) else None


def _all_taps(config: StyleGAN2Config) -> list[Sequence[float]]:
    """Taps of all filters, those of the upsampling convolutions first."""
    blocks = (config.upsampler, config.head, config.shortcut)
    return [block["taps"] for block in blocks if "taps" in block]


def contents(generator: Generator | None, discriminator: Discriminator | None) -> dict[str, object]:
    """What such a file holds."""
    found: dict[str, object] = {}
    if generator is not None:
        found[GENERATOR] = _generator(generator)
    if discriminator is not None:
        found[DISCRIMINATOR] = _discriminator(discriminator)
    return found


def arguments(generator: Generator | None, discriminator: Discriminator | None) -> dict[str, Any]:
    """Arguments of the constructors in stylegan2-ada-pytorch, by the networks' keys."""
    found = {}
    if generator is not None:
        found[GENERATOR] = _of_generator(cast(StyleGAN2Config, generator.config))
    if discriminator is not None:
        found[DISCRIMINATOR] = _of_discriminator(discriminator.config)
    return found


def notes(generator: Generator | None, discriminator: Discriminator | None) -> list[str]:
    """What to know where the file is loaded."""
    classes = {"Generator": (generator, GENERATOR), "Discriminator": (discriminator, DISCRIMINATOR)}
    return [
        f"In its code, {key} is of {cls}(**arguments), and the arguments are {key} of the .json file."
        for cls, (module, key) in classes.items()
        if module is not None
    ]


def _of_generator(config: StyleGAN2Config) -> dict[str, Any]:
    is_residual = config.shortcut["name"] == "residual"
    architecture = "resnet" if is_residual else "skip" if config.head["name"] == "skip" else "orig"
    return {
        "z_dim": config.z_dim,
        "c_dim": config.label_dim,
        "w_dim": config.w_dim,
        "img_resolution": config.resolution,
        "img_channels": config.img_channels,
        "mapping_kwargs": _of_mapping(config.mapping, ""),
        "synthesis_kwargs": {
            **(_widths(config.channels) or {}),
            "num_fp16_res": 0,
            "conv_clamp": _number(config.clamp),
            "architecture": architecture,
            "resample_filter": _numbers(config.upsampler["taps"]),
            "activation": config.activation,
            "kernel_size": config.conv["kernel_size"],
        },
    }


def _of_discriminator(config: DiscriminatorConfig) -> dict[str, Any]:
    options = config.discriminator
    return {
        "c_dim": config.label_dim,
        "img_resolution": config.resolution,
        "img_channels": config.img_channels,
        "architecture": options["architecture"],
        **(_widths(config.channels) or {}),
        "num_fp16_res": 0,
        "conv_clamp": _number(options["clamp"]),
        "cmap_dim": options["projection_dim"] if config.label_dim else None,
        "block_kwargs": {
            "activation": options["activation"],
            "resample_filter": _numbers(options["taps"]),
        },
        "mapping_kwargs": _of_mapping(options, "mapping_") if config.label_dim else {},
        "epilogue_kwargs": {
            "mbstd_group_size": options["mbstd_group_size"],
            "mbstd_num_channels": options["mbstd_num_channels"],
            "activation": options["activation"],
        },
    }


def _of_mapping(options: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Arguments of a mapping network, whose options begin with a prefix in a discriminator."""
    return {
        "num_layers": options[f"{prefix}depth"],
        "embed_features": options["embed_features"],
        "layer_features": options[f"{prefix}features" if prefix else "layer_features"],
        "activation": options[f"{prefix}activation"],
        "lr_multiplier": options[f"{prefix}lr_multiplier"],
    }


def _number(value: float | None) -> float | None:
    """A number as people write it: a whole one without a point."""
    return int(value) if value is not None and float(value).is_integer() else value


def _numbers(values: Sequence[float]) -> list[float | None]:
    return [_number(value) for value in values]


def _filter(taps: Sequence[float]) -> Tensor:
    """A filter as its code stores it, with sum 1."""
    if len(taps) < _LARGE:
        return kernel(taps)
    return normalized(torch.tensor(taps, dtype=torch.float32, device="cpu"))


def _generator(generator: Generator) -> dict[str, Tensor]:
    """State dict of a generator."""
    own, config = Own(generator), cast(StyleGAN2Config, generator.config)
    first, last = _all_taps(config)[0], _all_taps(config)[-1]  # of a block, the second where it enlarges
    state = {"synthesis.b4.const": own.take(CONST)[0]}
    for level in range(len(config.channels)):
        block, image = f"synthesis.b{4 << level}", f"synthesis.head.to_image.{level}"
        state[f"{block}.resample_filter"] = _filter(last)
        if level:
            state |= _layer(own, 2 * level - 1, f"{block}.conv0", first)
        state |= _layer(own, 2 * level, f"{block}.conv1", _DEFAULT_TAPS)
        if f"{image}.bias" in own:
            state[f"{block}.torgb.weight"] = own.take(f"{image}.conv.weight")
            state[f"{block}.torgb.bias"] = own.take(f"{image}.bias")
            state |= own.linear(f"{image}.conv.modulation", f"{block}.torgb.affine")
        if f"{shortcut_name(level)}.weight" in own:
            state[f"{block}.skip.weight"] = own.take(f"{shortcut_name(level)}.weight")
            state[f"{block}.skip.resample_filter"] = _filter(last)
    state["mapping.w_avg"] = own.take("mapping.w_avg")
    state |= _mapping(own, "mapping")
    own.finish()
    return state


def _layer(own: Own, row: int, target: str, taps: Sequence[float]) -> dict[str, Tensor]:
    """The styled layer that reads a row of w."""
    layer, conv = layer_name(row), conv_name(row)
    return {
        f"{target}.weight": own.take(f"{conv}.weight"),
        f"{target}.noise_strength": own.take(f"{layer}.noise.strength").reshape(()),
        f"{target}.bias": own.take(f"{layer}.bias"),
        f"{target}.resample_filter": _filter(taps),
        f"{target}.noise_const": own.take(f"{layer}.noise.const")[0, 0],
        **own.linear(f"{conv}.modulation", f"{target}.affine"),
    }


def _mapping(own: Own, source: str) -> dict[str, Tensor]:
    """A mapping network's layers, and what embeds its label."""
    state = own.linear(f"{source}.embed", "mapping.embed") if f"{source}.embed.weight" in own else {}
    i = 0
    while f"{source}.layers.{i}.weight" in own:
        state |= own.linear(f"{source}.layers.{i}", f"mapping.fc{i}")
        i += 1
    return state


def _discriminator(discriminator: Discriminator) -> dict[str, Tensor]:
    """State dict of a discriminator, from the image down."""
    own, config = Own(discriminator), discriminator.config
    taps = config.discriminator["taps"]
    state: dict[str, Tensor] = {}

    def conv(source: str, target: str, taps: Sequence[float] = _DEFAULT_TAPS) -> None:
        for kind in ("weight", "bias"):
            if f"network.{source}.{kind}" in own:
                state[f"{target}.{kind}"] = own.take(f"network.{source}.{kind}")
        if f"{target}.weight" in state:
            state[f"{target}.resample_filter"] = _filter(taps)

    for level in range(len(config.channels) - 1, 0, -1):
        block, source = f"b{4 << level}", f"levels.{level}"
        state[f"{block}.resample_filter"] = _filter(taps)
        conv(f"from_image.{level}", f"{block}.fromrgb")
        conv(f"{source}.conv0", f"{block}.conv0")
        conv(f"{source}.conv1", f"{block}.conv1", taps)
        conv(f"{source}.shortcut", f"{block}.skip", taps)
    state |= _mapping(own, "network.mapping")
    conv("from_image.0", "b4.fromrgb")
    conv("conv", "b4.conv")
    state |= own.linear("network.linear", "b4.fc") | own.linear("network.out", "b4.out")
    own.finish()
    return state
