"""The layout of rosinality/stylegan2-pytorch, as its `convert_weight.py` writes it.

State dicts under `g_ema` and `d`, the mean of w under `latent_avg`. Its constructors take few arguments; what
they have none for must be as the code has it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor

from ganzoo.converters.keymap import MAPPING_LR_MULTIPLIER
from ganzoo.converters.outgoing.fit import Blocks, misfit, of_architecture, of_blocks
from ganzoo.converters.outgoing.tensors import Own, kernel
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.config import StyleGAN2Config
from ganzoo.generators.stylegan2.names import CONST, conv_name, is_upsampling, layer_name
from ganzoo.ops.activation import ACTIVATIONS

_TAPS = 4  # of the filters that its code takes no argument for
_UP_GAIN = 4.0  # of the filters behind upsampling: they are stored times 2 x 2
_TABLE = {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128, 256: 64, 512: 32, 1024: 16}  # widths by side
_MULTIPLIED = 64  # side from which on widths are multiplied by channel_multiplier
_MULTIPLIER = 2  # its default
_GENERATOR: Blocks = {
    "mapping": {"mlp": ("depth", "lr_multiplier", "layer_features", "embed_features")},
    "upsampler": {"conv_transpose": ("taps",)},
    "conv": {"full": ()},
    "demodulation": {"style": ()},
    "head": {"skip": ("taps",)},
    "shortcut": {"none": ()},
}
_GENERATOR_FIELDS = ("resolution", "channels", "z_dim", "w_dim", "activation_gain", "clamp")
_DISCRIMINATOR: Blocks = {
    "discriminator": {
        "residual": (
            *("taps", "clamp", "projection_dim", "mapping_depth", "mapping_lr_multiplier"),
            *("mapping_activation", "mapping_features", "embed_features"),
        )
    }
}


def generator_misfits(config: GeneratorConfig) -> list[str]:
    """What of a generator has no place there."""
    if found := of_architecture(config):
        return found
    network = cast(StyleGAN2Config, config)
    found = of_blocks(network, _GENERATOR, _GENERATOR_FIELDS)
    if network.z_dim != network.w_dim:
        found.append(misfit("z_dim", network.z_dim, f"w_dim, {network.w_dim}"))
    if network.mapping.get("layer_features") not in (None, network.w_dim):
        found.append(misfit("mapping.layer_features", network.mapping["layer_features"], network.w_dim))
    found += _clamp_misfits("clamp", network.clamp)
    gain = network.activation_gain
    if gain is not None and not math.isclose(gain, ACTIVATIONS["lrelu"][1], rel_tol=1e-6):
        found.append(misfit("activation_gain", gain, "none, for sqrt(2)"))
    return [*found, *_taps_misfits("head", network.head, network.channels)]


def _taps_misfits(kind: str, block: Mapping[str, Any], channels: Sequence[int]) -> list[str]:
    """Another number of taps than its code has where it takes none."""
    taps = block.get("taps", ())
    wrong = len(channels) > 1 and taps and len(taps) != _TAPS
    return [misfit(f"{kind}.taps", taps, f"{_TAPS} numbers")] if wrong else []


def discriminator_misfits(config: DiscriminatorConfig) -> list[str]:
    """What of a discriminator has no place there."""
    found = of_blocks(config, _DISCRIMINATOR, ("resolution", "channels"))
    found += _clamp_misfits("discriminator.clamp", config.discriminator.get("clamp"))
    return [*found, *_taps_misfits("discriminator", config.discriminator, config.channels)]


def _clamp_misfits(what: str, clamp: float | None) -> list[str]:
    """A limit, of which its code has none."""
    hint = "none; --assume clamp=none leaves it out where no image reaches it"
    return [] if clamp is None else [misfit(what, clamp, hint)]


def contents(generator: Generator | None, discriminator: Discriminator | None) -> dict[str, object]:
    """What such a file holds."""
    found: dict[str, object] = {}
    if generator is not None:
        state, mean = _generator(generator)
        found = {"g_ema": state, "latent_avg": mean}
    if discriminator is not None:
        found["d"] = _discriminator(discriminator)
    return found


def notes(generator: Generator | None, discriminator: Discriminator | None) -> list[str]:
    """How its code loads the file, and what must be changed there for it."""
    lines, tables = [], []
    if generator is not None:
        config = cast(StyleGAN2Config, generator.config)
        taps = f"[{', '.join(f'{tap:g}' for tap in config.upsampler['taps'])}]"
        options = [] if taps == "[1, 3, 3, 1]" else [f"blur_kernel={taps}"]
        arguments = [config.resolution, config.w_dim, config.mapping["depth"]]
        lines.append(_call("Generator", "g_ema", arguments, options, config.channels))
        tables.append(_table(config.channels))
        rate = config.mapping["lr_multiplier"]
        if rate != MAPPING_LR_MULTIPLIER:
            own = f"{MAPPING_LR_MULTIPLIER:g}"
            lines.append(f"Weights of its mapping network were scaled from lr_mlp={rate:g} to {own}.")
    if discriminator is not None:
        judge = discriminator.config
        lines.append(_call("Discriminator", "d", [judge.resolution], [], judge.channels))
        tables.append(_table(judge.channels))
    unknown = [table for table in tables if _multiplier(table) is None]
    return [*lines, *dict.fromkeys(f"That code's widths must be changed to {table}." for table in unknown)]


def _call(cls: str, key: str, arguments: Sequence[int], options: list[str], channels: Sequence[int]) -> str:
    """How its code makes a network of the file."""
    multiplier = _multiplier(_table(channels))
    if multiplier not in (None, _MULTIPLIER):
        options = [*options, f"channel_multiplier={multiplier}"]
    return f"In its code, {key} is of {cls}({', '.join([*map(str, arguments), *options])})."


def _table(channels: Sequence[int]) -> dict[int, int]:
    """Widths by side."""
    return {4 << level: width for level, width in enumerate(channels)}


def _multiplier(table: dict[int, int]) -> int | None:
    """The `channel_multiplier` that gives these widths; None if none does."""
    first = table.get(_MULTIPLIED)
    multiplier = _MULTIPLIER if first is None else first // _TABLE[_MULTIPLIED]
    scaled = {side: width * (multiplier if side >= _MULTIPLIED else 1) for side, width in _TABLE.items()}
    return multiplier if all(scaled.get(side) == width for side, width in table.items()) else None


def _generator(generator: Generator) -> tuple[dict[str, Tensor], Tensor]:
    """State dict of a generator, and its mean of w."""
    own, config = Own(generator), cast(StyleGAN2Config, generator.config)
    mean = own.take("mapping.w_avg")
    state: dict[str, Tensor] = {}
    rate = config.mapping["lr_multiplier"] / MAPPING_LR_MULTIPLIER
    for i in range(config.mapping["depth"]):
        layer = own.linear(f"mapping.layers.{i}", f"style.{i + 1}")
        state |= layer if rate == 1 else {name: tensor * rate for name, tensor in layer.items()}
    state["input.input"] = own.take(CONST)
    rows = 2 * len(config.channels) - 1
    layers = ["conv1", *(f"convs.{i}" for i in range(rows - 1))]
    heads = ["to_rgb1", *(f"to_rgbs.{i}" for i in range(len(config.channels) - 1))]
    noises = {f"noises.noise_{i}": own.take(f"{layer_name(i)}.noise.const") for i in range(rows)}
    state |= _layer(own, 0, layers[0], ()) | _head(own, 0, heads[0], None)
    for row, name in enumerate(layers[1:], 1):
        state |= _layer(own, row, name, config.upsampler["taps"])
    for level, name in enumerate(heads[1:], 1):
        state |= _head(own, level, name, config.head["taps"])
    own.finish()
    return {**state, **noises}, mean


def _layer(own: Own, row: int, target: str, taps: Sequence[float]) -> dict[str, Tensor]:
    """The styled layer that reads a row of w."""
    layer, conv = layer_name(row), conv_name(row)
    return {
        f"{target}.conv.weight": own.take(f"{conv}.weight")[None],
        **({f"{target}.conv.blur.kernel": kernel(taps, _UP_GAIN)} if is_upsampling(row) else {}),
        **own.linear(f"{conv}.modulation", f"{target}.conv.modulation"),
        f"{target}.noise.weight": own.take(f"{layer}.noise.strength").reshape(1),
        f"{target}.activate.bias": own.take(f"{layer}.bias"),
    }


def _head(own: Own, level: int, target: str, taps: Sequence[float] | None) -> dict[str, Tensor]:
    """The layer that gives a level's image."""
    source = f"synthesis.head.to_image.{level}"
    return {
        f"{target}.bias": own.take(f"{source}.bias").reshape(1, -1, 1, 1),
        **({} if taps is None else {f"{target}.upsample.kernel": kernel(taps, _UP_GAIN)}),
        f"{target}.conv.weight": own.take(f"{source}.conv.weight")[None],
        **own.linear(f"{source}.conv.modulation", f"{target}.conv.modulation"),
    }


