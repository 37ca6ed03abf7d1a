"""Snapshots of NVIDIA's PyTorch repositories: the StyleGAN2 networks of stylegan2-ada-pytorch and stylegan3.

A snapshot is a pickle of modules. What the shapes of the tensors cannot tell - activations, clamps,
multipliers of learning rates - is read from the attributes that every module carries; the arguments of its
constructor, which leave defaults out, are not needed.
"""

import math
import re
from typing import Any

from ganzoo.converters.contents import Record
from ganzoo.converters.keymap import (
    MAPPING_LR_MULTIPLIER,
    Array,
    Tensors,
    check_architecture,
    fill,
    module_children,
    resolution_of,
    same,
)
from ganzoo.converters.square import refuse_oblong
from ganzoo.converters.unknown import Unknown, UnknownNeededError
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.names import (
    CONST,
    conv_name,
    is_upsampling,
    layer_name,
    layer_side,
    shortcut_name,
)
from ganzoo.models.weights import empty
from ganzoo.ops.activation import ACTIVATIONS

_BLOCK = re.compile(r"(.*\.)?b(\d{1,5})$")
_UNUSED_FILTER = "a fixed filter that its layer never applies"


class Network:
    """A pickled module and its tensors."""

    def __init__(self, root: Record, tensors: Tensors) -> None:
        self.tensors = tensors
        self.cls = root.cls
        self.modules: dict[str, Record] = {}
        stack = [("", root)]
        while stack:
            prefix, record = stack.pop()
            for name, child in module_children(record).items():
                if isinstance(child, Unknown):
                    raise UnknownNeededError(child, child.name)
                if isinstance(child, Record):
                    self.modules[f"{prefix}{name}"] = child
                    stack.append((f"{prefix}{name}.", child))

    def attribute(self, module: str, name: str) -> Any:
        """A plain attribute of a module.

        Raises:
            ValueError: if the module or the attribute is missing, or it is no text, number, truth or None.
        """
        if module not in self.modules or name not in self.modules[module].state:
            raise ValueError(f"The network lacks the attribute {name!r} of its module {module!r}.")
        value = self.modules[module].state[name]
        if isinstance(value, Unknown):
            raise UnknownNeededError(value, value.name)
        if not isinstance(value, str | int | float | type(None)):
            raise ValueError(f"The attribute {name!r} of {module!r} is of an unknown kind.")
        return value

    def number(self, module: str, name: str) -> float:
        """The same for a number that is finite."""
        value = self.attribute(module, name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e12:
            raise ValueError(f"The attribute {name!r} of {module!r} is no number: {value!r}.")
        return value

    def blocks(self, prefix: str) -> list[str]:
        """Paths of the blocks `b4`, `b8` ... below a prefix, from low to high.

        Raises:
            ValueError: if one is missing.
        """
        found = (_BLOCK.fullmatch(path) for path in self.modules)
        resolutions = sorted(int(m[2]) for m in found if m and (m[1] or "") == prefix)
        if resolutions != [4 * 2**i for i in range(len(resolutions))] or not resolutions:
            raise ValueError(
                f"The network, a {self.cls!r}, has blocks for {resolutions}; a StyleGAN2 has 4, 8, 16 …"
            )
        return [f"{prefix}b{r}" for r in resolutions]

    def linear(self, source: str, target: str, arrays: dict[str, Array]) -> float:
        """A linear layer's weights; its multiplier of the learning rate is returned."""
        rate = self.number(source, "bias_gain")
        weight = self.tensors.take(f"{source}.weight")
        self._check_gain(source, weight.shape[1:], rate)
        arrays[f"{target}.weight"] = weight
        arrays[f"{target}.bias"] = self.tensors.take(f"{source}.bias")
        return rate

    def expect(self, module: str, **attributes: Any) -> None:
        """Raise ValueError unless a module's attributes have these values."""
        for name, value in attributes.items():
            if self.attribute(module, name) != value:
                found = self.attribute(module, name)
                raise ValueError(f"{module} has {name} {found!r}, not {value!r}: no StyleGAN2 does.")

    def shortcuts(self, blocks: list[str], **scale: int) -> dict[int, str]:
        """Paths of the blocks' shortcuts by level, checked to scale only."""
        found = {i: f"{b}.skip" for i, b in enumerate(blocks) if f"{b}.skip" in self.modules}
        for source in found.values():
            self.expect(source, activation="linear", act_gain=1, conv_clamp=None, **scale)
        return found

    def conv(self, source: str, target: str, arrays: dict[str, Array]) -> None:
        """A convolution's weights, without modulation."""
        weight = self.tensors.take(f"{source}.weight")
        self._check_gain(source, weight.shape[1:], 1.0)
        arrays[f"{target}.weight"] = weight
        if f"{source}.bias" in self.tensors:
            arrays[f"{target}.bias"] = self.tensors.take(f"{source}.bias")

    def _check_gain(self, source: str, shape: tuple[int, ...], rate: float) -> None:
        gain, expected = self.number(source, "weight_gain"), rate / math.sqrt(math.prod(shape) or 1)
        if not math.isclose(gain, expected, rel_tol=1e-4):
            raise ValueError(f"{source} scales its weights by {gain}, not by {expected}: no StyleGAN2 does.")

    def mapping(self, z_dim: int | None, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """Options of the label's and the latent's mapping network; its tensors go to `prefix`.

        Args:
            z_dim: None for a generator, whose latent is as wide as the first layer leaves room for.
            prefix: of our names.
            arrays: what is filled.
        """
        depth = sum(re.fullmatch(r"mapping\.fc\d+", path) is not None for path in self.modules)
        layers = [f"mapping.fc{i}" for i in range(depth)]
        rates = {path: self.linear(path, f"{prefix}.layers.{i}", arrays) for i, path in enumerate(layers)}
        embedded = label_dim = 0
        if "mapping.embed.weight" in self.tensors:
            embedded, label_dim = self.tensors.shape("mapping.embed.weight")
            self.expect("mapping.embed", activation="linear", bias_gain=1)
            self.linear("mapping.embed", f"{prefix}.embed", arrays)
        first = self.tensors.shape(f"{layers[0]}.weight")[1] if layers else embedded
        width = self.tensors.shape(f"{layers[-1]}.weight")[0] if layers else embedded
        options = {
            "depth": depth,
            "lr_multiplier": float(same("The learning rate", rates)) if rates else MAPPING_LR_MULTIPLIER,
            "activation": self.activation(layers) if layers else "lrelu",
            "layer_features": self.tensors.shape("mapping.fc0.weight")[0] if depth > 1 else width,
            "embed_features": embedded or width,
            "label_dim": label_dim,
            "z_dim": first - embedded if z_dim is None else z_dim,
        }
        # Left to its default, a width follows the network's when a config is changed.
        defaults = {key: None for key in ("layer_features", "embed_features") if options[key] == width}
        return {**options, **defaults}

    def activation(self, layers: list[str]) -> str:
        """The activation that layers share."""
        name = same("The activation", {path: self.attribute(path, "activation") for path in layers})
        if name not in ACTIVATIONS:
            raise ValueError(f"The network's activation {name!r} is unknown.")
        return str(name)

    def clamp(self, layers: list[str]) -> float | None:
        """The limit that layers share; None for none."""
        value = same("conv_clamp", {path: self.attribute(path, "conv_clamp") for path in layers})
        return None if value is None else float(self.number(layers[0], "conv_clamp"))

    def taps(self, modules: list[str]) -> tuple[float, ...] | None:
        """Taps of the resampling filter that modules share; None where there are no modules."""
        filters = {
            path: self.tensors.separable_filter(f"{path}.resample_filter", gain=1.0) for path in modules
        }
        return same("The resampling filter", filters) if filters else None


def read_generator(root: Record, tensors: Tensors) -> Generator:
    """The generator of a snapshot.

    Raises:
        ValueError: for a StyleGAN3 or another network, or one that is damaged.
    """
    network = Network(root, tensors)
    if "synthesis.input" in network.modules:
        raise ValueError(
            "The network is a StyleGAN3 generator: its layers are filtered by design and have no counterpart "
            "here. ganzoo converts StyleGAN2 networks."
        )
    refuse_oblong(tensors, root.state)
    blocks = network.blocks("synthesis.")
    arrays: dict[str, Array] = {}
    mapping = network.mapping(None, "mapping", arrays)
    label_dim, z_dim = mapping.pop("label_dim"), mapping.pop("z_dim")
    if mapping["depth"] == 0:
        raise ValueError("The generator has no mapping network.")
    if "mapping.w_avg" in tensors:
        arrays["mapping.w_avg"] = tensors.take("mapping.w_avg")
    const = tensors.take("synthesis.b4.const")
    arrays[CONST] = const[None]

    layers = [f"{block}.conv{k}" for block in blocks for k in (0, 1)][1:]
    to_rgb = {i: f"{block}.torgb" for i, block in enumerate(blocks) if f"{block}.torgb" in network.modules}
    skips = network.shortcuts(blocks, up=2)
    last = len(blocks) - 1
    check_architecture(to_rgb, skips, last)

    for i, source in enumerate(layers):
        target, conv = layer_name(i), conv_name(i)
        network.expect(source, up=2 if is_upsampling(i) else 1)
        arrays[f"{conv}.weight"] = tensors.take(f"{source}.weight")
        _affine(network, source, conv, arrays)
        arrays[f"{target}.bias"] = tensors.take(f"{source}.bias")
        if network.attribute(source, "use_noise"):
            side = layer_side(i)
            arrays[f"{target}.noise.strength"] = tensors.take(f"{source}.noise_strength", ())
            arrays[f"{target}.noise.const"] = tensors.take(f"{source}.noise_const", (1, 1, side, side))
    for i, source in to_rgb.items():
        target = f"synthesis.head.to_image.{i}"
        network.conv(source, f"{target}.conv", arrays)
        arrays[f"{target}.bias"] = arrays.pop(f"{target}.conv.bias")
        _affine(network, source, f"{target}.conv", arrays)
    for i, source in skips.items():
        network.conv(source, shortcut_name(i), arrays)

    activation = network.activation(layers)
    gain = same("The activation's gain", {path: network.number(path, "act_gain") for path in layers})
    is_default = math.isclose(gain, ACTIVATIONS[activation][1], rel_tol=1e-6)
    is_skip = len(to_rgb) > 1 or last == 0
    upsampled = blocks[1:] if is_skip else []
    config = GeneratorConfig.from_dict(
        {
            "resolution": resolution_of(len(blocks)),
            "channels": [tensors.shape(f"{block}.conv1.weight")[0] for block in blocks],
            "z_dim": z_dim,
            "w_dim": tensors.shape("synthesis.b4.conv1.affine.weight")[1],
            "label_dim": label_dim,
            "img_channels": tensors.shape(f"{to_rgb[last]}.weight")[0],
            "mapping": {"name": "mlp", **mapping},
            "upsampler": _with_taps("conv_transpose", network.taps([f"{b}.conv0" for b in blocks[1:]])),
            "conv": {"name": "full", "kernel_size": tensors.shape(f"{layers[-1]}.weight")[-1]},
            "head": _with_taps("skip", network.taps(upsampled)) if is_skip else {"name": "single"},
            "shortcut": _with_taps("residual", network.taps(list(skips.values()))) if skips else "none",
            "activation": activation,
            "activation_gain": None if is_default else float(gain),
            "clamp": network.clamp([*layers, *to_rgb.values()]),
        }
    )
    tensors.drop(_UNUSED_FILTER, when=lambda name: name.endswith("resample_filter"))
    tensors.finish()
    rows = root.state.get("num_ws")
    if isinstance(rows, int) and rows != config.num_ws:
        raise ValueError(
            f"The network reads {rows} rows of w; a StyleGAN2 of its size reads {config.num_ws}."
        )
    return fill(empty(config), arrays, tensors)


def read_discriminator(root: Record, tensors: Tensors) -> Discriminator:
    """The discriminator of a snapshot.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    network = Network(root, tensors)
    refuse_oblong(tensors, root.state)
    blocks = network.blocks("")
    last = len(blocks) - 1
    arrays: dict[str, Array] = {}
    options: dict[str, Any] = {"name": "residual"}
    label_dim = 0
    if "mapping" in network.modules:
        mapping = network.mapping(0, "network.mapping", arrays)
        label_dim = mapping["label_dim"]
        options.update(
            mapping_depth=mapping["depth"],
            mapping_lr_multiplier=mapping["lr_multiplier"],
            mapping_activation=mapping["activation"],
            mapping_features=mapping["layer_features"],
            embed_features=mapping["embed_features"],
        )
        projected = tensors.shape("b4.out.weight")[0]
        if projected != tensors.shape("b4.fc.weight")[0]:
            options["projection_dim"] = projected
    seeing = {i: f"{b}.fromrgb" for i, b in enumerate(blocks) if f"{b}.fromrgb" in network.modules}
    skips = network.shortcuts(blocks, up=1, down=2)
    check_architecture(seeing, skips, last)
    is_skip = len(seeing) > 1
    limited: list[str] = []
    for i, source in seeing.items():
        network.conv(source, f"network.from_image.{i}", arrays)
        limited += [source] if i else []
    for i in range(1, last + 1):
        for k in (0, 1):
            limited.append(f"{blocks[i]}.conv{k}")
            network.expect(limited[-1], up=1, down=k + 1)
            network.conv(limited[-1], f"network.levels.{i}.conv{k}", arrays)
        if i in skips:
            network.conv(skips[i], f"network.levels.{i}.shortcut", arrays)
    network.conv("b4.conv", "network.conv", arrays)
    limited.append("b4.conv")
    network.expect("b4.fc", bias_gain=1)
    network.expect("b4.out", bias_gain=1, activation="linear")
    network.linear("b4.fc", "network.linear", arrays)
    network.linear("b4.out", "network.out", arrays)

    layers = [*limited, *([seeing[0]] if 0 in seeing else [])]
    activation = network.activation([*layers, "b4.fc"])
    gain = same("The activation's gain", {path: network.number(path, "act_gain") for path in layers})
    if not math.isclose(gain, ACTIVATIONS[activation][1], rel_tol=1e-6):
        raise ValueError(f"The discriminator's activation has the gain {gain}, which is not supported.")
    if 0 in seeing:
        network.expect(seeing[0], conv_clamp=None)
    filtered = [f"{block}.conv1" for block in blocks[1:]] + list(skips.values())
    taps = network.taps(filtered + (blocks[1:] if is_skip else []))
    deviation = "b4.mbstd" in network.modules
    options.update(
        architecture="resnet" if skips else "skip" if is_skip else "orig",
        activation=activation,
        clamp=network.clamp(limited),
        mbstd_num_channels=network.attribute("b4.mbstd", "num_channels") if deviation else 0,
        mbstd_group_size=network.attribute("b4.mbstd", "group_size") if deviation else 4,
    )
    if taps is not None:
        options["taps"] = taps
    widths = [tensors.shape("b4.fc.weight")[0], *(tensors.shape(f"{b}.conv0.weight")[0] for b in blocks[1:])]
    config = DiscriminatorConfig.from_dict(
        {
            "resolution": resolution_of(len(blocks)),
            "channels": widths,
            "label_dim": label_dim,
            "img_channels": tensors.shape(f"{seeing[last]}.weight")[1],
            "discriminator": options,
        }
    )
    tensors.drop(_UNUSED_FILTER, when=lambda name: name.endswith("resample_filter"))
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def part_of(record: Record) -> str | None:
    """Which kind of network a module is, by the modules that it has; None for another."""
    modules = module_children(record)
    if isinstance(modules.get("synthesis"), Record):
        return "generator"
    return "discriminator" if isinstance(modules.get("b4"), Record) else None


def _affine(network: Network, source: str, target: str, arrays: dict[str, Array]) -> None:
    """The linear layer that makes a style of w."""
    network.expect(f"{source}.affine", activation="linear", bias_gain=1)
    network.linear(f"{source}.affine", f"{target}.modulation", arrays)


def _with_taps(name: str, taps: tuple[float, ...] | None) -> dict[str, Any]:
    """A block with its filter, where one was found."""
    return {"name": name} if taps is None else {"name": name, "taps": taps}
