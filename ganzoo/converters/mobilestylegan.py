"""Checkpoints of bes-dev/MobileStyleGAN.pytorch: the teacher's pair of files, the distiller's one file.

A pair is brought to the names of the distiller's file. The student's style layers are plain linear ones; here
they are stored before the scale of equalised learning rate, like all others.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ganzoo.converters.keymap import MAPPING_LR_MULTIPLIER, Array, Tensors, fill
from ganzoo.converters.rosinality import count, read_mapping, read_synthesis
from ganzoo.converters.square import refuse_oblong
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.names import CONST, bias_name, conv_name, layer_name

STUDENT, MAPPING, TEACHER, DISCRIMINATOR = "student.", "mapping_net.", "synthesis_net.", "loss.gan_loss.m."
STYLE_MEAN = "style_mean"
PREFIXES = {
    "student": (STUDENT, MAPPING, STYLE_MEAN),
    "teacher": (TEACHER, MAPPING, STYLE_MEAN),
    "discriminator": (DISCRIMINATOR,),
}
_LAYER = re.escape(MAPPING) + r"layers\.(\d+)\.weight"
_LOW, _HIGH = (math.sqrt(0.5), math.sqrt(0.5)), (math.sqrt(0.5), -math.sqrt(0.5))
_HAAR = {"g0_col": _LOW, "g1_col": _HIGH, "g0_row": _LOW, "g1_row": _HIGH}


def is_distiller(state: Mapping[str, Any]) -> bool:
    """Whether a state dict is that of a distiller's file."""
    main = tuple(prefixes[0] for prefixes in PREFIXES.values())
    # A student of other code is a StyleGAN2, whose heads have other names.
    return any(name.startswith(main) for name in state) and f"{STUDENT}to_rgb1.bias" not in state


def is_half(contents: Any) -> bool:
    """Whether a file is one of a teacher's pair."""
    return (
        isinstance(contents, dict)
        and {"params", "ckpt"} <= set(contents)
        and isinstance(contents["ckpt"], dict)
    )


def join(first: Any, second: Any) -> dict[str, Any]:
    """State dict of a teacher's two files under the names of the distiller's.

    Raises:
        ValueError: if they are not one mapping and one synthesis network.
    """
    mapping, synthesis = sorted((c["ckpt"] for c in (first, second)), key=lambda s: "input.input" in s)
    if "input.input" in mapping or "input.input" not in synthesis:
        raise ValueError("A teacher's pair is one file of its mapping and one of its synthesis network.")
    return {
        **{f"{MAPPING}{name}": value for name, value in mapping.items()},
        **{f"{TEACHER}{name}": value for name, value in synthesis.items()},
    }


