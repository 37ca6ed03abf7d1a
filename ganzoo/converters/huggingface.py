"""BigGAN-deep of huggingface/pytorch-pretrained-BigGAN: its state dict, and the config.json beside it.

Batch norms keep statistics for a grid of truncations. The first features come with their channels last, so
that the rows of the linear layer in front of them change places here.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from ganzoo.converters.biggan import blocks_of
from ganzoo.converters.biggan_layers import ATTENTION, sizes
from ganzoo.converters.keymap import Array, Tensors, fill
from ganzoo.generators.biggan import BigGANConfig
from ganzoo.generators.biggan.config import MAX_BLOCKS
from ganzoo.generators.biggan.names import EMBEDDING, LINEAR, attention_names, block_names
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.system.validation import checked, in_range

FORMAT = "huggingface/pytorch-pretrained-BigGAN"
SETTINGS: Mapping[str, Any] = {"norm_eps": 1e-4, "depth": 2}  # of the released networks
RULES = (  # how PyTorch names spectral norm today
    (r"(.+)\.parametrizations\.weight\.original", r"\1.weight_orig"),
    (r"(.+)\.parametrizations\.weight\.0\._([uv])", r"\1.weight_\2"),
)
COLORS = 3  # of the image; the last convolution has more outputs
_KEYS = ("channel_width", "layers", "attention_layer_position", "n_stats")


def is_config(data: Any) -> bool:
    """Whether a config.json is one of these networks'."""
    return isinstance(data, dict) and all(key in data for key in _KEYS)


