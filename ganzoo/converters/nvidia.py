"""Snapshots of NVIDIA's PyTorch repositories: networks of stylegan2-ada-pytorch and stylegan3.

A snapshot is a pickle of modules. What the shapes of the tensors cannot tell - activations, clamps,
multipliers of learning rates - is read from the attributes that every module carries; the arguments of its
constructor, which leave defaults out, are not needed.
"""

import math
from typing import Any

from ganzoo.converters import nvidia_stylegan3
from ganzoo.converters.contents import Record
from ganzoo.converters.keymap import Tensors, check_architecture, fill, module_children, resolution_of
from ganzoo.converters.nvidia_network import Network
from ganzoo.converters.square import refuse_oblong
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.names import (
    CONST,
    conv_name,
    is_upsampling,
    layer_name,
    layer_side,
    shortcut_name,
)
from ganzoo.ops.activation import ACTIVATIONS

_UNUSED_FILTER = "a fixed filter that its layer never applies"


def part_of(record: Record) -> str | None:
    """Which kind of network a module is, by the modules that it has; None for another."""
    modules = module_children(record)
    if isinstance(modules.get("synthesis"), Record):
        return "generator"
    return "discriminator" if isinstance(modules.get("b4"), Record) else None


def read_generator(root: Record, tensors: Tensors) -> Generator:
    """The generator of a snapshot.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    network = Network(root, tensors)
    if nvidia_stylegan3.is_stylegan3(network):
        return nvidia_stylegan3.read_snapshot(network, root)
    refuse_oblong(tensors, root.state)
    blocks = network.blocks("synthesis.")
    mapping = network.mapping(None, "mapping")
    if mapping["depth"] == 0:
        raise ValueError("The generator has no mapping network.")
    if "mapping.w_avg" in tensors:
        network.arrays["mapping.w_avg"] = tensors.take("mapping.w_avg")
    network.arrays[CONST] = tensors.take("synthesis.b4.const")[None]
    layers = [f"{block}.conv{k}" for block in blocks for k in (0, 1)][1:]
    heads = {i: f"{block}.torgb" for i, block in enumerate(blocks) if f"{block}.torgb" in network.modules}
    shortcuts = network.shortcuts(blocks, up=2)
    check_architecture(heads, shortcuts, len(blocks) - 1)
    for i, source in enumerate(layers):
        _take_layer(network, source, i)
    for i, source in heads.items():
        target = f"synthesis.head.to_image.{i}"
        network.conv(source, f"{target}.conv")
        network.arrays[f"{target}.bias"] = network.arrays.pop(f"{target}.conv.bias")
        network.affine(source, f"{target}.conv")
    for i, source in shortcuts.items():
        network.conv(source, shortcut_name(i))
    config = _generator_config(network, mapping, layers, list(heads.values()), list(shortcuts.values()))
    tensors.drop(_UNUSED_FILTER, when=lambda name: name.endswith("resample_filter"))
    tensors.finish()
    rows = root.state.get("num_ws")
    if isinstance(rows, int) and rows != config.num_ws:
        raise ValueError(
            f"The network reads {rows} rows of w; a StyleGAN2 of its size reads {config.num_ws}."
        )
    return fill(empty(config), network.arrays, tensors)


def _take_layer(network: Network, source: str, row: int) -> None:
    """Take the tensors of the styled layer that reads a row of w."""
    tensors, arrays = network.tensors, network.arrays
    target, conv = layer_name(row), conv_name(row)
    network.expect(source, up=2 if is_upsampling(row) else 1)
    arrays[f"{conv}.weight"] = tensors.take(f"{source}.weight")
    network.affine(source, conv)
    arrays[f"{target}.bias"] = tensors.take(f"{source}.bias")
    if network.attribute(source, "use_noise"):
        side = layer_side(row)
        arrays[f"{target}.noise.strength"] = tensors.take(f"{source}.noise_strength", ())
        arrays[f"{target}.noise.const"] = tensors.take(f"{source}.noise_const", (1, 1, side, side))


def _generator_config(
    network: Network, mapping: dict[str, Any], layers: list[str], heads: list[str], shortcuts: list[str]
) -> GeneratorConfig:
    """The config that the modules and the shapes of their tensors tell.

    Args:
        network: The generator.
        mapping: Options of the mapping network, with `z_dim` and `label_dim`.
        layers: Paths of the styled layers, from low to high.
        heads: Paths of the layers that give images.
        shortcuts: Paths of the blocks' shortcuts.
    """
    tensors, blocks = network.tensors, network.blocks("synthesis.")
    activation, gain = network.activation(layers), network.gain(layers)
    is_default = math.isclose(gain, ACTIVATIONS[activation][1], rel_tol=1e-6)
    is_skip = len(heads) > 1 or len(blocks) == 1
    upsampled = blocks[1:] if is_skip else []
    options = {key: value for key, value in mapping.items() if key not in ("label_dim", "z_dim")}
    return GeneratorConfig.from_dict(
        {
            "resolution": resolution_of(len(blocks)),
            "channels": [tensors.shape(f"{block}.conv1.weight")[0] for block in blocks],
            "z_dim": mapping["z_dim"],
            "w_dim": tensors.shape("synthesis.b4.conv1.affine.weight")[1],
            "label_dim": mapping["label_dim"],
            "img_channels": tensors.shape(f"{heads[-1]}.weight")[0],
            "mapping": {"name": "mlp", **options},
            "upsampler": _with_taps("conv_transpose", network.taps([f"{b}.conv0" for b in blocks[1:]])),
            "conv": {"name": "full", "kernel_size": tensors.shape(f"{layers[-1]}.weight")[-1]},
            "head": _with_taps("skip", network.taps(upsampled)) if is_skip else {"name": "single"},
            "shortcut": _with_taps("residual", network.taps(shortcuts)) if shortcuts else "none",
            "activation": activation,
            "activation_gain": None if is_default else float(gain),
            "clamp": network.clamp([*layers, *heads]),
        }
    )


def _with_taps(name: str, taps: tuple[float, ...] | None) -> dict[str, Any]:
    """A block with its filter, where one was found."""
    return {"name": name} if taps is None else {"name": name, "taps": taps}


def read_discriminator(root: Record, tensors: Tensors) -> Discriminator:
    """The discriminator of a snapshot.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    network = Network(root, tensors)
    refuse_oblong(tensors, root.state)
    blocks = network.blocks("")
    label_dim, label_options = _take_label_mapping(network)
    seeing = {i: f"{b}.fromrgb" for i, b in enumerate(blocks) if f"{b}.fromrgb" in network.modules}
    shortcuts = network.shortcuts(blocks, up=1, down=2)
    check_architecture(seeing, shortcuts, len(blocks) - 1)
    for i, source in seeing.items():
        network.conv(source, f"network.from_image.{i}")
    for i, block in list(enumerate(blocks))[1:]:
        for k in (0, 1):
            network.expect(f"{block}.conv{k}", up=1, down=k + 1)
            network.conv(f"{block}.conv{k}", f"network.levels.{i}.conv{k}")
        if i in shortcuts:
            network.conv(shortcuts[i], f"network.levels.{i}.shortcut")
    network.conv("b4.conv", "network.conv")
    network.expect("b4.fc", bias_gain=1)
    network.expect("b4.out", bias_gain=1, activation="linear")
    network.linear("b4.fc", "network.linear")
    network.linear("b4.out", "network.out")
    options = _discriminator_options(network, seeing, list(shortcuts.values()))
    widths = [tensors.shape("b4.fc.weight")[0], *(tensors.shape(f"{b}.conv0.weight")[0] for b in blocks[1:])]
    config = DiscriminatorConfig.from_dict(
        {
            "resolution": resolution_of(len(blocks)),
            "channels": widths,
            "label_dim": label_dim,
            "img_channels": tensors.shape(f"{seeing[len(blocks) - 1]}.weight")[1],
            "discriminator": {"name": "residual", **label_options, **options},
        }
    )
    tensors.drop(_UNUSED_FILTER, when=lambda name: name.endswith("resample_filter"))
    tensors.finish()
    return fill(empty(config), network.arrays, tensors)


