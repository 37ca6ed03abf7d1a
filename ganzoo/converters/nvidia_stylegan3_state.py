"""State dicts of NVIDIA's StyleGAN3 generators, whose settings are assumed or given.

Names and shapes tell widths, sizes, kernels, margins and taps. The filters, which are in the file, tell
whether the cutoffs that are assumed are the network's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ganzoo.converters import nvidia_state, nvidia_stylegan3
from ganzoo.converters.keymap import MAPPING_LR_MULTIPLIER, Tensors
from ganzoo.converters.nvidia_network import Network
from ganzoo.converters.nvidia_stylegan3 import FILTER_SIZE, FILTERS, INPUT, Layer
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan3.config import MAX_FACTOR, StyleGAN3Config, frequencies
from ganzoo.generators.stylegan3.table import Shape
from ganzoo.system.validation import in_range

FORMAT = "NVIDIA state dict (PyTorch), StyleGAN3"
ANCHOR = f"{INPUT}.affine.weight"
_MAPPING = {"mapping_activation": "lrelu", "lr_multiplier": MAPPING_LR_MULTIPLIER}
_OWN: Mapping[str, Any] = {
    "num_critical": 2,
    "first_cutoff": 2.0,
    "first_stopband": 2**2.1,
    "last_stopband_rel": 2**0.3,
    "lrelu_upsampling": 2,
    "clamp": 256.0,
    "output_scale": 0.25,
    "magnitude_decay": 0.999,
}
SETTINGS: Mapping[str, Any] = {**_OWN, **_MAPPING}
_UNTOLD = ("clamp", "output_scale", "magnitude_decay")  # which nothing in the file contradicts
_TOLERANCE = 1e-3  # of a filter's largest tap: another cutoff moves them by more


def read_generator(tensors: Tensors, settings: Mapping[str, Any]) -> Generator:
    """The generator of a state dict.

    Raises:
        ValueError: for one that is damaged, or settings that are not the network's.
    """
    found = nvidia_state.checked({**settings, "activation": "lrelu"})
    network = Network(nvidia_state.modules(tensors, found, "Generator"), tensors)
    layers = nvidia_stylegan3.layers_of(network)
    own = {name: settings[name] for name in _OWN}
    try:
        own |= _told(tensors, layers, own)
        generator = nvidia_stylegan3.read_layers(network, layers[-1].size, own)
        config = generator.config
        assert isinstance(config, StyleGAN3Config)
        for layer, shape in zip(layers, config.shapes, strict=True):
            _check(tensors, layer, shape)
    except ValueError as error:
        names = ", ".join(name for name in _OWN if name not in _UNTOLD)
        raise ValueError(f"{error} If its settings are not those assumed, --assume them: {names}.") from error
    return generator


def _told(tensors: Tensors, layers: Sequence[Layer], own: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that names and shapes tell."""
    in_range("lrelu_upsampling", own["lrelu_upsampling"], 1, MAX_FACTOR)
    rates = frequencies(layers[-1].size, len(layers) - 1, own).rates
    names = [f"synthesis.{layer.name}" for layer in layers]
    sizes = []
    for name, before, rate in zip(names, (rates[0], *rates), rates, strict=False):
        inner = max(before, rate) * own["lrelu_upsampling"]
        for filter_, factor in zip(FILTERS, (inner // before, inner // rate), strict=True):
            if f"{name}.{filter_}" in tensors:
                sizes.append(tensors.shape(f"{name}.{filter_}")[0] // factor)
    downs = [f"{name}.down_filter" for name in names]
    return {
        "kernel_size": tensors.shape(f"{names[0]}.weight")[-1],
        "margin_size": (layers[0].size - rates[0]) // 2 if len(layers) > 2 else 0,
        "filter_size": sizes[0] if sizes else FILTER_SIZE,
        "radial_filters": any(len(tensors.shape(name)) == 2 for name in downs if name in tensors),
    }


def _check(tensors: Tensors, layer: Layer, shape: Shape) -> None:
    """Raise ValueError unless a layer's size and filters are what the settings make of them."""
    if layer.size != shape.out_size:
        raise ValueError(f"{layer.name} has another size than {shape.out_size}, which its settings give.")
    for name, expected in shape.filters().items():
        found = f"synthesis.{layer.name}.{name}"
        if expected is None and found not in tensors:
            continue
        limit = 0.0 if expected is None else _TOLERANCE * float(expected.max())
        if expected is None or not np.allclose(tensors.take(found, expected.shape), expected, 0, limit):
            raise ValueError(f"{found} is another filter than its settings give.")
