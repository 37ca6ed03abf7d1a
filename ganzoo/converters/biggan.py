"""Generators of ajbrock/BigGAN-PyTorch, BigGAN and BigGAN-deep, from their state dicts.

Widths, classes, z, attention and the kind of the batch norm are read from the tensors. What they do not tell,
such as the activation, a `state_dict.pth` beside the file records: `recorded` reads it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from ganzoo.converters.biggan_discriminator import FORMAT as FORMAT
from ganzoo.converters.biggan_layers import ATTENTION, drop_logs, sizes, take_layer
from ganzoo.converters.contents import Record
from ganzoo.converters.keymap import Array, Tensors, fill
from ganzoo.converters.rosinality import count
from ganzoo.converters.unknown import Unknown
from ganzoo.generators.biggan import BigGANConfig
from ganzoo.generators.biggan.config import MAX_BLOCKS, MAX_DEPTH, places
from ganzoo.generators.biggan.names import EMBEDDING, LINEAR, attention_names, block_names
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.ops.activation import ACTIVATIONS
from ganzoo.system.validation import in_range, unknown

SETTINGS: Mapping[str, Any] = {
    "activation": "relu",
    "slope": 0.2,
    "norm": "batch",
    "norm_eps": 1e-5,
    "eps": 1e-6,
}
NORMS = ("batch", "instance", "none")
_NORM_STYLES = {"bn": "batch", "in": "instance", "nonorm": "none"}
_ACTIVATIONS = {  # classes of torch.nn.modules.activation
    "ReLU": "relu",
    "LeakyReLU": "lrelu",
    "ELU": "elu",
    "SELU": "selu",
    "SiLU": "swish",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Identity": "linear",
}
_COUNTER = "accumulation_counter"
_SUMS = ("yes", "no")


def settings(names: Iterable[str]) -> dict[str, Any]:
    """What a generator's tensors leave open, with the defaults.

    `depth` is the number of blocks a level of BigGAN-deep; `sums` says whether the statistics of a batch norm
    that has counted batches are sums over them, as they are while standing statistics are gathered.
    """
    found, names = dict(SETTINGS), set(names)
    if "blocks.0.0.conv4.weight" in names:
        found["depth"] = 2
    if any(name.endswith(_COUNTER) for name in names):
        found["sums"] = "yes"
    return found


def recorded(options: Mapping[str, Any], letter: str) -> dict[str, Any]:
    """The settings that the options of a training run tell, those of the generator ("G") or of "D".

    Raises:
        ValueError: for an option that no network here has.
    """
    found: dict[str, Any] = {}
    names = {f"{letter}_depth": "depth", "BN_eps": "norm_eps", "SN_eps": "eps", "resolution": "resolution"}
    found |= {ours: options[theirs] for theirs, ours in names.items() if theirs in options}
    if "norm_style" in options:
        style = options["norm_style"]
        if style not in _NORM_STYLES:
            raise ValueError(unknown("norm_style, which is the kind of the batch norm", style, _NORM_STYLES))
        found["norm"] = _NORM_STYLES[style]
    activation = options.get(f"{letter}_activation", options.get(f"{letter}_nl"))
    if activation is not None:
        found |= _activation(activation)
    return found


def _activation(value: Any) -> dict[str, Any]:
    """Name and slope of an activation, given as the repository's name of one, or as a module."""
    if isinstance(value, str):
        if value not in ("relu", "inplace_relu", "ir"):
            raise ValueError(unknown("activation", value, ["relu", "inplace_relu", "ir"]))
        return {"activation": "relu", "slope": SETTINGS["slope"]}
    name = value.cls if isinstance(value, Record) else value.name if isinstance(value, Unknown) else ""
    kind = name.rpartition(".")[2]
    if kind not in _ACTIVATIONS:
        raise ValueError(unknown("activation", name, _ACTIVATIONS))
    slope = value.state.get("negative_slope", SETTINGS["slope"])
    return {"activation": _ACTIVATIONS[kind], "slope": slope}