def _take_label_mapping(network: Network) -> tuple[int, dict[str, Any]]:
    """Take the tensors of the label's mapping network, and give the label's width and the options."""
    if "mapping" not in network.modules:
        return 0, {}
    mapping = network.mapping(0, "network.mapping")
    options = {
        "mapping_depth": mapping["depth"],
        "mapping_lr_multiplier": mapping["lr_multiplier"],
        "mapping_activation": mapping["activation"],
        "mapping_features": mapping["layer_features"],
        "embed_features": mapping["embed_features"],
    }
    projected = network.tensors.shape("b4.out.weight")[0]
    if projected != network.tensors.shape("b4.fc.weight")[0]:
        options["projection_dim"] = projected
    return mapping["label_dim"], options


def _discriminator_options(network: Network, seeing: dict[int, str], shortcuts: list[str]) -> dict[str, Any]:
    """What the modules record of a discriminator.

    Args:
        network: The discriminator.
        seeing: Paths of the layers that read the image, by level.
        shortcuts: Paths of the blocks' shortcuts.

    Raises:
        ValueError: for a setting that ours does not have.
    """
    blocks = network.blocks("")
    convs = [f"{block}.conv{k}" for block in blocks[1:] for k in (0, 1)]
    limited = [*(source for i, source in seeing.items() if i), *convs, "b4.conv"]
    layers = [*limited, *([seeing[0]] if 0 in seeing else [])]
    activation, gain = network.activation([*layers, "b4.fc"]), network.gain(layers)
    if not math.isclose(gain, ACTIVATIONS[activation][1], rel_tol=1e-6):
        raise ValueError(f"The discriminator's activation has the gain {gain}, which is not supported.")
    if 0 in seeing:
        network.expect(seeing[0], conv_clamp=None)
    is_skip = len(seeing) > 1
    taps = network.taps(
        [*(f"{block}.conv1" for block in blocks[1:]), *shortcuts, *(blocks[1:] if is_skip else [])]
    )
    deviation = "b4.mbstd" in network.modules
    return {
        "architecture": "resnet" if shortcuts else "skip" if is_skip else "orig",
        "activation": activation,
        "clamp": network.clamp(limited),
        "mbstd_num_channels": network.attribute("b4.mbstd", "num_channels") if deviation else 0,
        "mbstd_group_size": network.attribute("b4.mbstd", "group_size") if deviation else 4,
        **({} if taps is None else {"taps": taps}),
    }
