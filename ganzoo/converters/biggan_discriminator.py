"""Discriminators of ajbrock/BigGAN-PyTorch, of BigGAN and of BigGAN-deep, from their state dicts.

Widths, depth, attention and normalisation are read from the tensors. How often the image is halved is not in
them: the repository's tables have one block that keeps the size, or, for 32 x 32, two at a side of 8; in
BigGAN-deep every level halves.
"""

import re
from collections.abc import Mapping
from typing import Any

from ganzoo.converters.biggan_layers import ATTENTION, drop_logs, take_layer
from ganzoo.converters.keymap import Array, Tensors, fill
from ganzoo.converters.rosinality import count
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.empty import empty
from ganzoo.system.validation import in_range

FORMAT = "ajbrock/BigGAN-PyTorch"
SETTINGS: Mapping[str, Any] = {
    "resolution": "by the number of levels",
    "eps": 1e-6,
    "activation": "relu",
    "slope": 0.2,
}


def read_discriminator(tensors: Tensors, settings: Mapping[str, Any]) -> Discriminator:
    """The discriminator of a state dict.

    Args:
        tensors: Tensors by their names in the file.
        settings: "eps" of the power method, "activation" with the "slope" of a leaky one, and "resolution", a
            number, or anything else for what the number of levels tells.

    Raises:
        ValueError: for another network, one that is damaged, or a resolution that it cannot have.
    """
    arrays: dict[str, Array] = {}
    levels = 1 + max(int(m[1]) for name in tensors.refs if (m := re.match(r"blocks\.(\d+)\.", name)))
    in_range("The number of levels", levels, 1, 16)
    deep = "input_conv.weight" in tensors
    depth = count(tensors, r"blocks\.0\.(\d+)\.conv1\.weight")
    attention = [i for i in range(levels) if f"blocks.{i}.{depth}.gamma" in tensors]
    if deep:
        take_layer(tensors, "input_conv", "network.first", arrays)
    widths = [_level(tensors, i, depth, i in attention, deep, arrays) for i in range(levels)]
    take_layer(tensors, "linear", "network.out", arrays)
    take_layer(tensors, "embed", "network.embed", arrays)
    halved = levels if deep else levels - _flat(arrays, levels)
    last_side = _last_side(tensors, settings, halved, levels)
    first = arrays["network.first.weight" if deep else "network.levels.0.0.conv0.weight"]
    spectral = "network.out.u" in arrays
    low = last_side.bit_length() - 3  # levels below the last features, which no block leads to
    config = DiscriminatorConfig.from_dict(
        {
            "resolution": last_side << halved,
            "channels": [
                *([widths[halved - 1]] * low),
                *reversed(widths[:halved]),
                first.shape[0] if deep else widths[0],
            ],
            "label_dim": arrays["network.embed.weight"].shape[0],
            "img_channels": first.shape[1],
            "discriminator": {
                "name": "biggan",
                "deep": deep,
                "depth": depth,
                "last_side": last_side,
                "flat": widths[halved:],
                "attention": attention,
                "wide": deep or _is_wide(arrays, levels),
                "activation": settings["activation"],
                "slope": settings["slope"],
                "spectral": spectral,
                **({"eps": float(settings["eps"])} if spectral else {}),
            },
        }
    )
    drop_logs(tensors)
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def _level(
    tensors: Tensors, number: int, depth: int, attends: bool, deep: bool, arrays: dict[str, Array]
) -> int:
    """The tensors of a level under our names; its width."""
    for j in range(depth):
        source, target = f"blocks.{number}.{j}", f"network.levels.{number}.{j}"
        for k in range(4 if deep else 2):
            take_layer(tensors, f"{source}.conv{k + 1}", f"{target}.conv{k}", arrays)
        if f"{source}.conv_sc.weight" in tensors:
            take_layer(tensors, f"{source}.conv_sc", f"{target}.shortcut", arrays)
    if attends:
        source, target = f"blocks.{number}.{depth}", f"network.levels.{number}.{depth}"
        arrays[f"{target}.gamma"] = tensors.take(f"{source}.gamma", ())
        for theirs, ours in ATTENTION.items():
            take_layer(tensors, f"{source}.{theirs}", f"{target}.{ours}", arrays)
    last = arrays[f"network.levels.{number}.{depth - 1}.conv{3 if deep else 1}.weight"]
    return int(last.shape[0])


def _flat(arrays: Mapping[str, Array], levels: int) -> int:
    """How many levels at the end keep the size: those without a convolution around them, at least one."""
    kept = 0
    while kept < levels - 1 and f"network.levels.{levels - 1 - kept}.0.shortcut.weight" not in arrays:
        kept += 1
    return max(1, kept)


def _is_wide(arrays: Mapping[str, Array], levels: int) -> bool:
    """Whether the first convolution of a block has the output's width."""
    shapes = [arrays[f"network.levels.{i}.0.conv{k}.weight"].shape for i in range(levels) for k in (0, 1)]
    return all(first[0] == second[0] for first, second in zip(shapes[::2], shapes[1::2], strict=True))


def _last_side(tensors: Tensors, settings: Mapping[str, Any], halved: int, levels: int) -> int:
    """Side of the last features, for the resolution that is told or that the repository's tables have."""
    told = settings["resolution"]
    if isinstance(told, str):
        last_side = 8 if levels - halved > 1 else 4
        tensors.assumed["resolution"] = str(last_side << halved)
        return last_side
    least = 4 << halved
    if told < least or told & (told - 1):
        raise ValueError(
            f"The discriminator halves the image {halved} times: its resolution is a power of two from "
            f"{least} on; got {told}."
        )
    return int(told) >> halved
