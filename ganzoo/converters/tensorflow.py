"""Pickles of NVIDIA's TensorFlow repositories: StyleGAN2 and StyleGAN2-ADA.

A file is a tuple of three networks: generator, discriminator and the generator's moving average. A network
holds its settings, where they differ from its defaults, and its variables by name; a generator's lie in two
components. Written from the public layout (the names, axes and flips that published converters agree on); no
original file could be tried.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ganzoo.converters.contents import ArrayRef, Record
from ganzoo.converters.keymap import Tensors, check_architecture, fill, resolution_of
from ganzoo.converters.tensorflow_network import Network, level_name
from ganzoo.converters.unknown import Unknown
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.names import (
    CONST,
    bias_name,
    conv_name,
    is_upsampling,
    layer_name,
    layer_side,
    shortcut_name,
)

MIN_VERSION = 4  # of StyleGAN2; StyleGAN has version 3, and a progressive GAN version 2
PARTS = ("generator", "discriminator", "generator_ema")  # in the file's order
_DEFAULT_GROUP = {"D_stylegan2": 4, "D_main": None}


def find(contents: Any) -> Mapping[str, Record | Unknown]:
    """Networks of a file by part; empty if the file is of another kind."""
    items = contents if isinstance(contents, tuple) else (contents,)
    known = [n for n in items if isinstance(n, Record) and "variables" in n.state]
    if not known or len(known) + sum(isinstance(n, Unknown) for n in items) < len(items):
        return {}
    if len(items) == len(PARTS):
        return dict(zip(PARTS, items, strict=True))
    state = items[0].state
    if str(state.get("build_func_name")).startswith("D_"):
        return {"discriminator": items[0]}
    return {"generator_ema" if state.get("name") == "Gs" else "generator": items[0]}


def variables(network: Record) -> dict[str, ArrayRef | Unknown]:
    """Variables of a network and its components, by names like `synthesis/4x4/Conv/weight`.

    Raises:
        ValueError: for a damaged network.
    """
    found: dict[str, ArrayRef | Unknown] = {}
    components = network.state.get("components")
    parts = {
        "": network,
        **{f"{k}/": v for k, v in (components if isinstance(components, dict) else {}).items()},
    }
    for prefix, part in parts.items():
        own = part.state.get("variables") if isinstance(part, Record) else None
        if not isinstance(own, list):
            raise ValueError("The network holds no list of variables.")
        for name, value in own:
            if isinstance(value, int | float):  # a scalar variable
                value = ArrayRef(np.array(value, dtype=np.float32))
            if not isinstance(name, str) or not isinstance(value, ArrayRef | Unknown):
                raise ValueError("The network holds a variable that is no array.")
            found[f"{prefix}{name}"] = value
    return found


def read_generator(network: Record, tensors: Tensors) -> Generator:
    """The generator of a file.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    _check_version(network)
    source = Network(network, tensors, "mapping", "synthesis")
    if "mapping/LabelConcat/weight" in tensors:
        raise ValueError(
            "The network joins label and latent as StyleGAN2 did before ADA, which is not supported."
        )
    if source.setting("normalize_latents", True) is not True:
        raise ValueError("The network does not normalise its latents, which is not supported.")
    depth = source.layers(r"mapping/Dense\d+/weight")
    for i in range(depth):
        source.dense(f"mapping/Dense{i}", f"mapping.layers.{i}")
    if "mapping/LabelEmbed/weight" in tensors:
        source.dense("mapping/LabelEmbed", "mapping.embed")
    if depth == 0:
        raise ValueError("The network has no mapping network.")
    if "dlatent_avg" in tensors:
        source.arrays["mapping.w_avg"] = tensors.take("dlatent_avg")
    source.arrays[CONST] = tensors.take("synthesis/4x4/Const/const")
    sizes = source.sizes("synthesis/", "/Conv1/weight")
    names = ["4x4/Conv", *(f"{r}x{r}/{name}" for r in sizes for name in ("Conv0_up", "Conv1"))]
    for i, name in enumerate(names):
        _take_layer(source, f"synthesis/{name}", i)
    heads, shortcuts = (source.levels("synthesis/", layer, len(sizes)) for layer in ("ToRGB", "Skip"))
    check_architecture(heads, shortcuts, len(sizes))
    for i in heads:
        target = f"synthesis.head.to_image.{i}"
        source.modulated(f"synthesis/{level_name(i)}/ToRGB", f"{target}.conv", flip=False)
        source.arrays[f"{target}.bias"] = tensors.take(f"synthesis/{level_name(i)}/ToRGB/bias")
    for i in shortcuts:
        source.conv(f"synthesis/{level_name(i)}/Skip", shortcut_name(i))
    config = _generator_config(source, depth, len(sizes) + 1, heads, shortcuts)
    tensors.drop("a counter of progressive growing", when=lambda name: name.rpartition("/")[2] == "lod")
    tensors.finish()
    return fill(empty(config), source.arrays, tensors)


def _check_version(network: Record) -> None:
    """Raise ValueError for a network that is older than StyleGAN2."""
    version = network.state.get("version")
    if not isinstance(version, int) or version < MIN_VERSION:
        raise ValueError(f"The network is of version {version!r}, older than StyleGAN2 and no StyleGAN.")


def _take_layer(source: Network, name: str, row: int) -> None:
    """Take the tensors of the styled layer that reads a row of w."""
    tensors, arrays, target = source.tensors, source.arrays, layer_name(row)
    source.modulated(name, conv_name(row), flip=is_upsampling(row))
    arrays[f"{target}.bias"] = tensors.take(f"{name}/bias")
    if f"{name}/noise_strength" in tensors:
        size = layer_side(row)
        arrays[f"{target}.noise.strength"] = tensors.take(f"{name}/noise_strength", ())
        arrays[f"{target}.noise.const"] = tensors.take(f"synthesis/noise{row}", (1, 1, size, size))


