"""State dicts of genforce's StyleGAN (2019), which follow TensorFlow's numbers.

No file says whether upsampling layers were fused, in which case their kernels are the other way round.
"""

from collections.abc import Mapping
from typing import Any

from ganzoo.converters.keymap import MAPPING_LR_MULTIPLIER, Array, Tensors, fill, resolution_of
from ganzoo.converters.rosinality import count, take_mean
from ganzoo.converters.square import refuse_oblong
from ganzoo.converters.stylegan import (
    GAIN,
    UNREAD,
    config_of,
    faded,
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
from ganzoo.generators.stylegan.names import CONST, is_upsampling, layer_side
from ganzoo.system.validation import unknown

GENERATOR: Mapping[str, Any] = {"fused_scale": "auto", "lod": None}
DISCRIMINATOR: Mapping[str, Any] = {"group_size": 4, "lod": None}
FIRST_FUSED = 128  # side from which "auto" fuses
_FUSED = {"auto": None, "true": True, "false": False}


def read_generator(tensors: Tensors, settings: Mapping[str, Any]) -> Generator:
    """The generator of a state dict, as far as it has grown.

    Raises:
        ValueError: for another network, one that is damaged, or a setting out of range.
    """
    refuse_oblong(tensors)
    arrays: dict[str, Array] = {}
    for i in range(count(tensors, r"mapping\.dense(\d+)\.weight")):
        put_dense(arrays, i, *(tensors.take(f"mapping.dense{i}.{kind}") for kind in ("weight", "bias")))
    if "mapping.label_weight" in tensors:
        arrays["mapping.embed"] = tensors.take("mapping.label_weight")
    take_mean(tensors, arrays, "truncation.w_avg")
    whole = count(tensors, r"synthesis\.output(\d+)\.weight")
    resolution_of(whole)
    levels, alpha = faded(_lod(tensors, "synthesis.lod", settings), whole)
    arrays[CONST] = tensors.take("synthesis.layer0.const") / GAIN
    for row in range(2 * levels):
        _take_layer(tensors, arrays, row, fused=is_fused(settings["fused_scale"], layer_side(row)))
    head, predicting = head_of(levels, alpha)
    for i in predicting:
        source = f"synthesis.output{i}"
        put_prediction(arrays, i, tensors.take(f"{source}.weight"), tensors.take(f"{source}.bias"))
    taps = taps_of(tensors, [f"synthesis.layer{2 * i}.blur.kernel" for i in range(1, levels)])
    config = config_of(
        arrays,
        levels,
        head=head,
        upsampler={"taps": taps},
        mapping={"lr_multiplier": MAPPING_LR_MULTIPLIER},
    )
    later = tuple(f"synthesis.layer{row}." for row in range(2 * levels, 2 * whole))
    tensors.drop(UNREAD, when=lambda name: name.startswith((*later, "synthesis.output")))
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def _take_layer(tensors: Tensors, arrays: dict[str, Array], row: int, *, fused: bool) -> None:
    """Take the tensors of the layer that reads a row of w."""
    source = f"synthesis.layer{row}"
    weight = tensors.take(f"{source}.weight") if row else None
    if weight is not None and is_upsampling(row) and not fused:
        weight = turned(weight)
    shifted = tensors.take(f"{source}.style.bias").copy()
    shifted[: len(shifted) // 2] += 1
    noisy = f"{source}.apply_noise.weight" in tensors
    put_layer(
        arrays,
        row,
        bias=tensors.take(f"{source}.bias"),
        style=(tensors.take(f"{source}.style.weight"), shifted),
        strength=tensors.take(f"{source}.apply_noise.weight") if noisy else None,
        weight=weight,
        noise=tensors.take(f"{source}.apply_noise.noise", (layer_side(row),) * 2) if noisy else None,
    )


def read_discriminator(tensors: Tensors, settings: Mapping[str, Any]) -> Discriminator:
    """The discriminator of a state dict, as far as it has grown.

    Raises:
        ValueError: for another network, one that is damaged, or a setting out of range.
    """
    refuse_oblong(tensors)
    arrays: dict[str, Array] = {}
    whole = count(tensors, r"input(\d+)\.weight")
    resolution_of(whole)
    levels, alpha = faded(_lod(tensors, "lod", settings), whole)
    first = whole - levels  # the network's parts are counted from the image down

    def take(source: str, target: str) -> None:
        arrays[f"{target}.weight"] = tensors.take(f"{source}.weight")
        arrays[f"{target}.bias"] = tensors.take(f"{source}.bias") / GAIN

    for i in range(first, first + (1 if alpha == 1 else 2)):
        take(f"input{i}", f"network.from_image.{whole - 1 - i}")
    for i in range(first, whole - 1):
        for k in (0, 1):
            take(f"layer{2 * i + k}", f"network.levels.{whole - 1 - i}.{k}")
    take(f"layer{2 * whole - 2}", "network.conv")
    take(f"layer{2 * whole - 1}", "network.linear")
    for kind in ("weight", "bias"):  # without an activation
        arrays[f"network.out.{kind}"] = tensors.take(f"layer{2 * whole}.{kind}")
    classes = arrays["network.out.bias"].size
    channels = [arrays["network.linear.bias"].size]
    channels += [arrays[f"network.levels.{i}.0.bias"].size for i in range(1, levels)]
    config = DiscriminatorConfig.from_dict(
        {
            "resolution": resolution_of(levels),
            "channels": channels,
            "label_dim": classes if classes > 1 else 0,
            "img_channels": arrays[f"network.from_image.{levels - 1}.weight"].shape[1],
            "discriminator": {
                "name": "stylegan",
                "taps": taps_of(tensors, [f"layer{2 * i + 1}.blur.kernel" for i in range(first, whole - 1)]),
                "mbstd_group_size": settings["group_size"],
                "mbstd_num_channels": arrays["network.conv.weight"].shape[1] - channels[0],
                "alpha": alpha,
            },
        }
    )
    later = tuple(f"layer{i}." for i in range(2 * first))
    tensors.drop(UNREAD, when=lambda name: name.startswith((*later, "input")))
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def _lod(tensors: Tensors, name: str, settings: Mapping[str, Any]) -> Any:
    """Levels that the image lacks: as told, as the file has it, or none."""
    if (told := settings["lod"]) is not None:
        tensors.drop("another lod was told", when=lambda other: other == name)
        return told
    return float(tensors.take(name, ())) if name in tensors else 0.0


def is_fused(setting: Any, side: int) -> bool:
    """Whether the layer that upsamples to a side is fused.

    Raises:
        ValueError: for a setting that is none of true, false and auto.
    """
    told = str(setting).lower()
    if told not in _FUSED:
        raise ValueError(unknown("fused_scale", setting, _FUSED))
    fused = _FUSED[told]
    return side >= FIRST_FUSED if fused is None else fused