def read_teacher(tensors: Tensors) -> Generator:
    """The teacher: a StyleGAN2 without constant noise.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    arrays = _mapping(tensors)
    blocks = count(tensors, re.escape(TEACHER) + r"layers\.(\d+)\.conv1\.conv\.weight")
    pairs = [f"{TEACHER}layers.{i}.conv{k}" for i in range(blocks) for k in (1, 2)]
    heads = [f"{TEACHER}to_rgb1", *(f"{TEACHER}layers.{i}.to_rgb" for i in range(blocks))]
    layers = [f"{TEACHER}conv1", *pairs]
    config = read_synthesis(tensors, arrays, f"{TEACHER}input.input", layers, heads, [])
    tensors.drop("a fixed filter that no layer applies", when=lambda n: n == f"{TEACHER}upsample.kernel")
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def read_student(tensors: Tensors) -> Generator:
    """The student: inverse wavelets, depthwise convolutions, auxiliary heads, static demodulation.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    arrays = _mapping(tensors)
    blocks = count(tensors, re.escape(STUDENT) + r"layers\.(\d+)\.up\.modulation\.weight")
    refuse_oblong(tensors)
    arrays[CONST] = tensors.take(f"{STUDENT}input.input")
    _layer(tensors, f"{STUDENT}conv1", 0, arrays)
    for i in range(blocks):
        _layer(tensors, f"{STUDENT}layers.{i}.conv1", 2 * i + 1, arrays)
        _modulation(tensors, f"{STUDENT}layers.{i}.up", f"{layer_name(2 * i + 1)}.conv", arrays)
        _layer(tensors, f"{STUDENT}layers.{i}.conv2", 2 * i + 2, arrays)
    heads = [f"{STUDENT}to_img1", *(f"{STUDENT}layers.{i}.to_img" for i in range(blocks))]
    for i, source in enumerate(heads):
        target = f"synthesis.head.to_image.{i}"
        arrays[f"{target}.conv.weight"] = tensors.take(f"{source}.conv.weight")
        arrays[f"{target}.bias"] = tensors.take(f"{source}.bias").reshape(-1)
        _modulation(tensors, f"{source}.conv", f"{target}.conv", arrays)
    for name in (n for n in tensors.refs if n.startswith(STUDENT) and ".idwt." in f".{n}"):
        _check_haar(tensors, name)
    depthwise = f"{conv_name(1)}.weight_dw" in arrays
    kernel = arrays[f"{conv_name(1)}.weight{'_dw' if depthwise else ''}"] if blocks else None
    mapping = [name for name in arrays if re.fullmatch(r"mapping\.layers\.\d+\.weight", name)]
    config = GeneratorConfig.from_dict(
        {
            "resolution": 2 ** (len(heads) + 2),
            "channels": [arrays[bias_name(i)].size for i in range(len(heads))],
            "output": "wavelet",
            "z_dim": arrays[mapping[0]].shape[1],
            "w_dim": arrays[mapping[-1]].shape[0],
            "img_channels": arrays["synthesis.head.to_image.0.bias"].size // 4,
            "mapping": {"name": "mlp", "depth": len(mapping), "lr_multiplier": MAPPING_LR_MULTIPLIER},
            "upsampler": "idwt",
            "conv": {
                "name": "depthwise" if depthwise or kernel is None else "full",
                "kernel_size": 3 if kernel is None else kernel.shape[-1],
            },
            "demodulation": "static",
            "head": "aux",
            "activation_gain": 1.0,  # the reference's leaky ReLU has none
        }
    )
    tensors.drop("a mark of the device", when=lambda name: name == f"{STUDENT}device_info")
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def _mapping(tensors: Tensors) -> dict[str, Array]:
    """The mapping network's tensors, and the mean w where the file has one."""
    arrays = read_mapping(tensors, _LAYER)
    if not arrays:
        raise ValueError("The file has no mapping network.")
    if STYLE_MEAN in tensors:
        mean = tensors.take(STYLE_MEAN)
        rows = mean.reshape(-1, mean.shape[-1]) if mean.size else mean.reshape(1, -1)
        if (rows != rows[0]).any():
            raise ValueError("style_mean differs between rows of w, which is not supported.")
        arrays["mapping.w_avg"] = rows[0]
    return arrays


def _layer(tensors: Tensors, source: str, index: int, arrays: dict[str, Array]) -> None:
    """One styled layer of the student."""
    target, conv = layer_name(index), conv_name(index)
    if f"{source}.conv.weight_dw" in tensors:
        arrays[f"{conv}.weight_dw"] = tensors.take(f"{source}.conv.weight_dw")
        arrays[f"{conv}.weight_pw"] = tensors.take(f"{source}.conv.weight_permute")
    else:
        arrays[f"{conv}.weight"] = tensors.take(f"{source}.conv.weight")
    arrays[f"{conv}.demodulation.style_inv"] = tensors.take(f"{source}.conv.style_inv").reshape(-1)
    arrays[f"{target}.bias"] = tensors.take(f"{source}.bias").reshape(-1)
    arrays[f"{target}.noise.strength"] = tensors.take(f"{source}.noise.weight", ())
    _modulation(tensors, f"{source}.conv", conv, arrays)


def _modulation(tensors: Tensors, source: str, target: str, arrays: dict[str, Array]) -> None:
    """A plain linear layer of the style, stored as an equalised one."""
    weight = tensors.take(f"{source}.modulation.weight")
    with np.errstate(over="ignore"):  # `fill` refuses what is not finite
        arrays[f"{target}.modulation.weight"] = weight * np.float32(math.sqrt(weight.shape[-1]))
    arrays[f"{target}.modulation.bias"] = tensors.take(f"{source}.modulation.bias")


def _check_haar(tensors: Tensors, name: str) -> None:
    """Raise ValueError if a fixed filter is not the Haar wavelet's, the only one that is supported."""
    expected = _HAAR.get(name.rpartition(".")[2])
    if expected is None or not np.allclose(tensors.take(name).reshape(-1), expected, atol=1e-5):
        raise ValueError(f"{name} is not the filter of a Haar wavelet.")
