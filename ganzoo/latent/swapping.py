"""Layer swapping: the coarse levels of one model with the fine levels of another (Pinkney and Adler 2020)."""

import copy

import torch

from ganzoo.generators.generator import TRAINABLE, Generator
from ganzoo.models.published import differences


@torch.no_grad()
def swap(coarse: Generator, fine: Generator, resolution: int) -> Generator:
    """A new generator: levels below a resolution and the mapping network of one, all other levels of another.

    Two models fit whose configs are the same, such as one that was trained on from the other: their levels
    still understand each other. A level's part of the head goes with the level.

    Args:
        coarse: Trainable generator that gives what is large, and what w means.
        fine: Trainable generator that gives what is small.
        resolution: Side of the features of the first level that is the fine one's.

    Raises:
        ValueError: for a generator that is deployed, two that do not fit, or a resolution at which no level
            but the first begins.
    """
    for generator in (coarse, fine):
        if generator.form != TRAINABLE:
            raise ValueError(f"Levels are swapped of generators as create() gives them, not {generator!r}.")
    if coarse.config != fine.config:
        raise ValueError(
            f"These two do not fit: {differences(coarse.config, fine.config)}. Levels are swapped between "
            "models of one architecture and size."
        )
    sides = coarse.config.level_sides
    if resolution not in sides[1:]:
        known = (
            f"it is one of {', '.join(map(str, sides[1:]))}" if sides else "this architecture has no levels"
        )
        raise ValueError(f"No level begins at {resolution}: {known}.")
    made = copy.deepcopy(coarse)
    pairs = zip(sides, made.synthesis.level_parts(), fine.synthesis.level_parts(), strict=True)
    for side, own, other in pairs:
        if side >= resolution:
            for module, source in zip(own, other, strict=True):
                module.load_state_dict(source.state_dict(), strict=True)
    return made
