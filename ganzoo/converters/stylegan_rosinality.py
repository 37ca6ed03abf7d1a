"""Files of rosinality/style-based-gan-pytorch, a StyleGAN (2019) with details of its own.

Its layers of one level get one noise, biases stand in front of the blur, styles hold their 1, and the noise's
strengths are scaled as weights are. A file has all levels, trained or not, and does not say how far it came.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ganzoo.converters.keymap import MAPPING_LR_MULTIPLIER, Array, Tensors, fill, resolution_of
from ganzoo.converters.rosinality import count
from ganzoo.converters.square import refuse_oblong
from ganzoo.converters.stylegan import (
    GAIN,
    UNREAD,
    config_of,
    head_of,
    put_dense,
    put_layer,
    put_prediction,
    taps_of,
    turned,
)
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan.names import CONST, layer_name

SETTINGS: Mapping[str, Any] = {"step": None, "alpha": 1}
_EPS = 1e-5
_FLIPPED = "the blur turned by half, for the way back"


def read_generator(tensors: Tensors, settings: Mapping[str, Any]) -> Generator:
    """The generator of a state dict, as far as it has grown.

    Raises:
        ValueError: for another network, one that is damaged, or a setting out of range.
    """
    refuse_oblong(tensors)
    arrays: dict[str, Array] = {}
    for i in range(_depth(tensors)):
        source = f"style.{2 * i + 1}.linear"
        weight, bias = tensors.take(f"{source}.weight_orig"), tensors.take(f"{source}.bias")
        # Its optimiser has a rate of 1/100 there; here the multiplier of the layers does the same.
        put_dense(arrays, i, weight / MAPPING_LR_MULTIPLIER, bias / MAPPING_LR_MULTIPLIER)
    whole = count(tensors, r"generator\.progression\.(\d+)\.adain1\.style\.linear\.bias")
    resolution_of(whole)
    levels, alpha = _grown(tensors, settings, whole, _signs_of_generator)
    arrays[CONST] = tensors.take("generator.progression.0.conv1.input") / GAIN
    blurs = []
    for level in range(levels):
        blurs += _take_level(tensors, arrays, level)
    head, predicting = head_of(levels, alpha)
    for i in predicting:
        source = f"generator.to_rgb.{i}.conv"
        put_prediction(
            arrays, i, tensors.take(f"{source}.weight_orig") * GAIN, tensors.take(f"{source}.bias")
        )
    config = config_of(
        arrays,
        levels,
        head=head,
        upsampler={"taps": taps_of(tensors, blurs), "bias": True},
        mapping={"lr_multiplier": MAPPING_LR_MULTIPLIER},
        eps=_EPS,
        shared_noise=True,
    )
    _drop(tensors, tuple(f"generator.progression.{i}." for i in range(levels, whole)), "generator.to_rgb.")
    return fill(empty(config), arrays, tensors)


def _depth(tensors: Tensors) -> int:
    """Layers of the mapping network, each behind an activation or the normalisation."""
    names = [f"style.{2 * i + 1}.linear.weight_orig" for i in range(len(tensors.refs))]
    return next((i for i, name in enumerate(names) if name not in tensors), len(names))


def _take_level(tensors: Tensors, arrays: dict[str, Array], level: int) -> list[str]:
    """Take the tensors of a level's two layers, and give the names of its blurs."""
    block = f"generator.progression.{level}"
    fused = f"{block}.conv1.0.weight" in tensors
    for k in (0, 1):
        row, number = 2 * level + k, k + 1
        style = f"{block}.adain{number}.style.linear"
        strength = tensors.take(f"{block}.noise{number}.weight_orig").reshape(-1)
        weight: Array | None = None
        bias = np.zeros(len(strength), np.float32)
        if not row:
            tensors.made[f"{layer_name(0)}.bias"] = "zeros: the layer of the constant has none in the file"
        if row and k == 0 and fused:
            weight = tensors.take(f"{block}.conv1.0.weight").swapaxes(0, 1) / np.float32(4)
            bias = tensors.take(f"{block}.conv1.0.bias")
        elif row:
            source = f"{block}.conv1.1.conv" if k == 0 else f"{block}.conv2.conv"
            weight, bias = tensors.take(f"{source}.weight_orig"), tensors.take(f"{source}.bias")
            weight = weight if k else turned(weight)
        put_layer(
            arrays,
            row,
            bias=bias,
            style=(tensors.take(f"{style}.weight_orig") * GAIN, tensors.take(f"{style}.bias")),
            strength=strength * np.float32(math.sqrt(2 / max(1, len(strength)))),
            weight=weight,
            early_bias=row > 0 and k == 0,
        )
    return [f"{block}.conv1.{1 if fused else 2}.weight"] if level else []


