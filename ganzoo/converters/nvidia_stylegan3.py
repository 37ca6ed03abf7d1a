"""StyleGAN3 generators of NVIDIA's repository: snapshots, and what their state dicts have in common.

Every layer of a snapshot records what it is; two numbers of the constructor that show in no layer are read
from its recorded arguments. All layers are held against what the settings make of them.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganzoo.converters.contents import ArrayRef, Record
from ganzoo.converters.keymap import fill
from ganzoo.converters.nvidia_network import Network
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan3.config import StyleGAN3Config
from ganzoo.generators.stylegan3.table import Shape

_LAYER = re.compile(r"synthesis\.(L(\d{1,3})_(\d{1,5})_(\d{1,5}))")
INPUT = "synthesis.input"
# Arguments that no module has for an attribute, by our names, with the constructor's defaults.
_ARGUMENTS = {"first_stopband": 2**2.1, "last_stopband_rel": 2**0.3}
# What NVIDIA's modules record of a layer, by our names of it.
_RECORDED = {
    "is_rgb": "is_torgb",
    "in_channels": "in_channels",
    "out_channels": "out_channels",
    "in_rate": "in_sampling_rate",
    "out_rate": "out_sampling_rate",
    "in_cutoff": "in_cutoff",
    "out_cutoff": "out_cutoff",
    "in_half_width": "in_half_width",
    "out_half_width": "out_half_width",
    "kernel_size": "conv_kernel",
    "up": "up_factor",
    "down": "down_factor",
    "up_taps": "up_taps",
    "down_taps": "down_taps",
    "radial": "down_radial",
}
FILTERS = ("up_filter", "down_filter")
FILTER_SIZE = 6  # where no layer has a filter


@dataclass(frozen=True)
class Layer:
    """A layer's name in the file, and what the name tells."""

    name: str
    size: int
    channels: int


def is_stylegan3(network: Network) -> bool:
    """Whether a generator's modules are a StyleGAN3's."""
    return INPUT in network.modules


def read_snapshot(network: Network, root: Record) -> Generator:
    """The generator of a snapshot.

    Raises:
        ValueError: for one that is damaged, or whose layers are not what its settings make of them.
    """
    layers, synthesis = layers_of(network), "synthesis"
    names = [f"{synthesis}.{layer.name}" for layer in layers]
    first, state = names[0], network.modules[synthesis].state
    arguments = _arguments(root, network.modules[synthesis])
    rates = [network.number(first, f"{which}_sampling_rate") for which in ("in", "out")]
    inner = network.number(first, "tmp_sampling_rate")
    settings = {
        "num_critical": _whole(network, synthesis, "num_critical"),
        "first_cutoff": float(network.number(first, "out_cutoff")),
        "margin_size": _whole(network, synthesis, "margin_size"),
        "output_scale": float(network.number(synthesis, "output_scale")),
        "kernel_size": _whole(network, first, "conv_kernel"),
        "filter_size": _filter_size(network, names),
        "lrelu_upsampling": round(inner / max(1, *rates)),
        "radial_filters": any(network.attribute(name, "down_radial") for name in names),
        "clamp": network.clamp(names),
        "magnitude_decay": float(network.number(first, "magnitude_ema_beta")),
        **arguments,
    }
    generator = read_layers(network, state.get("img_resolution"), settings)
    config = generator.config
    assert isinstance(config, StyleGAN3Config)
    for name, shape in zip(names, config.shapes, strict=True):
        _check(network, name, shape)
    rows = root.state.get("num_ws")
    if isinstance(rows, int) and rows != config.num_ws:
        raise ValueError(f"The network reads {rows} rows of w; its layers read {config.num_ws}.")
    return generator