def read_generator(tensors: Tensors, settings: Mapping[str, Any]) -> Generator:
    """The generator of a state dict.

    Args:
        tensors: Tensors by their names in the file.
        settings: Those of the function `settings`.

    Raises:
        ValueError: for another network, one that is damaged, or a setting out of range.
    """
    _check(settings)
    deep = "blocks.0.0.conv4.weight" in tensors
    shape, kinds = _shape(tensors, settings, deep), _kinds(tensors, settings)
    config = cast(BigGANConfig, BigGANConfig.from_dict({**shape, **kinds}))
    arrays: dict[str, Array] = {"mapping.w_avg": np.zeros(config.w_dim, np.float32)}
    tensors.made["mapping.w_avg"] = "zeros: truncation moves z, not w"
    embedded = config.mapping["embed_dim"] is not None
    if embedded:
        arrays[EMBEDDING] = tensors.take("shared.weight")
    take_layer(tensors, "linear", LINEAR, arrays)
    sums = settings.get("sums") == "yes"
    for i, name in enumerate(block_names(config)):
        for k in range(1, 5 if deep else 3):
            take_layer(tensors, f"blocks.{i}.0.conv{k}", f"{name}.conv{k}", arrays)
            source, target = f"blocks.{i}.0.bn{k}", f"{name}.norm{k}"
            if config.norm["name"] != "none":
                _statistics(tensors, source, target, sums, arrays)
            for part in ("gain", "bias"):
                take_layer(tensors, f"{source}.{part}", f"{target}.affine.{part}", arrays)
                if not embedded:  # a row for each class; ours are columns
                    weight = f"{target}.affine.{part}.weight"
                    arrays[weight] = arrays[weight].T
        if not deep and f"blocks.{i}.0.conv_sc.weight" in tensors:
            take_layer(tensors, f"blocks.{i}.0.conv_sc", f"{name}.shortcut", arrays)
    for behind, name in attention_names(config).items():
        arrays[f"{name}.gamma"] = tensors.take(f"blocks.{behind - 1}.1.gamma", ())
        for theirs, ours in ATTENTION.items():
            take_layer(tensors, f"blocks.{behind - 1}.1.{theirs}", f"{name}.{ours}", arrays)
    _statistics(tensors, "output_layer.0", "synthesis.norm", sums, arrays)
    for part in ("gain", "bias"):
        arrays[f"synthesis.norm.affine.{part}"] = tensors.take(f"output_layer.0.{part}")
    take_layer(tensors, "output_layer.2", "synthesis.to_image", arrays)
    drop_logs(tensors)
    tensors.drop("a count of batches", when=lambda name: name.endswith(("num_batches_tracked", _COUNTER)))
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def _check(settings: Mapping[str, Any]) -> None:
    """Raise ValueError for a setting of another kind; the config checks the ranges."""
    if settings["activation"] not in ACTIVATIONS:
        raise ValueError(unknown("activation", settings["activation"], ACTIVATIONS))
    if settings["norm"] not in NORMS:
        raise ValueError(unknown("norm", settings["norm"], NORMS))
    if settings.get("sums", "yes") not in _SUMS:
        raise ValueError(f"sums is yes or no; got {settings['sums']!r}.")
    for name in ("slope", "norm_eps", "eps"):
        if not isinstance(settings[name], int | float) or isinstance(settings[name], bool):
            raise ValueError(f"The setting {name} is a number; got {settings[name]!r}.")
    in_range("depth, the blocks a level,", settings.get("depth", 1), 1, MAX_BLOCKS)


