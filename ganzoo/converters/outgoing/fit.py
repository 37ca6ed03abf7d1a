"""Whether a network has a place in another layout: each block and field of its config that has none.

What a layout can say is listed; all else must have its default, so that a new field or option is refused
until a layout knows it.
"""

from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields, replace
from typing import Any

from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import DiscriminatorConfig

Config = GeneratorConfig | DiscriminatorConfig
Blocks = Mapping[str, Mapping[str, Collection[str]]]  # kinds to names of blocks to options of any value
ARCHITECTURE = "stylegan2"
_WHY = {  # other architectures, by the names in their configs
    "stylegan": "it normalises features (AdaIN) where StyleGAN2 demodulates weights",
    "stylegan3": "its input is waves, and its layers filter around each activation",
    "biggan": "its layers read chunks of z and the class, not rows of w",
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
        default: Any = field.default if field.default_factory is MISSING else field.default_factory()
        if name in carried:
            continue
        if not isinstance(value, Mapping):
            found += [misfit(name, value, default)] if value != default else []
            continue
        fitting = blocks.get(name, {default["name"]: ()})
        if value["name"] not in fitting:
            found.append(misfit(name, value["name"], " or ".join(fitting)))
            continue
        bare: dict[str, Any] = {name: {"name": value["name"]}}
        plain = getattr(replace(config, **bare), name)  # completed with every option's default
        found += [
            misfit(f"{name}.{option}", value[option], plain[option])
            for option in plain
            if option not in fitting[value["name"]] and value[option] != plain[option]
        ]
    return found


def _shown(value: object) -> str:
    """A value as a config says it, in short."""
    if isinstance(value, tuple | list):
        return ", ".join(map(_shown, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
