"""Pickles of NVIDIA's TensorFlow repositories: StyleGAN2 and StyleGAN2-ADA.

A file is a tuple of three networks: generator, discriminator and the generator's moving average. A network
holds its settings, where they differ from its defaults, and its variables by name; a generator's lie in two
components. Written from the public layout (the names, axes and flips that published converters agree on); no
original file could be tried.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ganzoo.converters.contents import ArrayRef, Record
from ganzoo.converters.keymap import Array, Tensors, check_architecture, fill, resolution_of
from ganzoo.converters.square import refuse_oblong
from ganzoo.converters.unknown import Unknown, UnknownNeededError
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
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
from ganzoo.models.weights import empty

MIN_VERSION = 4  # version 3 and below is StyleGAN1
PARTS = ("generator", "discriminator", "generator_ema")  # in the file's order
_DEFAULT_TAPS = (1, 3, 3, 1)
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
        ValueError: for a StyleGAN1, or a damaged network.
    """
    version = network.state.get("version")
    if not isinstance(version, int) or version < MIN_VERSION:
        raise ValueError(f"The network is of version {version!r}: a StyleGAN1, which is not supported.")
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
    settings = _Settings(network, "mapping", "synthesis")
    refuse_oblong(tensors, settings.values)
    if "mapping/LabelConcat/weight" in tensors:
        raise ValueError(
            "The network joins label and latent as StyleGAN2 did before ADA, which is not supported."
        )
    if settings.get("normalize_latents", True) is not True:
        raise ValueError("The network does not normalise its latents, which is not supported.")
    arrays: dict[str, Array] = {}
    depth = sum(re.fullmatch(r"mapping/Dense\d+/weight", name) is not None for name in tensors.refs)
    for i in range(depth):
        _dense(tensors, f"mapping/Dense{i}", f"mapping.layers.{i}", arrays)
    label_dim = embedded = 0
    if "mapping/LabelEmbed/weight" in tensors:
        _dense(tensors, "mapping/LabelEmbed", "mapping.embed", arrays)
        embedded, label_dim = arrays["mapping.embed.weight"].shape
    if depth == 0:
        raise ValueError("The network has no mapping network.")
    w_dim = arrays[f"mapping.layers.{depth - 1}.bias"].size
    if "dlatent_avg" in tensors:
        arrays["mapping.w_avg"] = tensors.take("dlatent_avg")

    arrays[CONST] = tensors.take("synthesis/4x4/Const/const")
    sizes = _sizes(tensors, "synthesis/", "/Conv1/weight")
    sources = ["4x4/Conv", *(f"{r}x{r}/{name}" for r in sizes for name in ("Conv0_up", "Conv1"))]
    for i, source in enumerate(sources):
        source, target, side = f"synthesis/{source}", layer_name(i), layer_side(i)
        _modulated(tensors, source, conv_name(i), arrays, flip=is_upsampling(i))
        arrays[f"{target}.bias"] = tensors.take(f"{source}/bias")
        if f"{source}/noise_strength" in tensors:
            arrays[f"{target}.noise.strength"] = tensors.take(f"{source}/noise_strength", ())
            arrays[f"{target}.noise.const"] = tensors.take(f"synthesis/noise{i}", (1, 1, side, side))
    heads = [i for i in range(len(sizes) + 1) if f"synthesis/{_name(i)}/ToRGB/weight" in tensors]
    skips = [i for i in range(len(sizes) + 1) if f"synthesis/{_name(i)}/Skip/weight" in tensors]
    check_architecture(heads, skips, len(sizes))
    for i in heads:
        source, target = f"synthesis/{_name(i)}/ToRGB", f"synthesis.head.to_image.{i}"
        _modulated(tensors, source, f"{target}.conv", arrays, flip=False)
        arrays[f"{target}.bias"] = tensors.take(f"{source}/bias")
    for i in skips:
        kernel = tensors.take(f"synthesis/{_name(i)}/Skip/weight")
        arrays[f"{shortcut_name(i)}.weight"] = kernel.transpose(3, 2, 0, 1)

    taps = settings.taps()
    layer_features = arrays["mapping.layers.0.bias"].size
    config = GeneratorConfig.from_dict(
        {
            "resolution": resolution_of(len(sizes) + 1),
            "channels": [arrays[bias_name(i)].size for i in range(len(sizes) + 1)],
            "z_dim": arrays["mapping.layers.0.weight"].shape[1] - embedded,
            "w_dim": w_dim,
            "label_dim": label_dim,
            "img_channels": arrays[f"synthesis.head.to_image.{heads[-1]}.bias"].size,
            "mapping": {
                "name": "mlp",
                "depth": depth,
                "lr_multiplier": settings.get("mapping_lrmul", 0.01),
                "activation": settings.get("mapping_nonlinearity", "lrelu"),
                "layer_features": None if layer_features == w_dim else layer_features,
                "embed_features": None if embedded in (0, w_dim) else embedded,
            },
            "upsampler": {"name": "conv_transpose", "taps": taps},
            "conv": {"name": "full", "kernel_size": arrays[f"{conv_name(0)}.weight"].shape[-1]},
            "head": {"name": "skip", "taps": taps} if len(heads) > 1 else "single",
            "shortcut": {"name": "residual", "taps": taps} if skips else "none",
            "activation": settings.get("nonlinearity", "lrelu"),
            "clamp": settings.get("conv_clamp", None),
        }
    )
    tensors.drop("a counter of progressive growing", when=lambda name: name.rpartition("/")[2] == "lod")
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def read_discriminator(network: Record, tensors: Tensors) -> Discriminator:
    """The discriminator of a file.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    settings = _Settings(network)
    refuse_oblong(tensors, settings.values)
    arrays: dict[str, Array] = {}
    sizes = _sizes(tensors, "", "/Conv1_down/weight")
    options: dict[str, Any] = {"name": "residual", "taps": settings.taps()}
    label_dim = 0
    if "LabelEmbed/weight" in tensors:
        _dense(tensors, "LabelEmbed", "network.mapping.embed", arrays)
        embedded, label_dim = arrays["network.mapping.embed.weight"].shape
        depth = sum(re.fullmatch(r"Mapping\d+/weight", name) is not None for name in tensors.refs)
        for i in range(depth):
            _dense(tensors, f"Mapping{i}", f"network.mapping.layers.{i}", arrays)
        projected = tensors.shape("Output/weight")[1]
        widths = [arrays[f"network.mapping.layers.{i}.bias"].size for i in range(depth - 1)]
        options.update(
            mapping_depth=depth,
            mapping_lr_multiplier=settings.get("mapping_lrmul", 0.1),
            mapping_activation=settings.get("mapping_nonlinearity", "lrelu"),
            mapping_features=widths[0] if widths else None,
            embed_features=embedded,
            projection_dim=projected,
        )
    elif settings.get("label_size", 0):
        raise ValueError(
            "The discriminator reads its label as StyleGAN2 did before ADA, which is not supported."
        )
    seeing = [i for i in range(len(sizes) + 1) if f"{_name(i)}/FromRGB/weight" in tensors]
    skips = [i for i in range(len(sizes) + 1) if f"{_name(i)}/Skip/weight" in tensors]
    check_architecture(seeing, skips, len(sizes))
    for i in seeing:
        _conv(tensors, f"{_name(i)}/FromRGB", f"network.from_image.{i}", arrays)
    for i in range(1, len(sizes) + 1):
        _conv(tensors, f"{_name(i)}/Conv0", f"network.levels.{i}.conv0", arrays)
        _conv(tensors, f"{_name(i)}/Conv1_down", f"network.levels.{i}.conv1", arrays)
        if i in skips:
            _conv(tensors, f"{_name(i)}/Skip", f"network.levels.{i}.shortcut", arrays)
    _conv(tensors, "4x4/Conv", "network.conv", arrays)
    _dense(tensors, "4x4/Dense0", "network.linear", arrays)
    _dense(tensors, "Output", "network.out", arrays)
    channels = [arrays["network.linear.bias"].size]
    channels += [arrays[f"network.levels.{i}.conv0.bias"].size for i in range(1, len(sizes) + 1)]
    kind = network.state.get("build_func_name")
    options.update(
        architecture="resnet" if skips else "skip" if len(seeing) > 1 else "orig",
        activation=settings.get("nonlinearity", "lrelu"),
        clamp=settings.get("conv_clamp", None),
        mbstd_num_channels=arrays["network.conv.weight"].shape[1] - channels[0],
        mbstd_group_size=settings.get("mbstd_group_size", _DEFAULT_GROUP.get(str(kind), 4)),
    )
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


class _Settings:
    """What the constructors of a network and of its components were given."""

    def __init__(self, network: Record, *components: str) -> None:
        self.values: dict[str, Any] = {}
        for part in [network, *(_components(network).get(name) for name in components)]:
            settings = part.state.get("static_kwargs") if isinstance(part, Record) else None
            if isinstance(settings, dict):
                self.values.update(settings)

    def get(self, name: str, default: Any) -> Any:
        """A setting, or the original's default where none was recorded."""
        value = self.values.get(name, default)
        if isinstance(value, Unknown):
            raise UnknownNeededError(value, value.name)
        return value

    def taps(self) -> tuple[float, ...]:
        """Taps of the resampling filter."""
        kernel = self.get("resample_kernel", _DEFAULT_TAPS)
        if kernel is None:
            kernel = (1, 1)
        if not isinstance(kernel, list | tuple) or not all(isinstance(tap, int | float) for tap in kernel):
            raise ValueError("The resampling filter is no list of numbers.")
        return tuple(float(tap) for tap in kernel)


