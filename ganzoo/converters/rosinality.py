"""Checkpoints of rosinality/stylegan2-pytorch: training files, converted files, bare state dicts.

The same layout, regrouped, is that of the teacher and the discriminator of MobileStyleGAN.pytorch.
"""

import re
from typing import Any

import numpy as np

from ganzoo.converters.keymap import MAPPING_LR_MULTIPLIER, Array, Tensors, fill, resolution_of, same
from ganzoo.converters.square import refuse_oblong
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.names import CONST, bias_name, conv_name, layer_name, layer_side

_KERNEL_GAIN = 4.0  # of the filters behind upsampling: they are stored times 2 x 2


def read_generator(tensors: Tensors) -> Generator:
    """The generator of a state dict, with `latent_avg` beside it where the file has a mean w.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    arrays = read_mapping(tensors, r"style\.(\d+)\.weight")
    take_mean(tensors, arrays, "latent_avg")
    levels = 1 + count(tensors, r"to_rgbs\.(\d+)\.bias")
    layers = ["conv1", *(f"convs.{i}" for i in range(2 * (levels - 1)))]
    heads = ["to_rgb1", *(f"to_rgbs.{i}" for i in range(levels - 1))]
    noises = [f"noises.noise_{i}" for i in range(len(layers))]
    config = read_synthesis(tensors, arrays, "input.input", layers, heads, noises)
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def take_mean(tensors: Tensors, arrays: dict[str, Array], name: str) -> None:
    """The mean of w under our name, where the file has one; encoders store a copy for each layer.

    Rows that differ are no mean of this mapping network: it is estimated as if the file had none.

    Args:
        tensors: Tensors by their names in the file.
        arrays: Arrays of the mapping network; filled here.
        name: Name of the mean.

    Raises:
        ValueError: for a mean that is not as wide as w.
    """
    layers = [a for key, a in arrays.items() if re.fullmatch(r"mapping\.layers\.\d+\.weight", key)]
    if name not in tensors or not layers:
        return
    mean, width = tensors.take(name), layers[-1].shape[0]
    if not mean.size or mean.size % width:
        raise ValueError(f"{name} has shape {list(mean.shape)}, which does not fit w of {width}.")
    rows = mean.reshape(-1, width)
    if np.allclose(rows, rows[0], rtol=1e-5, atol=1e-6):
        arrays["mapping.w_avg"] = rows[0]
        return
    del tensors.used[name]
    tensors.dropped[name] = "it differs between layers, and here all layers share one mean of w"


def read_mapping(tensors: Tensors, pattern: str) -> dict[str, Array]:
    """The mapping network's tensors under our names; its layers are numbered from 1."""
    arrays = {}
    depth = count(tensors, pattern, first=1)
    name = pattern.partition(r"(\d+)")[0].replace("\\", "")
    for i in range(depth):
        arrays[f"mapping.layers.{i}.weight"] = tensors.take(f"{name}{i + 1}.weight")
        arrays[f"mapping.layers.{i}.bias"] = tensors.take(f"{name}{i + 1}.bias")
    return arrays


def read_synthesis(
    tensors: Tensors,
    arrays: dict[str, Array],
    const: str,
    layers: list[str],
    heads: list[str],
    noises: list[str],
) -> GeneratorConfig:
    """The synthesis network's tensors under our names, and the config of the whole network.

    Args:
        tensors: Tensors by their names in the file.
        arrays: Arrays of the mapping network; filled here.
        const: Name of the learnt constant.
        layers: Names of the layers from low to high resolution.
        heads: Names of the heads of the levels.
        noises: Names of the layers' constant noise; those that the file lacks are left out.
    """
    refuse_oblong(tensors)
    arrays[CONST] = tensors.take(const)
    for i, source in enumerate(layers):
        target, conv = layer_name(i), conv_name(i)
        _conv(tensors, source, conv, arrays)
        arrays[f"{target}.bias"] = tensors.take(f"{source}.activate.bias")
        arrays[f"{target}.noise.strength"] = tensors.take(f"{source}.noise.weight", ())
        if noises and noises[i] in tensors:
            side = layer_side(i)
            arrays[f"{target}.noise.const"] = tensors.take(noises[i], (1, 1, side, side))
    for i, source in enumerate(heads):
        target = f"synthesis.head.to_image.{i}"
        _conv(tensors, source, f"{target}.conv", arrays)
        arrays[f"{target}.bias"] = tensors.take(f"{source}.bias").reshape(-1)
    mapping = [a for name, a in arrays.items() if name.startswith("mapping.layers") and a.ndim == 2]
    if not mapping:
        raise ValueError("The network has no mapping network.")
    z_dim, w_dim = mapping[0].shape[1], mapping[-1].shape[0]
    blur = _taps(tensors, [f"{source}.conv.blur.kernel" for source in layers[1::2]])
    upsample = _taps(tensors, [f"{source}.upsample.kernel" for source in heads[1:]])
    return GeneratorConfig.from_dict(
        {
            "resolution": resolution_of(len(heads)),
            "channels": [arrays[bias_name(i)].size for i in range(len(heads))],
            "z_dim": z_dim,
            "w_dim": w_dim,
            "img_channels": arrays[f"synthesis.head.to_image.{len(heads) - 1}.bias"].size,
            "mapping": {"name": "mlp", "depth": len(mapping), "lr_multiplier": MAPPING_LR_MULTIPLIER},
            "upsampler": {"name": "conv_transpose", **blur},
            "conv": "full",
            "head": {"name": "skip", **upsample},
        }
    )


