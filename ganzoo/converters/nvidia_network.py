"""A pickled network of NVIDIA's PyTorch repositories: its modules, what they record, and its tensors."""

import math
import re
from typing import Any

from ganzoo.converters.contents import Record
from ganzoo.converters.keymap import MAPPING_LR_MULTIPLIER, Array, Tensors, module_children, same
from ganzoo.converters.unknown import Unknown, UnknownNeededError
from ganzoo.ops.activation import ACTIVATIONS

_BLOCK = re.compile(r"(.*\.)?b(\d{1,5})$")


class Network:
    """A pickled module and its tensors.

    Attributes:
        modules: The modules within it, by their dotted paths.
        arrays: Numbers taken from its tensors, by our names.
    """

    def __init__(self, root: Record, tensors: Tensors) -> None:
        self.tensors = tensors
        self.cls = root.cls
        self.modules: dict[str, Record] = {}
        self.arrays: dict[str, Array] = {}
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

    def linear(self, source: str, target: str) -> float:
        """Take a linear layer's weights; its multiplier of the learning rate is returned."""
        rate = self.number(source, "bias_gain")
        weight = self.tensors.take(f"{source}.weight")
        self._check_gain(source, weight.shape[1:], rate)
        self.arrays[f"{target}.weight"] = weight
        self.arrays[f"{target}.bias"] = self.tensors.take(f"{source}.bias")
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

    def conv(self, source: str, target: str) -> None:
        """Take a convolution's weights, without modulation."""
        weight = self.tensors.take(f"{source}.weight")
        self._check_gain(source, weight.shape[1:], 1.0)
        self.arrays[f"{target}.weight"] = weight
        if f"{source}.bias" in self.tensors:
            self.arrays[f"{target}.bias"] = self.tensors.take(f"{source}.bias")

    def affine(self, source: str, target: str) -> None:
        """Take the linear layer that makes a style of w."""
        self.expect(f"{source}.affine", activation="linear", bias_gain=1)
        self.linear(f"{source}.affine", f"{target}.modulation")

    def _check_gain(self, source: str, shape: tuple[int, ...], rate: float) -> None:
        gain, expected = self.number(source, "weight_gain"), rate / math.sqrt(math.prod(shape) or 1)
        if not math.isclose(gain, expected, rel_tol=1e-4):
            raise ValueError(f"{source} scales its weights by {gain}, not by {expected}: no StyleGAN2 does.")

    def mapping(self, z_dim: int | None, prefix: str) -> dict[str, Any]:
        """Options of the label's and the latent's mapping network; its tensors go to `prefix`.

        Args:
            z_dim: None for a generator, whose latent is as wide as the first layer leaves room for.
            prefix: Prefix of our names.
        """
        depth = sum(re.fullmatch(r"mapping\.fc\d+", path) is not None for path in self.modules)
        layers = [f"mapping.fc{i}" for i in range(depth)]
        rates = {path: self.linear(path, f"{prefix}.layers.{i}") for i, path in enumerate(layers)}
        embedded = label_dim = 0
        if "mapping.embed.weight" in self.tensors:
            embedded, label_dim = self.tensors.shape("mapping.embed.weight")
            self.expect("mapping.embed", activation="linear", bias_gain=1)
            self.linear("mapping.embed", f"{prefix}.embed")
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

    def gain(self, layers: list[str]) -> float:
        """The activation's gain that layers share."""
        value: float = same("The activation's gain", {path: self.number(path, "act_gain") for path in layers})
        return value

    def taps(self, modules: list[str]) -> tuple[float, ...] | None:
        """Taps of the resampling filter that modules share; None where there are no modules."""
        filters = {
            path: self.tensors.separable_filter(f"{path}.resample_filter", gain=1.0) for path in modules
        }
        return same("The resampling filter", filters) if filters else None
