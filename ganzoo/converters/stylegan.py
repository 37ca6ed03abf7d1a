"""What the readers of StyleGAN (2019) share: its layers in our terms, and the config that they tell.

The originals multiply the weights by sqrt(2); ours are multiplied behind the activation instead, which is the
same once biases, noise and the constant are divided by it. Our kernels of upsampling layers are those of a
transposed convolution: kernels that are applied to repeated pixels are turned by half.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ganzoo.converters.keymap import Array, Tensors, same
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.stylegan.names import conv_name, layer_name, layer_side

GAIN = np.float32(math.sqrt(2))
UNREAD = "of a level that the image does not show: above it, or below one that is faded in"
FILTER = "The blur"
_DEFAULT_TAPS = (1, 2, 1)


def put_dense(arrays: dict[str, Array], layer: int, weight: Array, bias: Array) -> None:
    """A layer of the mapping network, its weight `[out, in]`; both as stored for a multiplier of 0.01."""
    arrays[f"mapping.layers.{layer}.weight"] = weight
    arrays[f"mapping.layers.{layer}.bias"] = bias / GAIN


def put_layer(
    arrays: dict[str, Array],
    row: int,
    *,
    bias: Array,
    style: tuple[Array, Array],
    strength: Array | None,
    weight: Array | None = None,
    noise: Array | None = None,
    early_bias: bool = False,
) -> None:
    """The layer that reads a row of w.

    Args:
        arrays: Arrays by our names; filled here.
        row: Row of w.
        bias: `[C]`.
        style: Weight `[2C, w_dim]` and bias `[2C]` of factors and shifts, the factors as they are applied.
        strength: Strengths of the noise `[C]`; None for no noise.
        weight: Kernel `[out, in, k, k]` in our orientation; None for the constant's layer.
        noise: Constant noise, r x r numbers.
        early_bias: Whether the bias is added in front of the blur.
    """
    name, side = layer_name(row), layer_side(row)
    arrays[f"{conv_name(row).removesuffix('.conv')}.bias" if early_bias else f"{name}.bias"] = bias / GAIN
    arrays[f"{name}.adain.style.weight"], arrays[f"{name}.adain.style.bias"] = style
    if strength is not None:
        arrays[f"{name}.noise.strength"] = strength.reshape(-1, 1, 1) / GAIN
    if noise is not None:
        arrays[f"{name}.noise.const"] = noise.reshape(1, 1, side, side)
    if weight is not None:
        arrays[f"{conv_name(row)}.weight"] = weight


def turned(weight: Array) -> Array:
    """A kernel `[..., k, k]` turned by half."""
    return weight[..., ::-1, ::-1]


def faded(lod: float, levels: int) -> tuple[int, float]:
    """How many levels of a growing network its image has, and the share of the last of them.

    Args:
        lod: Levels that the image lacks; a fraction while one is faded in.
        levels: Levels of the network.

    Raises:
        ValueError: unless lod is from 0 to below the number of levels.
    """
    if isinstance(lod, bool) or not isinstance(lod, int | float) or not 0 <= lod <= levels - 1:
        raise ValueError(f"The network has {levels} levels: its lod is 0 to {levels - 1}; got {lod!r}.")
    whole = math.floor(lod)
    return levels - whole, 1 - (lod - whole)


def head_of(levels: int, alpha: float) -> tuple[dict[str, Any], list[int]]:
    """The head of a network with so many levels, and the levels that it reads."""
    if alpha == 1 or levels == 1:
        return {"name": "aux"}, [*range(levels)]
    return {"name": "fade", "alpha": alpha}, [levels - 2, levels - 1]


def put_prediction(arrays: dict[str, Array], level: int, weight: Array, bias: Array) -> None:
    """What makes an image of a level's features: `[img_channels, C, 1, 1]` and `[img_channels]`."""
    arrays[f"synthesis.head.to_image.{level}.conv.weight"] = weight
    arrays[f"synthesis.head.to_image.{level}.bias"] = bias


def config_of(
    arrays: Mapping[str, Array],
    levels: int,
    *,
    head: Mapping[str, Any],
    upsampler: Mapping[str, Any],
    **others: Any,
) -> GeneratorConfig:
    """The config of a generator whose arrays were taken.

    Args:
        arrays: Arrays by our names.
        levels: Number of levels.
        head: Block.
        upsampler: Options of the block.
        others: Further settings; of `mapping`, its options.

    Raises:
        ValueError: if there is no mapping network, or its width is of no use.
    """
    depth = sum(name.startswith("mapping.layers.") and name.endswith(".weight") for name in arrays)
    if not depth:
        raise ValueError("The network has no mapping network.")
    entering, w_dim = (
        arrays["mapping.layers.0.weight"].shape[-1],
        arrays[f"mapping.layers.{depth - 1}.bias"].size,
    )
    hidden = arrays["mapping.layers.0.bias"].size
    label_dim, embedded = arrays["mapping.embed"].shape if "mapping.embed" in arrays else (0, 0)
    z_dim = entering - embedded
    mapping = {
        "name": "joined" if label_dim else "mlp",
        "depth": depth,
        "layer_features": None if hidden == w_dim else hidden,
        **({"embed_features": None if embedded == z_dim else embedded} if label_dim else {}),
        **others.pop("mapping", {}),
    }
    widths = [arrays[f"{layer_name(2 * i)}.adain.style.bias"].size // 2 for i in range(levels)]
    kernel = arrays[f"{conv_name(1)}.weight"].shape[-1]
    return GeneratorConfig.from_dict(
        {
            "generator": "stylegan",
            "resolution": 2 ** (levels + 1),
            "channels": widths,
            "z_dim": z_dim,
            "w_dim": w_dim,
            "label_dim": label_dim,
            "img_channels": arrays[f"synthesis.head.to_image.{levels - 1}.bias"].size,
            "mapping": mapping,
            "upsampler": {"name": "nearest", **upsampler},
            "conv": {"name": "full", "kernel_size": kernel},
            "head": head,
            **others,
        }
    )


def taps_of(tensors: Tensors, names: Sequence[str]) -> tuple[float, ...]:
    """Taps of the blur that layers share; those of the paper where there is none."""
    found = {name: tensors.separable_filter(name, gain=1.0) for name in names}
    return same(FILTER, found) if found else tuple(map(float, _DEFAULT_TAPS))