def read_layers(network: Network, resolution: Any, settings: Mapping[str, Any]) -> Generator:
    """The generator that a file's tensors and these settings make.

    Args:
        network: Modules and tensors; they are all taken.
        resolution: Side of the image.
        settings: Fields of `StyleGAN3Config` that the tensors do not tell.

    Raises:
        ValueError: for tensors that are lacking, left over or misshaped, or settings that no network has.
    """
    tensors, arrays, layers = network.tensors, network.arrays, layers_of(network)
    mapping = network.mapping(None, "mapping")
    if mapping["depth"] == 0:
        raise ValueError("The generator has no mapping network.")
    if "mapping.w_avg" in tensors:
        arrays["mapping.w_avg"] = tensors.take("mapping.w_avg")
    _take_affine(network, INPUT)
    for name in ("weight", "freqs", "phases", "transform"):
        arrays[f"{INPUT}.{name}"] = tensors.take(f"{INPUT}.{name}")
    for i, layer in enumerate(layers):
        source, target = f"synthesis.{layer.name}", f"synthesis.layers.{i}"
        _take_affine(network, source, target)
        arrays[f"{target}.magnitude_ema"] = tensors.take(f"{source}.magnitude_ema", ())
        for name in ("weight", "bias"):
            arrays[f"{target}.{name}"] = tensors.take(f"{source}.{name}")
        for name in FILTERS:
            if f"{source}.{name}" in tensors:
                arrays[f"{target}.{name}"] = tensors.take(f"{source}.{name}")
    config = GeneratorConfig.from_dict(
        {
            "generator": "stylegan3",
            "resolution": resolution,
            "channels": [layer.channels for layer in layers[:-1]],
            "img_channels": layers[-1].channels,
            "z_dim": mapping.pop("z_dim"),
            "w_dim": tensors.shape(f"{INPUT}.affine.weight")[1],
            "label_dim": mapping.pop("label_dim"),
            "mapping": {"name": "mlp", **mapping},
            **settings,
        }
    )
    tensors.finish("StyleGAN3")
    return fill(empty(config), arrays, tensors)


def layers_of(network: Network) -> list[Layer]:
    """The layers in their order, the image's last.

    Raises:
        ValueError: if one is missing.
    """
    names = [name for name in map(_LAYER.fullmatch, network.modules) if name]
    found = {int(name[2]): Layer(name[1], int(name[3]), int(name[4])) for name in names}
    if sorted(found) != [*range(len(found))] or len(found) < 2:
        raise ValueError(f"The network has the layers {sorted(found)}; a StyleGAN3 has L0, L1, L2 …")
    return [found[i] for i in range(len(found))]


def _take_affine(network: Network, source: str, target: str | None = None) -> None:
    """Take the linear layer that makes a style of w."""
    network.expect(f"{source}.affine", activation="linear", bias_gain=1)
    network.linear(f"{source}.affine", f"{target or source}.affine")


def _whole(network: Network, module: str, name: str) -> int:
    value = network.number(module, name)
    if not isinstance(value, int):
        raise ValueError(f"The attribute {name!r} of {module!r} is no whole number: {value!r}.")
    return value


def _filter_size(network: Network, names: list[str]) -> int:
    """Taps per factor of resampling; the default where no layer resamples."""
    for name in names:
        for taps, factor in (("up_taps", "up_factor"), ("down_taps", "down_factor")):
            if (count := _whole(network, name, taps)) > 1:
                return count // max(1, _whole(network, name, factor))
    return FILTER_SIZE


def _arguments(root: Record, synthesis: Record) -> dict[str, float]:
    """The constructor's arguments that no module has for an attribute."""
    found: dict[str, Any] = dict(_ARGUMENTS)
    own = root.state.get("_init_kwargs")
    nested = own.get("synthesis_kwargs") if isinstance(own, dict) else None
    for given in (own, nested, synthesis.state.get("_init_kwargs")):
        if isinstance(given, dict):
            found |= {name: given[name] for name in found if name in given}
    return found


def _check(network: Network, name: str, shape: Shape) -> None:
    """Raise ValueError unless a layer is what its settings make of it."""
    state = network.modules[name].state
    for ours, theirs in _RECORDED.items():
        value, expected = network.attribute(name, theirs), getattr(shape, ours)
        if not isinstance(value, int | float) or not math.isclose(value, expected, rel_tol=1e-6):
            raise ValueError(f"{name} has {theirs} {value!r}, and its network's arguments give {expected!r}.")
    for key, side in (("in_size", shape.in_size), ("out_size", shape.out_size)):
        sides = state.get(key)
        if not isinstance(sides, ArrayRef) or sides.array().tolist() != [side, side]:
            raise ValueError(f"{name} has another {key} than {side} x {side}, which its arguments give.")
    if state.get("padding") != [*shape.padding, *shape.padding]:
        raise ValueError(f"{name} has another padding than its arguments give.")