def _generator_config(
    source: Network, depth: int, levels: int, heads: list[int], shortcuts: list[int]
) -> GeneratorConfig:
    """The config that the settings and the shapes of the arrays tell.

    Args:
        source: The network, its tensors taken.
        depth: Layers of the mapping network.
        levels: Levels of the synthesis network.
        heads: Levels that give an image.
        shortcuts: Levels with a path around their convolutions.
    """
    arrays, taps = source.arrays, source.taps()
    embedded, label_dim = arrays["mapping.embed.weight"].shape if "mapping.embed.weight" in arrays else (0, 0)
    w_dim = arrays[f"mapping.layers.{depth - 1}.bias"].size
    layer_features = arrays["mapping.layers.0.bias"].size
    return GeneratorConfig.from_dict(
        {
            "resolution": resolution_of(levels),
            "channels": [arrays[bias_name(i)].size for i in range(levels)],
            "z_dim": arrays["mapping.layers.0.weight"].shape[1] - embedded,
            "w_dim": w_dim,
            "label_dim": label_dim,
            "img_channels": arrays[f"synthesis.head.to_image.{heads[-1]}.bias"].size,
            "mapping": {
                "name": "mlp",
                "depth": depth,
                "lr_multiplier": source.setting("mapping_lrmul", 0.01),
                "activation": source.setting("mapping_nonlinearity", "lrelu"),
                "layer_features": None if layer_features == w_dim else layer_features,
                "embed_features": None if embedded in (0, w_dim) else embedded,
            },
            "upsampler": {"name": "conv_transpose", "taps": taps},
            "conv": {"name": "full", "kernel_size": arrays[f"{conv_name(0)}.weight"].shape[-1]},
            "head": {"name": "skip", "taps": taps} if len(heads) > 1 else "single",
            "shortcut": {"name": "residual", "taps": taps} if shortcuts else "none",
            "activation": source.setting("nonlinearity", "lrelu"),
            "clamp": source.setting("conv_clamp", None),
        }
    )


def read_discriminator(network: Record, tensors: Tensors) -> Discriminator:
    """The discriminator of a file.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    _check_version(network)
    source = Network(network, tensors)
    sizes = source.sizes("", "/Conv1_down/weight")
    taps = source.taps()
    label_dim, label_options = _take_label_mapping(source)
    seeing, shortcuts = (source.levels("", layer, len(sizes)) for layer in ("FromRGB", "Skip"))
    check_architecture(seeing, shortcuts, len(sizes))
    for i in seeing:
        source.conv(f"{level_name(i)}/FromRGB", f"network.from_image.{i}")
    for i in range(1, len(sizes) + 1):
        source.conv(f"{level_name(i)}/Conv0", f"network.levels.{i}.conv0")
        source.conv(f"{level_name(i)}/Conv1_down", f"network.levels.{i}.conv1")
        if i in shortcuts:
            source.conv(f"{level_name(i)}/Skip", f"network.levels.{i}.shortcut")
    source.conv("4x4/Conv", "network.conv")
    source.dense("4x4/Dense0", "network.linear")
    source.dense("Output", "network.out")
    arrays = source.arrays
    channels = [arrays["network.linear.bias"].size]
    channels += [arrays[f"network.levels.{i}.conv0.bias"].size for i in range(1, len(sizes) + 1)]
    kind = network.state.get("build_func_name")
    options = {
        "name": "residual",
        "taps": taps,
        **label_options,
        "architecture": "resnet" if shortcuts else "skip" if len(seeing) > 1 else "orig",
        "activation": source.setting("nonlinearity", "lrelu"),
        "clamp": source.setting("conv_clamp", None),
        "mbstd_num_channels": arrays["network.conv.weight"].shape[1] - channels[0],
        "mbstd_group_size": source.setting("mbstd_group_size", _DEFAULT_GROUP.get(str(kind), 4)),
    }
    config = DiscriminatorConfig.from_dict(
        {
            "resolution": resolution_of(len(sizes) + 1),
            "channels": channels,
            "label_dim": label_dim,
            "img_channels": arrays[f"network.from_image.{seeing[-1]}.weight"].shape[1],
            "discriminator": options,
        }
    )
    tensors.drop("a counter of progressive growing", when=lambda name: name == "lod")
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def _take_label_mapping(source: Network) -> tuple[int, dict[str, Any]]:
    """Take the tensors of the label's mapping network, and give the label's width and the options.

    Raises:
        ValueError: for a label that is read in another way.
    """
    if "LabelEmbed/weight" not in source.tensors:
        if source.setting("label_size", 0):
            raise ValueError(
                "The discriminator reads its label as StyleGAN2 did before ADA, which is not supported."
            )
        return 0, {}
    source.dense("LabelEmbed", "network.mapping.embed")
    embedded, label_dim = source.arrays["network.mapping.embed.weight"].shape
    depth = source.layers(r"Mapping\d+/weight")
    for i in range(depth):
        source.dense(f"Mapping{i}", f"network.mapping.layers.{i}")
    projected = source.tensors.shape("Output/weight")[1]
    widths = [source.arrays[f"network.mapping.layers.{i}.bias"].size for i in range(depth - 1)]
    return label_dim, {
        "mapping_depth": depth,
        "mapping_lr_multiplier": source.setting("mapping_lrmul", 0.1),
        "mapping_activation": source.setting("mapping_nonlinearity", "lrelu"),
        "mapping_features": widths[0] if widths else None,
        "embed_features": embedded,
        "projection_dim": projected,
    }
