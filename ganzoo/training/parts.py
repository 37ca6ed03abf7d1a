"""Parts of a network by their dotted names: what does not learn, and what learns at a rate of its own.

A part is the name of a module or a parameter, such as `mapping`, `synthesis.levels.0` or
`synthesis.levels.3.conv`; wildcards as in `synthesis.levels.[01]` name several.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from ganzoo.generators.discriminator import Discriminator
from ganzoo.system.validation import unknown

_SHOWN = 3  # names in a part's name that a message lists


def parameters_of(module: nn.Module, part: str, setting: str) -> list[str]:
    """Names of the parameters in a part.

    Args:
        module: Network.
        part: Name of the part.
        setting: Name of the setting that it was given to.

    Raises:
        ValueError: if the network has no such part.
    """
    names = [name for name, _ in module.named_parameters()]
    if found := [name for name in names if _depth(name, part) is not None]:
        return found
    known = {above for name in names for above in _above(name)}
    shown = [name for name in known if name.count(".") < _SHOWN]
    raise ValueError(f"{setting}: {unknown('part', part, known, shown=shown)}")


def freeze(module: nn.Module, parts: Sequence[str], setting: str = "freeze") -> None:
    """Keep parts of a network from learning.

    Raises:
        ValueError: for an unknown part, or if nothing is left to learn.
    """
    frozen = {name for part in parts for name in parameters_of(module, part, setting)}
    for name, parameter in module.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)
    if not any(p.requires_grad for p in module.parameters()):
        raise ValueError(f"{setting}={list(parts)} leaves nothing to learn: every parameter is frozen.")


def factors(module: nn.Module, scales: Mapping[str, float], setting: str = "lr_scale") -> dict[str, float]:
    """Factor of the learning rate of every parameter that learns, by name: that of the most specific part.

    Args:
        module: Network.
        scales: Factors by part.
        setting: Name of the setting that they were given to.

    Raises:
        ValueError: for an unknown part.
    """
    found = {name: 1.0 for name, p in module.named_parameters() if p.requires_grad}
    given: dict[str, tuple[int, int]] = {}
    for part, scale in scales.items():
        for name in parameters_of(module, part, setting):
            rank = (_depth(name, part) or 0, sum(letter not in "*?[]" for letter in part))
            if name in found and rank >= given.get(name, (0, 0)):
                found[name], given[name] = scale, rank
    return found


def groups(module: nn.Module, scales: Mapping[str, float]) -> list[dict[str, Any]]:
    """Groups of the parameters that learn, as an optimizer takes them, one for every factor.

    Raises:
        ValueError: for an unknown part.
    """
    own = factors(module, scales)
    if not scales:
        return [{"params": [p for p in module.parameters() if p.requires_grad]}]
    rows: dict[float, list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if name in own:
            rows.setdefault(own[name], []).append(parameter)
    return [{"params": rows[scale], "lr_scale": scale} for scale in sorted(rows)]


def summary(names: Collection[str], of: Collection[str]) -> list[str]:
    """The fewest parts that hold these tensors and no others.

    Args:
        names: Names of tensors.
        of: Names of all tensors of the network.
    """
    others = {above for name in of if name not in names for above in _above(name)}
    found = {next(above for above in _above(name) if above not in others): None for name in names}
    return list(found)


def _above(name: str) -> Iterator[str]:
    """The parts that a parameter is in, the largest first, itself last."""
    words = name.split(".")
    return (".".join(words[: i + 1]) for i in range(len(words)))


def _depth(name: str, part: str) -> int | None:
    """How deep in the network a part lies that a parameter is in; None if it is in none of that name."""
    return next((i for i, above in enumerate(_above(name), 1) if fnmatchcase(above, part)), None)


class Learning:
    """The parameters of a network that learn, to be kept from it while another network's turn is on.

    What is frozen stays so.
    """

    def __init__(self, module: nn.Module) -> None:
        self._parameters = [p for p in module.parameters() if p.requires_grad]

    def switch(self, on: bool) -> None:
        """Let them learn, or keep them from it."""
        for parameter in self._parameters:
            parameter.requires_grad_(on)


def freeze_layers(discriminator: Discriminator, count: int, setting: str = "freeze_discriminator") -> None:
    """Keep the first layers of a discriminator, counted from the image, from learning (FreezeD, Mo 2020).

    A layer is a module with parameters of its own.

    Raises:
        ValueError: if there are not so many, beside one that learns.
    """
    layers = discriminator.layers()
    if count >= len(layers):
        raise ValueError(
            f"{setting}={count}: the discriminator has {len(layers)} layers, and one has to learn."
        )
    for layer in layers[:count]:
        layer.requires_grad_(False)
