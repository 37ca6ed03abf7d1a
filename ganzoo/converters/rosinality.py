"""Checkpoints of rosinality/stylegan2-pytorch: training files, converted files, bare state dicts.

The same layout, regrouped, is that of the teacher and the discriminator of MobileStyleGAN.pytorch.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ganzoo.config import DiscriminatorConfig, GeneratorConfig
from ganzoo.converters.contents import ArrayRef, TensorRef
from ganzoo.converters.keymap import MAPPING_LR_MULTIPLIER, Array, Tensors, fill, resolution_of, same
from ganzoo.converters.unknown import Unknown
from ganzoo.discriminator import Discriminator
from ganzoo.generators.generator import Generator
from ganzoo.weights import empty

NETWORKS = {"generator_ema": "g_ema", "generator": "g", "discriminator": "d"}
_FIRST = {"generator_ema": "input.input", "discriminator": "convs.0.0.weight"}  # a name that others lack
_WRAPPERS = ("state_dict", "model", "params_ema", "params")
_KERNEL_GAIN = 4.0  # of the filters behind upsampling: they are stored times 2 x 2


def find(contents: Any) -> Mapping[str, Mapping[str, Any]]:
    """State dicts by part; empty if the file is of another kind.

    A mean style beside the networks goes with the generator that it was measured on: the moving average,
    where there is one.
    """
    if not isinstance(contents, dict):
        return {}
    networks = {part: contents[key] for part, key in NETWORKS.items() if isinstance(contents.get(key), dict)}
    states = {part: _without_wrapper(state) for part, state in networks.items()}
    found = {part: state for part, state in states.items() if any(name in state for name in _FIRST.values())}
    if not found:  # one network alone, perhaps under a trainer's name
        wrapped = [contents[key] for key in _WRAPPERS if isinstance(contents.get(key), dict)]
        bare = _without_wrapper(wrapped[0] if wrapped else contents)
        found = {part: bare for part, first in _FIRST.items() if first in bare}
    mean = contents.get("latent_avg")
    for part in ("generator_ema", "generator"):
        if part in found and isinstance(mean, TensorRef | ArrayRef | Unknown):
            found[part] = {**found[part], "latent_avg": mean}
            break
    return found


def read_generator(tensors: Tensors) -> Generator:
    """The generator of a state dict, with `latent_avg` beside it where the file has a mean style.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    arrays = read_mapping(tensors, r"style\.(\d+)\.weight")
    if "latent_avg" in tensors:
        arrays["mapping.w_avg"] = tensors.take("latent_avg").reshape(-1)
    levels = 1 + count(tensors, r"to_rgbs\.(\d+)\.bias")
    layers = ["conv1", *(f"convs.{i}" for i in range(2 * (levels - 1)))]
    heads = ["to_rgb1", *(f"to_rgbs.{i}" for i in range(levels - 1))]
    noises = [f"noises.noise_{i}" for i in range(len(layers))]
    config = read_synthesis(tensors, arrays, "input.input", layers, heads, noises)
    tensors.finish()
    return fill(empty(config), arrays, tensors)


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
        tensors: by their names in the file.
        arrays: holds those of the mapping network; filled here.
        const: name of the learnt constant.
        layers: names of the layers from low to high resolution.
        heads: names of the heads of the levels.
        noises: names of the layers' constant noise; those that the file lacks are left out.
    """
    arrays["synthesis.const"] = tensors.take(const)
    for i, source in enumerate(layers):
        target = f"synthesis.layers.{i}"
        conv = f"{target}.conv.conv" if i % 2 else f"{target}.conv"
        _conv(tensors, source, conv, arrays)
        arrays[f"{target}.bias"] = tensors.take(f"{source}.activate.bias")
        arrays[f"{target}.noise.strength"] = tensors.take(f"{source}.noise.weight", ())
        if noises and noises[i] in tensors:
            size = 2 ** ((i + 1) // 2 + 2)
            arrays[f"{target}.noise.const"] = tensors.take(noises[i], (1, 1, size, size))
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
            "channels": [arrays[f"synthesis.layers.{2 * i}.bias"].size for i in range(len(heads))],
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


def _without_wrapper(state: Mapping[Any, Any]) -> dict[str, Any]:
    """A state dict by its own names, without the `module.` that parallel training puts in front of them."""
    names = [str(name) for name in state]
    prefix = "module." if names and all(name.startswith("module.") for name in names) else ""
    return {name.removeprefix(prefix): value for name, value in zip(names, state.values(), strict=True)}


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
        tensors.made["taps"] = "1, 3, 3, 1, the original's default: the file holds no filter"
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