def read_discriminator(tensors: Tensors, settings: Mapping[str, Any]) -> Discriminator:
    """The discriminator of a state dict, as far as it has grown.

    Raises:
        ValueError: for another network, one that is damaged, or a setting out of range.
    """
    refuse_oblong(tensors)
    arrays: dict[str, Array] = {}
    whole = count(tensors, r"progression\.(\d+)\.conv1\.0\.conv\.bias")
    resolution_of(whole)
    levels, alpha = _grown(tensors, settings, whole, _signs_of_discriminator)
    first = whole - levels  # the network's parts are counted from the image down
    plain = f"from_rgb.{first}.conv.weight_orig" in tensors
    for i in range(first, first + (1 if alpha == 1 else 2)):
        source = f"from_rgb.{i}.conv" if plain else f"from_rgb.{i}.0.conv"
        _take_conv(tensors, arrays, source, f"network.from_image.{whole - 1 - i}", activated=not plain)
    for i in range(first, whole - 1):
        block, target = f"progression.{i}", f"network.levels.{whole - 1 - i}"
        _take_conv(tensors, arrays, f"{block}.conv1.0.conv", f"{target}.0")
        fused = f"{block}.conv2.1.weight" in tensors
        _take_conv(tensors, arrays, f"{block}.conv2.1" if fused else f"{block}.conv2.1.conv", f"{target}.1")
    last = f"progression.{whole - 1}"
    _take_conv(tensors, arrays, f"{last}.conv1.0.conv", "network.conv")
    _take_conv(tensors, arrays, f"{last}.conv2.0.conv", "network.linear")
    kernel = arrays["network.linear.weight"]
    arrays["network.linear.weight"] = kernel.reshape(len(kernel), -1)
    _take_conv(tensors, arrays, "linear.linear", "network.out", activated=False)
    width = arrays["network.linear.bias"].size
    blurs = [f"progression.{i}.conv2.0.weight" for i in range(first, whole - 1)]
    config = DiscriminatorConfig.from_dict(
        {
            "resolution": resolution_of(levels),
            "channels": [width, *(arrays[f"network.levels.{i}.0.weight"].shape[1] for i in range(1, levels))],
            "img_channels": arrays[f"network.from_image.{levels - 1}.weight"].shape[1],
            "discriminator": {
                "name": "stylegan",
                "image_activation": "linear" if plain else None,
                "taps": taps_of(tensors, blurs),
                "widening": "first",
                "mbstd_group_size": None,
                "mbstd_num_channels": arrays["network.conv.weight"].shape[1] - width,
                "alpha": alpha,
            },
        }
    )
    _drop(tensors, tuple(f"progression.{i}." for i in range(first)), "from_rgb.")
    return fill(empty(config), arrays, tensors)


def _take_conv(
    tensors: Tensors, arrays: dict[str, Array], source: str, target: str, *, activated: bool = True
) -> None:
    """Take a layer of the discriminator; without an activation its gain goes into the weight."""
    scaled = f"{source}.weight_orig" in tensors
    weight = tensors.take(f"{source}.weight_orig" if scaled else f"{source}.weight")
    bias = tensors.take(f"{source}.bias")
    arrays[f"{target}.weight"] = weight if activated else weight * GAIN
    arrays[f"{target}.bias"] = bias / GAIN if activated else bias


def _grown(
    tensors: Tensors, settings: Mapping[str, Any], whole: int, signs: Callable[[int, int], list[str]]
) -> tuple[int, float]:
    """How many levels the network's image has, and the share of the last: as told, or all that were trained.

    Args:
        tensors: Tensors of the network.
        settings: Settings of the file's kind.
        whole: Levels of the network.
        signs: Gives the names of tensors that are 0 until a level is trained.

    Raises:
        ValueError: for a setting out of range.
    """
    step, alpha = settings["step"], settings["alpha"]
    if step is None:
        trained = [i for i in range(whole) if not all(map(tensors.is_zero, signs(i, whole)))]
        step = max(trained, default=whole - 1)
        side = 4 << step
        tensors.assumed["step"] = f"{step}, images of {side} x {side} (" + (
            "all levels are trained)" if step == whole - 1 else "those above were never trained)"
        )
    if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < whole:
        raise ValueError(f"The network has {whole} levels: step is 0 to {whole - 1}; got {step!r}.")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 <= alpha <= 1:
        raise ValueError(f"alpha is 0 to 1, 1 for a network that does not fade; got {alpha!r}.")
    return step + 1, float(alpha) if step else 1.0


def _signs_of_generator(level: int, whole: int) -> list[str]:
    block = f"generator.progression.{level}"
    return [
        f"{block}.noise1.weight_orig",
        f"{block}.noise2.weight_orig",
        f"generator.to_rgb.{level}.conv.bias",
    ]


def _signs_of_discriminator(level: int, whole: int) -> list[str]:
    return [f"progression.{whole - 1 - level}.conv1.0.conv.bias"]


def _drop(tensors: Tensors, later: tuple[str, ...], reading: str) -> None:
    """Drop what the network does not read, and look whether all else was taken."""
    tensors.drop(UNREAD, when=lambda name: name.startswith((*later, reading)))
    tensors.drop(_FLIPPED, when=lambda name: name.endswith(".weight_flip"))
    tensors.finish()
