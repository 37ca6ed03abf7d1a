"""A network of NVIDIA's TensorFlow repositories: its settings, and its variables in our axes and order."""

import re
from typing import Any

from ganzoo.converters.contents import Record
from ganzoo.converters.keymap import Array, Tensors
from ganzoo.converters.square import refuse_oblong
from ganzoo.converters.unknown import Unknown, UnknownNeededError

_DEFAULT_TAPS = (1, 3, 3, 1)


class Network:
    """A network's tensors and settings, and the arrays that were made of the tensors, by our names.

    Args:
        network: The network as the file holds it.
        tensors: Variables of the network.
        components: Networks within it whose settings count, too.

    Raises:
        ValueError: for a network of images that are not square.
    """

    def __init__(self, network: Record, tensors: Tensors, *components: str) -> None:
        self.tensors = tensors
        self.arrays: dict[str, Array] = {}
        self.settings: dict[str, Any] = {}
        inner = network.state.get("components")
        found = inner if isinstance(inner, dict) else {}
        for part in [network, *(found.get(name) for name in components)]:
            settings = part.state.get("static_kwargs") if isinstance(part, Record) else None
            if isinstance(settings, dict):
                self.settings.update(settings)
        refuse_oblong(tensors, self.settings)

    def setting(self, name: str, default: Any) -> Any:
        """A setting, or the original's default where none was recorded."""
        value = self.settings.get(name, default)
        if isinstance(value, Unknown):
            raise UnknownNeededError(value, value.name)
        return value

    def taps(self) -> tuple[float, ...]:
        """Taps of the resampling filter."""
        kernel = self.setting("resample_kernel", _DEFAULT_TAPS)
        if kernel is None:
            kernel = (1, 1)
        if not isinstance(kernel, list | tuple) or not all(isinstance(tap, int | float) for tap in kernel):
            raise ValueError("The resampling filter is no list of numbers.")
        return tuple(float(tap) for tap in kernel)

    def layers(self, pattern: str) -> int:
        """How many variables have a name of that pattern."""
        return sum(re.fullmatch(pattern, name) is not None for name in self.tensors.refs)

    def sizes(self, prefix: str, suffix: str) -> list[int]:
        """Resolutions above 4 x 4 that have a certain variable.

        Raises:
            ValueError: if one is missing.
        """
        pattern = re.escape(prefix) + r"(\d{1,5})x\1" + re.escape(suffix)
        matches = (re.fullmatch(pattern, name) for name in self.tensors.refs)
        sizes = sorted(int(m[1]) for m in matches if m)
        if sizes != [8 * 2**i for i in range(len(sizes))]:
            raise ValueError(f"The network has levels for {sizes}; a StyleGAN2 has 8, 16, 32 …")
        return sizes

    def levels(self, prefix: str, layer: str, last: int) -> list[int]:
        """Levels up to the last that have a certain layer, from low to high."""
        return [i for i in range(last + 1) if f"{prefix}{level_name(i)}/{layer}/weight" in self.tensors]

    def dense(self, source: str, target: str) -> None:
        """Take a linear layer: `[in, out]` there, `[out, in]` here."""
        self.arrays[f"{target}.weight"] = self.tensors.take(f"{source}/weight").T
        self.arrays[f"{target}.bias"] = self.tensors.take(f"{source}/bias")

    def conv(self, source: str, target: str) -> None:
        """Take a convolution: `[k, k, in, out]` there, `[out, in, k, k]` here."""
        self.arrays[f"{target}.weight"] = self.tensors.take(f"{source}/weight").transpose(3, 2, 0, 1)
        if f"{source}/bias" in self.tensors:
            self.arrays[f"{target}.bias"] = self.tensors.take(f"{source}/bias")

    def modulated(self, source: str, target: str, *, flip: bool) -> None:
        """Take a modulated convolution: `flip` turns the kernel by half; the style's bias gains 1."""
        weight = self.tensors.take(f"{source}/weight")
        weight = weight[::-1, ::-1] if flip else weight
        self.arrays[f"{target}.weight"] = weight.transpose(3, 2, 0, 1)
        self.arrays[f"{target}.modulation.weight"] = self.tensors.take(f"{source}/mod_weight").T
        self.arrays[f"{target}.modulation.bias"] = self.tensors.take(f"{source}/mod_bias") + 1


def level_name(level: int) -> str:
    """How the file calls a level."""
    return f"{2 ** (level + 2)}x{2 ** (level + 2)}"