def _components(network: Record) -> dict[str, Any]:
    """Networks within a network, by name."""
    components = network.state.get("components")
    return components if isinstance(components, dict) else {}


def _name(level: int) -> str:
    return f"{2 ** (level + 2)}x{2 ** (level + 2)}"


def _sizes(tensors: Tensors, prefix: str, suffix: str) -> list[int]:
    """Resolutions above 4 x 4 that have a certain variable.

    Raises:
        ValueError: if one is missing.
    """
    pattern = re.escape(prefix) + r"(\d{1,5})x\1" + re.escape(suffix)
    sizes = sorted(int(m[1]) for m in (re.fullmatch(pattern, name) for name in tensors.refs) if m)
    if sizes != [8 * 2**i for i in range(len(sizes))]:
        raise ValueError(f"The network has levels for {sizes}; a StyleGAN2 has 8, 16, 32 …")
    return sizes


def _dense(tensors: Tensors, source: str, target: str, arrays: dict[str, Array]) -> None:
    """A linear layer: `[in, out]` there, `[out, in]` here."""
    arrays[f"{target}.weight"] = tensors.take(f"{source}/weight").T
    arrays[f"{target}.bias"] = tensors.take(f"{source}/bias")


def _conv(tensors: Tensors, source: str, target: str, arrays: dict[str, Array]) -> None:
    """A convolution: `[k, k, in, out]` there, `[out, in, k, k]` here."""
    arrays[f"{target}.weight"] = tensors.take(f"{source}/weight").transpose(3, 2, 0, 1)
    if f"{source}/bias" in tensors:
        arrays[f"{target}.bias"] = tensors.take(f"{source}/bias")


def _modulated(tensors: Tensors, source: str, target: str, arrays: dict[str, Array], *, flip: bool) -> None:
    """A modulated convolution: an upsampling kernel is turned by half, and 1 is added to the style's bias."""
    weight = tensors.take(f"{source}/weight")
    weight = weight[::-1, ::-1] if flip else weight
    arrays[f"{target}.weight"] = weight.transpose(3, 2, 0, 1)
    arrays[f"{target}.modulation.weight"] = tensors.take(f"{source}/mod_weight").T
    arrays[f"{target}.modulation.bias"] = tensors.take(f"{source}/mod_bias") + 1
