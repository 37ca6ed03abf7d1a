"""The layouts in which networks leave, by their names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganzoo.converters.outgoing import nvidia, rosinality
from ganzoo.converters.outgoing.fit import Config
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.generator import Generator
from ganzoo.system.validation import unknown


@dataclass(frozen=True)
class Layout:
    """How another repository names and stores a network.

    Attributes:
        words: Repository that it is of.
        endings: What its files end in, the usual first.
        generator_misfits, discriminator_misfits: What of a config has no place there.
        contents: What a file holds, of a generator and a discriminator; one of them may be None.
        arguments: Arguments of that code's constructors, which go beside the file; None where it has none.
        notes: What to know where the file is loaded.
    """

    words: str
    endings: tuple[str, ...]
    generator_misfits: Callable[[GeneratorConfig], list[str]]
    discriminator_misfits: Callable[[DiscriminatorConfig], list[str]]
    contents: Callable[[Generator | None, Discriminator | None], dict[str, object]]
    arguments: Callable[[Generator | None, Discriminator | None], dict[str, Any]] | None
    notes: Callable[[Generator | None, Discriminator | None], list[str]]

    def misfits(self, config: Config) -> list[str]:
        """What of a config has no place there."""
        if isinstance(config, DiscriminatorConfig):
            return self.discriminator_misfits(config)
        return self.generator_misfits(config)


LAYOUTS = {
    "rosinality": Layout(
        "rosinality/stylegan2-pytorch",
        (".pt",),
        rosinality.generator_misfits,
        rosinality.discriminator_misfits,
        rosinality.contents,
        arguments=None,
        notes=rosinality.notes,
    ),
    "nvidia": Layout(
        "NVlabs/stylegan2-ada-pytorch",
        (".pt", ".safetensors"),
        nvidia.generator_misfits,
        nvidia.discriminator_misfits,
        nvidia.contents,
        arguments=nvidia.arguments,
        notes=nvidia.notes,
    ),
}


def find_layout(name: str) -> Layout:
    """The layout of a name.

    Raises:
        ValueError: if there is none.
    """
    if name not in LAYOUTS:
        raise ValueError(unknown("layout", name, LAYOUTS))
    return LAYOUTS[name]


def refusal(config: Config, name: str) -> str | None:
    """One line on what of a network has no place in a layout, with what would; None if all has.

    Args:
        config: Config of a generator or a discriminator.
        name: Name of the layout, "rosinality" or "nvidia".

    Raises:
        ValueError: for an unknown layout.
    """
    layout = find_layout(name)
    misfits = layout.misfits(config)
    if not misfits:
        return None
    kind = config.family if isinstance(config, GeneratorConfig) else "discriminator"
    return f"A {kind} such as this has no place in the layout of {layout.words}: {'; '.join(misfits)}."
