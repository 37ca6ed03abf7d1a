"""Adapting to few images: samples resemble each other as they did before (Ojha et al. 2021)."""

from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.losses import distance_consistency
from ganzoo.training.adversarial_settings import ConsistencySettings
from ganzoo.training.latents import Purpose, latents, stream

LANE = 3  # of the latents, after those of the phases


class Consistency:
    """Compares the generator with the one that it began as, at a level that is drawn anew at every step.

    Args:
        source: Generator that the run began with, on the device; it is frozen.
        settings: Settings of the term.
        seed: Run seed.
    """

    def __init__(self, source: Generator, settings: ConsistencySettings, seed: int) -> None:
        self.source, self.settings, self.seed = source.requires_grad_(False), settings, seed

    def loss(self, generator: Generator, positions: Sequence[int]) -> Tensor:
        """The divergence at one level, of as many latents as the settings ask for.

        Args:
            generator: Generator that adapts.
            positions: Positions of a batch in the run, the first of which decides on all that is drawn.
        """
        first, config = positions[0], generator.config
        numbers = [first + i for i in range(self.settings.samples)]
        drawn = latents(
            numbers, seed=self.seed, z_dim=config.z_dim, label_dim=0, num_ws=1, mixing=0.0, lane=LANE
        )
        z = drawn.z.to(generator.device)
        levels = min(len(config.level_channels), len(self.source.config.level_channels))
        level = int(stream(self.seed, Purpose.LEVEL, first).integers(levels))
        with torch.no_grad():
            before = _features(self.source, z, level)
        return distance_consistency(_features(generator, z, level).float(), before.float())


def _features(generator: Generator, z: Tensor, level: int) -> Tensor:
    """Features `[N, C, r, r]` of a level."""
    [found] = islice(generator.synthesis.features(generator.mapping(z)), level, level + 1)
    return found