def _discriminator(discriminator: Discriminator) -> dict[str, Tensor]:
    """State dict of a discriminator; there, blocks are counted from the image down."""
    own, config = Own(discriminator), discriminator.config
    last = len(config.channels) - 1
    taps = config.discriminator["taps"]

    def conv(source: str, target: str, i: int) -> dict[str, Tensor]:
        """A convolution, and the bias of the activation behind it."""
        weight, bias = (own.take(f"network.{source}.{kind}") for kind in ("weight", "bias"))
        return {f"{target}.{i}.weight": weight, f"{target}.{i + 1}.bias": bias}

    state = conv(f"from_image.{last}", "convs.0", 0)
    for level in range(last, 0, -1):
        source, target = f"levels.{level}", f"convs.{last + 1 - level}"
        state |= conv(f"{source}.conv0", f"{target}.conv1", 0)
        state[f"{target}.conv2.0.kernel"] = kernel(taps)
        state |= conv(f"{source}.conv1", f"{target}.conv2", 1)
        state[f"{target}.skip.0.kernel"] = kernel(taps)
        state[f"{target}.skip.1.weight"] = own.take(f"network.{source}.shortcut.weight")
    state |= conv("conv", "final_conv", 0)
    state |= own.linear("network.linear", "final_linear.0") | own.linear("network.out", "final_linear.1")
    own.finish()
    return state
