"""StyleGAN (2019) in the pickles of NVIDIA's TensorFlow repository.

Written from the public layout, as `ganzoo.converters.tensorflow` is; no original file could be tried.
"""

from collections.abc import Iterable
from typing import Any

from ganzoo.converters.contents import Record
from ganzoo.converters.keymap import MAPPING_LR_MULTIPLIER, Array, Tensors, fill, resolution_of
from ganzoo.converters.stylegan import (
    GAIN,
    UNREAD,
    config_of,
    faded,
    head_of,
    put_dense,
    put_layer,
    put_prediction,
    turned,
)
from ganzoo.converters.stylegan_genforce import is_fused
from ganzoo.converters.tensorflow_network import Network, level_name
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan.names import CONST, is_upsampling, layer_side

_PROGRESSIVE = "D_paper"  # of a progressive GAN, which does not blur
_EXPECTED = {  # settings that nobody changes, with what is supported
    "normalize_latents": True,
    "use_wscale": True,
    "use_pixel_norm": False,
    "use_instance_norm": True,
    "use_styles": True,
    "const_input_layer": True,
}
_BLUR = (1, 2, 1)
_COUNTER = "a counter of progressive growing, which the network inside has, too"


def is_stylegan(names: Iterable[str]) -> bool:
    """Whether variables are those of a StyleGAN rather than of a StyleGAN2."""
    return any(name.endswith("/StyleMod/weight") or name.startswith("FromRGB_lod") for name in names)