def read_discriminator(tensors: Tensors, prefix: str = "") -> Discriminator:
    """The discriminator of a state dict, all of whose names begin with a prefix.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    refuse_oblong(tensors)
    arrays: dict[str, Array] = {}
    levels = count(tensors, re.escape(prefix) + r"convs\.(\d+)\.skip\.1\.weight", first=1)

    def take(source: str, target: str, *, bias: str | None) -> None:
        arrays[f"{target}.weight"] = tensors.take(f"{prefix}{source}.weight")
        if bias is not None:
            arrays[f"{target}.bias"] = tensors.take(f"{prefix}{bias}.bias").reshape(-1)

    take("convs.0.0", f"network.from_image.{levels}", bias="convs.0.1")
    kernels = []
    for i in range(1, levels + 1):
        source, target = f"convs.{i}", f"network.levels.{levels + 1 - i}"
        take(f"{source}.conv1.0", f"{target}.conv0", bias=f"{source}.conv1.1")
        take(f"{source}.conv2.1", f"{target}.conv1", bias=f"{source}.conv2.2")
        take(f"{source}.skip.1", f"{target}.shortcut", bias=None)
        kernels += [f"{prefix}{source}.{filtered}.0.kernel" for filtered in ("conv2", "skip")]
    take("final_conv.0", "network.conv", bias="final_conv.1")
    take("final_linear.0", "network.linear", bias="final_linear.0")
    take("final_linear.1", "network.out", bias="final_linear.1")
    channels = [arrays["network.linear.bias"].size]
    channels += [arrays[f"network.levels.{i}.conv0.bias"].size for i in range(1, levels + 1)]
    added = arrays["network.conv.weight"].shape[1] - channels[0]
    config = DiscriminatorConfig.from_dict(
        {
            "resolution": resolution_of(levels + 1),
            "channels": channels,
            "img_channels": arrays[f"network.from_image.{levels}.weight"].shape[1],
            "discriminator": {
                "name": "residual",
                "mbstd_num_channels": added,
                **_taps(tensors, kernels, gain=1.0),
            },
        }
    )
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def _conv(tensors: Tensors, source: str, target: str, arrays: dict[str, Array]) -> None:
    """A modulated convolution: `[1, out, in, k, k]` there, `[out, in, k, k]` here."""
    weight = tensors.take(f"{source}.conv.weight")
    arrays[f"{target}.weight"] = weight.reshape(weight.shape[1:]) if weight.shape[:1] == (1,) else weight
    for kind in ("weight", "bias"):
        arrays[f"{target}.modulation.{kind}"] = tensors.take(f"{source}.conv.modulation.{kind}")


def _taps(tensors: Tensors, names: list[str], *, gain: float = _KERNEL_GAIN) -> dict[str, Any]:
    """The option `taps` of the filter that layers share; empty where the file has none."""
    filters = {n: tensors.separable_filter(n, gain=gain) for n in names if n in tensors}
    if names and not filters:
        tensors.assumed["taps"] = "1, 3, 3, 1"
    return {"taps": same("The resampling filter", filters)} if filters else {}


def count(tensors: Tensors, pattern: str, *, first: int = 0) -> int:
    """How many names match, numbered without a gap.

    Raises:
        ValueError: if a number is missing.
    """
    numbers = sorted(int(m[1]) for m in (re.fullmatch(pattern, name) for name in tensors.refs) if m)
    if numbers != list(range(first, first + len(numbers))) or len(numbers) > np.iinfo(np.int16).max:
        raise ValueError(f"The network's layers are numbered {numbers[:20]}: one is missing.")
    return len(numbers)
