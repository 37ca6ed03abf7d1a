"""State dicts of NVIDIA's PyTorch networks: the tensors of a snapshot without the settings of its modules.

The modules are put together again from the tensors' names and shapes. What these cannot tell is assumed: the
repository's defaults, or what the user says. The reader of snapshots does the rest.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from ganzoo.converters import nvidia
from ganzoo.converters.contents import Record
from ganzoo.converters.keymap import MAPPING_LR_MULTIPLIER, Tensors
from ganzoo.generators.discriminator import Discriminator
from ganzoo.generators.generator import Generator
from ganzoo.ops.activation import ACTIVATIONS
from ganzoo.system.validation import unknown

FORMAT = "NVIDIA state dict (PyTorch)"
# What train.py of stylegan2-ada-pytorch sets. Networks that come from TensorFlow have no clamp.
GENERATOR: Mapping[str, Any] = {
    "activation": "lrelu",
    "clamp": 256.0,
    "mapping_activation": "lrelu",
    "lr_multiplier": MAPPING_LR_MULTIPLIER,
}
DISCRIMINATOR: Mapping[str, Any] = {**GENERATOR, "group_size": 4}
_DEPTH = 4  # of modules, as in synthesis.b4.conv1.affine
_LINEAR = {"activation": "linear", "act_gain": 1.0, "conv_clamp": None}


def read_generator(tensors: Tensors, settings: Mapping[str, Any]) -> Generator:
    """The generator of a state dict.

    Raises:
        ValueError: for another network, one that is damaged, or a setting out of range.
    """
    return nvidia.read_generator(modules(tensors, checked(settings), "Generator"), tensors)


def read_discriminator(tensors: Tensors, settings: Mapping[str, Any]) -> Discriminator:
    """The discriminator of a state dict; it raises the same."""
    settings = checked(settings)
    root = modules(tensors, settings, "Discriminator")
    width, seen, *_ = (*tensors.shape("b4.conv.weight"), 0, 0)
    if seen > width:
        deviation = {"num_channels": seen - width, "group_size": settings["group_size"]}
        root.state["_modules"]["b4"].state["_modules"]["mbstd"] = _module("MinibatchStdLayer", deviation)
    return nvidia.read_discriminator(root, tensors)


def checked(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings, checked as far as the readers do not.

    Raises:
        ValueError: for an unknown activation, or a number where there is none.
    """
    for name in ("activation", "mapping_activation"):
        if settings[name] not in ACTIVATIONS:
            raise ValueError(unknown(name, settings[name], ACTIVATIONS))
    for name in ("clamp", "lr_multiplier", "group_size"):
        value = settings.get(name)
        if value is None and name != "lr_multiplier":
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
            raise ValueError(f"The setting {name} is a number above 0; got {value!r}.")
    return settings


def modules(tensors: Tensors, settings: Mapping[str, Any], cls: str) -> Record:
    """The tree of modules that the tensors' names tell of, with the attributes that a snapshot records."""
    root = _module(cls, {})
    for name in tensors.refs:
        *path, _ = name.split(".")
        if len(path) > _DEPTH:
            raise ValueError(f"The network has {name}, which no StyleGAN2 has.")
        module = root
        for depth, step in enumerate(path, 1):
            modules = module.state["_modules"]
            if step not in modules:
                where = ".".join(path[:depth])
                modules[step] = _module(where, _attributes(tensors, where, settings, cls))
            module = modules[step]
    return root


def _module(cls: str, attributes: Mapping[str, Any]) -> Record:
    return Record(cls, {"_parameters": {}, "_buffers": {}, "_modules": {}, **attributes})


def _attributes(tensors: Tensors, path: str, settings: Mapping[str, Any], cls: str) -> dict[str, Any]:
    """What a snapshot records of the module of a path."""
    activated = {
        "activation": settings["activation"],
        "act_gain": ACTIVATIONS[settings["activation"]][1],
        "conv_clamp": settings["clamp"],
    }
    layer = path.rpartition(".")[2]
    weight = f"{path}.weight"
    fan_in = math.prod(tensors.shape(weight)[1:]) if weight in tensors else 1
    found: dict[str, Any] = {"weight_gain": 1 / math.sqrt(fan_in or 1)}
    if re.fullmatch(r"mapping\.fc\d+", path):
        rate = settings["lr_multiplier"]
        gain = rate * found["weight_gain"]
        return {"activation": settings["mapping_activation"], "bias_gain": rate, "weight_gain": gain}
    if path == "b4.fc":
        return {**found, "activation": settings["activation"], "bias_gain": 1}
    if path in ("mapping.embed", "b4.out") or layer == "affine":
        return {**found, "activation": "linear", "bias_gain": 1}
    if layer == "skip":
        return {**found, **_LINEAR, **({"up": 2} if cls == "Generator" else {"up": 1, "down": 2})}
    if cls == "Generator":
        has_noise = f"{path}.noise_strength" in tensors
        return {**found, **activated, "up": 2 if layer == "conv0" else 1, "use_noise": has_noise}
    clamp = {"conv_clamp": None} if path == "b4.fromrgb" else {}
    return {**found, **activated, **clamp, "up": 1, "down": 2 if layer == "conv1" else 1}
