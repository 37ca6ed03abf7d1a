"""Whether a network has a place in another layout: each block and field of its config that has none.

What a layout can say is listed; all else must have its default, so that a new field or option is refused
until a layout knows it.
"""

from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from typing import Any

from ganzoo.blocks import KINDS
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import DiscriminatorConfig

Config = GeneratorConfig | DiscriminatorConfig
Blocks = Mapping[str, Mapping[str, Collection[str]]]  # kinds to names of blocks to options of any value
ARCHITECTURE = "stylegan2"
_WHY = {  # other architectures, by the names in their configs
    "stylegan": "it normalises features (AdaIN) where StyleGAN2 demodulates weights",
    "stylegan3": "its input is waves, and its layers filter around each activation",
    "biggan": "its layers read chunks of z and the class, and it has no w",
}


def misfit(what: str, found: object, fits: object) -> str:
    """What does not fit, with what would."""
    return f"{what} is {_shown(found)} (there: {_shown(fits)})"


def of_architecture(config: GeneratorConfig) -> list[str]:
    """What keeps a generator that is no StyleGAN2 from every layout of one."""
    name = config.architecture
    if name == ARCHITECTURE:
        return []
    why = f": {_WHY[name]}" if name in _WHY else ""
    return [f"its architecture is {name}, and there only {ARCHITECTURE} has a place{why}"]


def of_blocks(config: Config, blocks: Blocks, carried: Collection[str]) -> list[str]:
    """Blocks, options and fields that have no place.

    Args:
        config: Config of the network.
        blocks: Names of the blocks that fit, by kind; each with the options that may have any value.
        carried: Fields that may have any value, or are checked elsewhere.
    """
    found = []
    for field in fields(config):
        name, value = field.name, getattr(config, field.name)
        if name in carried:
            continue
        default: Any = field.default if field.default_factory is MISSING else field.default_factory()
        fitting = blocks.get(name, {})
        if name in KINDS and not fitting:
            value, default = value["name"], default["name"]
        if name not in blocks:
            found += [misfit(name, value, default)] if value != default else []
        elif value["name"] not in fitting:
            found.append(misfit(name, value["name"], " or ".join(fitting)))
        else:
            found += of_options(name, value, fitting[value["name"]])
    return found


def of_options(kind: str, spec: Mapping[str, Any], carried: Collection[str]) -> list[str]:
    """Options of a block that have no place: all that are not carried and differ from their defaults."""
    defaults = KINDS[kind].options(spec["name"])
    return [
        misfit(f"{kind}.{name}", spec[name], default)
        for name, default in defaults.items()
        if name not in carried and spec[name] != default
    ]


def _shown(value: object) -> str:
    """A value as a config says it, in short."""
    if isinstance(value, tuple | list):
        return ", ".join(map(_shown, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