def recorded(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a config.json tells.

    Raises:
        ValueError: for layers that are none, or a number that is none.
    """
    layers = checked(config["layers"], tuple[tuple[bool, int, int], ...], "layers")
    if len(layers) > MAX_BLOCKS:
        raise ValueError(f"config.json lists {len(layers)} layers.")
    eps = checked(config.get("eps", SETTINGS["norm_eps"]), float, "eps")
    doubles = [doubling for doubling, _, _ in layers]
    return {"norm_eps": eps, "doubles": doubles, "depth": None}


def read_generator(tensors: Tensors, settings: Mapping[str, Any]) -> Generator:
    """The generator of a state dict.

    Args:
        tensors: Tensors by their names in the file.
        settings: "norm_eps"; "doubles", whether each block doubles the size, or "depth", every how many do.

    Raises:
        ValueError: for another network, one that is damaged, or a setting out of range.
    """
    config, sources = _config(tensors, settings)
    arrays: dict[str, Array] = {"mapping.w_avg": np.zeros(config.w_dim, np.float32)}
    tensors.made["mapping.w_avg"] = "zeros: truncation moves z, not w"
    arrays[EMBEDDING] = tensors.take("embeddings.weight").T
    _layer(tensors, "generator.gen_z", LINEAR, arrays)
    first = (config.base_side, config.base_side, config.first_channels)
    for part in ("weight", "bias", "u"):
        rows = arrays[f"{LINEAR}.{part}"]
        arrays[f"{LINEAR}.{part}"] = np.moveaxis(rows.reshape(*first, -1), 2, 0).reshape(rows.shape)
    for name, source in zip(block_names(config), sources, strict=True):
        for k in range(4):
            _layer(tensors, f"{source}.conv_{k}", f"{name}.conv{k + 1}", arrays)
            _statistics(tensors, f"{source}.bn_{k}", f"{name}.norm{k + 1}", arrays)
            for theirs, ours in (("scale", "gain"), ("offset", "bias")):
                _layer(tensors, f"{source}.bn_{k}.{theirs}", f"{name}.norm{k + 1}.affine.{ours}", arrays)
    for before, (behind, name) in enumerate(attention_names(config).items()):
        source = f"generator.layers.{behind + before}"
        arrays[f"{name}.gamma"] = tensors.take(f"{source}.gamma", ())
        for theirs, ours in ATTENTION.items():
            theirs = "o_conv" if theirs == "o" else theirs
            _layer(tensors, f"{source}.snconv1x1_{theirs}", f"{name}.{ours}", arrays)
    _statistics(tensors, "generator.bn", "synthesis.norm", arrays)
    arrays["synthesis.norm.affine.gain"] = tensors.take("generator.bn.weight")
    arrays["synthesis.norm.affine.bias"] = tensors.take("generator.bn.bias")
    _layer(tensors, "generator.conv_to_rgb", "synthesis.to_image", arrays)
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def _config(tensors: Tensors, settings: Mapping[str, Any]) -> tuple[BigGANConfig, list[str]]:
    """The config, and where the file has each block."""
    numbers = {m[1] for name in tensors.refs if (m := re.match(r"generator\.layers\.(\d{1,3})\.", name))}
    in_range("The number of layers", len(numbers), 1, MAX_BLOCKS + 1)
    attends = [i for i in range(len(numbers)) if f"generator.layers.{i}.gamma" in tensors]
    sources = [f"generator.layers.{i}" for i in range(len(numbers)) if i not in attends]
    inputs = [sizes(tensors, f"{source}.conv_0.weight_orig", 4)[1] for source in sources]
    outputs = [sizes(tensors, f"{source}.conv_3.weight_orig", 4)[0] for source in sources]
    doubles = _doubles(settings, len(sources))
    embed_dim, classes = sizes(tensors, "embeddings.weight", 2)
    made, reads = sizes(tensors, "generator.gen_z.weight_orig", 2)
    stats, _ = sizes(tensors, "generator.bn.running_means", 2)
    colors = sizes(tensors, "generator.conv_to_rgb.weight_orig", 4)[0]
    side = math.isqrt(made // inputs[0]) if inputs else 0
    mapping = {
        "name": "classes",
        "embed_dim": embed_dim,
        "spread": "whole",
        "z_first": True,
        "with_psi": True,
    }
    config = BigGANConfig.from_dict(
        {
            "generator": "biggan",
            "resolution": side << sum(doubles),
            **blocks_of(doubles, inputs, outputs),
            "attention": [i - before for before, i in enumerate(attends)],
            "base_side": side,
            "img_channels": min(colors, COLORS),
            "rgb_channels": colors,
            "label_dim": classes,
            "z_dim": reads - embed_dim,
            "block": "bottleneck",
            "mapping": mapping,
            "norm": {"name": "by_truncation", "eps": float(settings["norm_eps"]), "stats": stats},
            "spectral": "stored",
            "spectral_eps": float(settings["norm_eps"]),
        }
    )
    return cast(BigGANConfig, config), sources


def _doubles(settings: Mapping[str, Any], blocks: int) -> list[bool]:
    """Whether each block doubles the size."""
    found = settings.get("doubles")
    if found is None:
        depth = settings["depth"]
        in_range("depth, every how many blocks one doubles the size,", depth, 1, MAX_BLOCKS)
        found = [i % depth == depth - 1 for i in range(blocks)]
    if len(found) != blocks:
        raise ValueError(f"config.json lists {len(found)} layers, the file holds {blocks}.")
    return list(found)


def _layer(tensors: Tensors, source: str, target: str, arrays: dict[str, Array]) -> None:
    """A layer's weight, vectors, and its bias where it has one."""
    arrays[f"{target}.weight"] = tensors.take(f"{source}.weight_orig")
    for part in ("u", "v"):
        arrays[f"{target}.{part}"] = tensors.take(f"{source}.weight_{part}")
    if f"{source}.bias" in tensors:
        arrays[f"{target}.bias"] = tensors.take(f"{source}.bias")


def _statistics(tensors: Tensors, source: str, target: str, arrays: dict[str, Array]) -> None:
    """Tables of means and variances, a row for each truncation."""
    arrays[f"{target}.means"] = tensors.take(f"{source}.running_means")
    arrays[f"{target}.variances"] = tensors.take(f"{source}.running_vars")