def read_generator(network: Record, tensors: Tensors) -> Generator:
    """The generator of a file, as far as it has grown.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    source = _source(network, tensors, "mapping", "synthesis")
    arrays = source.arrays
    for i in range(source.layers(r"mapping/Dense\d+/weight")):
        name = f"mapping/Dense{i}"
        put_dense(arrays, i, tensors.take(f"{name}/weight").T, tensors.take(f"{name}/bias"))
    if "mapping/LabelConcat/weight" in tensors:
        arrays["mapping.embed"] = tensors.take("mapping/LabelConcat/weight")
    if "dlatent_avg" in tensors:
        arrays["mapping.w_avg"] = tensors.take("dlatent_avg")
    whole = 1 + len(source.sizes("synthesis/", "/Conv1/weight"))
    resolution_of(whole)
    levels, alpha = faded(_lod(tensors, "synthesis/lod", "lod"), whole)
    arrays[CONST] = tensors.take("synthesis/4x4/Const/const") / GAIN
    for row in range(2 * levels):
        _take_layer(source, row)
    head, predicting = head_of(levels, alpha)
    for i in predicting:
        name = f"synthesis/ToRGB_lod{whole - 1 - i}"
        weight = tensors.take(f"{name}/weight").transpose(3, 2, 0, 1)
        put_prediction(arrays, i, weight, tensors.take(f"{name}/bias"))
    config = config_of(
        arrays,
        levels,
        head=head,
        upsampler={"taps": _taps(source)},
        mapping={
            "lr_multiplier": source.setting("mapping_lrmul", MAPPING_LR_MULTIPLIER),
            "activation": source.setting("mapping_nonlinearity", "lrelu"),
        },
        activation=source.setting("nonlinearity", "lrelu"),
    )
    later = [f"synthesis/{level_name(i)}/" for i in range(levels, whole)]
    later += [f"synthesis/noise{row}" for row in range(2 * levels, 2 * whole)]
    tensors.drop(UNREAD, when=lambda name: name.startswith((*later, "synthesis/ToRGB_lod")))
    tensors.drop(_COUNTER, when=lambda name: name.rpartition("/")[2] == "lod")
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def _take_layer(source: Network, row: int) -> None:
    """Take the variables of the layer that reads a row of w."""
    tensors = source.tensors
    level, is_second = divmod(row, 2)
    first = ("Const", "Conv") if level == 0 else ("Conv0_up", "Conv1")
    name = f"synthesis/{level_name(level)}/{first[is_second]}"
    weight: Array | None = None
    if row:
        weight = tensors.take(f"{name}/weight").transpose(3, 2, 0, 1)
        if is_upsampling(row) and not is_fused(source.setting("fused_scale", "auto"), layer_side(row)):
            weight = turned(weight)
    shifted = tensors.take(f"{name}/StyleMod/bias").copy()
    shifted[: len(shifted) // 2] += 1
    noisy = f"{name}/Noise/weight" in tensors
    put_layer(
        source.arrays,
        row,
        bias=tensors.take(f"{name}/bias"),
        style=(tensors.take(f"{name}/StyleMod/weight").T, shifted),
        strength=tensors.take(f"{name}/Noise/weight") if noisy else None,
        weight=weight,
        noise=tensors.take(f"synthesis/noise{row}", (layer_side(row),) * 2) if noisy else None,
    )


def read_discriminator(network: Record, tensors: Tensors) -> Discriminator:
    """The discriminator of a file, as far as it has grown.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    if str(network.state.get("build_func_name")) == _PROGRESSIVE:
        raise ValueError("The discriminator is that of a progressive GAN, which is not supported.")
    source = _source(network, tensors)
    arrays = source.arrays
    whole = 1 + len(source.sizes("", "/Conv1_down/weight"))
    resolution_of(whole)
    levels, alpha = faded(_lod(tensors, "lod"), whole)
    for i in range(levels - (1 if alpha == 1 else 2), levels):
        source.conv(f"FromRGB_lod{whole - 1 - i}", f"network.from_image.{i}")
    for i in range(1, levels):
        source.conv(f"{level_name(i)}/Conv0", f"network.levels.{i}.0")
        source.conv(f"{level_name(i)}/Conv1_down", f"network.levels.{i}.1")
    source.conv("4x4/Conv", "network.conv")
    source.dense("4x4/Dense0", "network.linear")
    for name in [name for name in arrays if name.endswith(".bias")]:
        arrays[name] = arrays[name] / GAIN
    source.dense("4x4/Dense1", "network.out")  # without an activation
    classes = arrays["network.out.bias"].size
    channels = [arrays["network.linear.bias"].size]
    channels += [arrays[f"network.levels.{i}.0.bias"].size for i in range(1, levels)]
    config = DiscriminatorConfig.from_dict(
        {
            "resolution": resolution_of(levels),
            "channels": channels,
            "label_dim": classes if classes > 1 or source.setting("label_size", 0) else 0,
            "img_channels": arrays[f"network.from_image.{levels - 1}.weight"].shape[1],
            "discriminator": {
                "name": "stylegan",
                "activation": source.setting("nonlinearity", "lrelu"),
                "taps": _taps(source),
                "mbstd_group_size": source.setting("mbstd_group_size", 4),
                "mbstd_num_channels": arrays["network.conv.weight"].shape[1] - channels[0],
                "alpha": alpha,
            },
        }
    )
    later = tuple(f"{level_name(i)}/" for i in range(levels, whole))
    tensors.drop(UNREAD, when=lambda name: name.startswith((*later, "FromRGB_lod")))
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def _source(network: Record, tensors: Tensors, *components: str) -> Network:
    """A network's variables and settings.

    Raises:
        ValueError: for a setting that ours does not have.
    """
    source = Network(network, tensors, *components)
    for name, expected in _EXPECTED.items():
        if (value := source.setting(name, expected)) is not expected:
            raise ValueError(f"The network was made with {name}={value!r}, which is not supported.")
    return source


def _taps(source: Network) -> tuple[float, ...]:
    """Taps of the blur."""
    kernel: Any = source.setting("blur_filter", _BLUR)
    if kernel is None:
        kernel = (1,)
    if not isinstance(kernel, list | tuple) or not all(isinstance(tap, int | float) for tap in kernel):
        raise ValueError("The blur is no list of numbers.")
    return tuple(float(tap) for tap in kernel)


def _lod(tensors: Tensors, *names: str) -> float:
    """Levels that the image lacks, by the first of the variables that is there."""
    return next((float(tensors.take(name, ())) for name in names if name in tensors), 0.0)