def _shape(tensors: Tensors, settings: Mapping[str, Any], deep: bool) -> dict[str, Any]:
    """Resolution, widths, blocks, attention, classes and z, from the tensors' shapes."""
    blocks = count(tensors, r"blocks\.(\d+)\.0\.conv1\.weight")
    in_range("The number of blocks", blocks, 1, MAX_BLOCKS)
    last = "conv4" if deep else "conv2"
    inputs = [sizes(tensors, f"blocks.{i}.0.conv1.weight", 4)[1] for i in range(blocks)]
    outputs = [sizes(tensors, f"blocks.{i}.0.{last}.weight", 4)[0] for i in range(blocks)]
    depth = settings["depth"] if deep else 1  # the options of BigGAN name one, too, which nothing reads
    if blocks % depth:
        raise ValueError(f"{blocks} blocks are no whole number of levels of {depth}: give another depth.")
    doubles = [i % depth == depth - 1 for i in range(blocks)]
    made, reads = sizes(tensors, "linear.weight", 2)
    side = math.isqrt(made // inputs[0])
    classes, embed_dim, condition = _classes(tensors)
    if deep:
        spread, z_dim = "whole", reads - (embed_dim or classes)
    elif chunk := condition - (embed_dim or classes):
        spread, z_dim = "chunks", chunk * (blocks + 1)
        if reads != chunk:
            raise ValueError(f"The linear layer reads {reads} numbers where a chunk of z has {chunk}.")
    else:
        spread, z_dim = "first", reads
    return {
        "resolution": side << sum(doubles),
        **blocks_of(doubles, inputs, outputs),
        "attention": [i + 1 for i in range(blocks) if f"blocks.{i}.1.gamma" in tensors],
        "base_side": side,
        "img_channels": sizes(tensors, "output_layer.2.weight", 4)[0],
        "label_dim": classes,
        "z_dim": z_dim,
        "block": "bottleneck" if deep else "residual",
        "mapping": {"name": "classes", "embed_dim": embed_dim, "spread": spread},
    }


def blocks_of(doubles: Sequence[bool], inputs: Sequence[int], outputs: Sequence[int]) -> dict[str, Any]:
    """The widths of levels, and the blocks: so many a level, or each by itself."""
    layers = tuple(zip(doubles, inputs, outputs, strict=True))
    widths = [inputs[0]]
    for doubling, width in zip(doubles, outputs, strict=True):
        if doubling:
            widths.append(width)
        else:
            widths[-1] = width
    channels, depth = tuple(widths), len(layers) // max(1, len(widths) - 1)
    if 1 <= depth <= MAX_DEPTH and tuple(places(channels, depth, None)) == tuple(
        places(channels, depth, layers)
    ):
        return {"channels": channels, "depth": depth}
    return {"channels": channels, "layers": layers}


def _classes(tensors: Tensors) -> tuple[int, int | None, int]:
    """The number of classes, the width of their embedding if they share one, and that of a condition."""
    rows, columns = sizes(tensors, "blocks.0.0.bn1.gain.weight", 2)
    if "shared.weight" not in tensors:
        return rows, None, rows
    classes, embed_dim = sizes(tensors, "shared.weight", 2)
    return classes, embed_dim, columns


def _kinds(tensors: Tensors, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Normalisation, activation and spectral norm."""
    norm = {"name": settings["norm"], "eps": float(settings["norm_eps"])}
    if settings["norm"] == "batch" and "blocks.0.0.bn1.bn.stored_mean" in tensors:
        norm["biased"] = True
    return {
        "norm": norm,
        "activation": settings["activation"],
        "slope": float(settings["slope"]),
        "spectral": "step" if "linear.u0" in tensors else "none",
        "spectral_eps": float(settings["eps"]),
        "generator": "biggan",
    }


def _statistics(tensors: Tensors, source: str, target: str, sums: bool, arrays: dict[str, Array]) -> None:
    """Mean and variance of a batch norm, of the repository's own, or of one over several devices."""
    names = (("bn.running_mean", "bn.running_var"), ("bn.stored_mean", "bn.stored_var"))
    mean, variance = next(
        (pair for pair in names if f"{source}.{pair[0]}" in tensors), ("stored_mean", "stored_var")
    )
    counted = 0.0
    if sums and f"{source}.bn.{_COUNTER}" in tensors:
        counted = float(tensors.take(f"{source}.bn.{_COUNTER}", ()))
    for theirs, ours in ((mean, "mean"), (variance, "variance")):
        found = tensors.take(f"{source}.{theirs}")
        arrays[f"{target}.{ours}"] = found / np.float32(counted) if counted > 0 else found
