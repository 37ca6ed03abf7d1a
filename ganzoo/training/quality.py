"""How near a generator's images come to those that it learns from, and whether it copied some of them."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganzoo.features.networks import FeatureNetwork
from ganzoo.generators.generator import Generator
from ganzoo.metrics.figures import (
    Figure,
    figure_name,
    frechet_distance,
    kernel_distance,
    statistics,
)
from ganzoo.system.images import shrink
from ganzoo.training.adversarial_settings import QualitySettings
from ganzoo.training.held_out import features_of
from ganzoo.training.images import TrainingImages
from ganzoo.training.latents import HELD_OUT, latents
from ganzoo.training.sheets import pair_sheet

SHOWN = 24  # samples on a sheet
_PART = 16  # images at once
_GOLDEN = 0.6180339887498949  # multiples of it fill 0..1 evenly, however many there are
_SIDE = 32  # of the images that are searched for the nearest one
_SEARCHED = 100_000  # images at most


class Quality:
    """Measures a generator against the images, always on the same latents.

    Args:
        settings: Part of the run's settings.
        data: Images that it learns from.
        network: Network of the features; None where nothing is measured.
        state: Accelerate's `PartialState`.
    """

    def __init__(
        self, settings: QualitySettings, data: TrainingImages, network: FeatureNetwork | None, state: Any
    ) -> None:
        self.settings, self.data, self.network, self.state = settings, data, network, state
        self._real: np.ndarray[Any, Any] | None = None

    def name(self, metric: str) -> str:
        """A figure's full name."""
        return figure_name(metric, self.settings.features)

    @torch.inference_mode()
    def measure(self, generator: Generator) -> dict[str, Figure]:
        """Every figure by its name, in each process's share of the images."""
        if self.network is None:
            return {}
        if self._real is None:
            self._real = self._features(_spread(self.data.count, self.settings.num), self.data.samples)
        numbers = range(HELD_OUT, HELD_OUT + self.settings.num)
        fake = self._features(numbers, lambda part: self.images(generator, part))
        found = {}
        for metric in self.settings.metrics:
            if metric == "fd":
                value = frechet_distance(statistics(fake), statistics(self._real))
            else:
                value = kernel_distance(fake, self._real)
            found[self.name(metric)] = Figure(value, None)
        return found

    @torch.inference_mode()
    def sheet(self, generator: Generator) -> Image.Image:
        """Samples, each beside the image of the set that is nearest to it."""
        samples = self.images(generator, range(HELD_OUT, HELD_OUT + SHOWN)).cpu()
        return pair_sheet(samples, self.data.samples(self.nearest(samples)))

    def nearest(self, images: Tensor) -> list[int]:
        """Numbers of the set's images that are nearest to some, by the pixels of both at 32 x 32.

        Of a set that is shown mirrored, either way round.

        Args:
            images: `[N, C, R, R]` in -1..1.
        """
        numbers, small = self._searched
        wanted = [_small(images.clamp(-1, 1))]
        if self.data.mirror:  # so that it may have copied either
            wanted.append(wanted[0].flip(-1))
        best = torch.full((len(images),), torch.inf)
        found = torch.zeros(len(images), dtype=torch.long)
        for first in range(0, len(small), 1024):
            rows = _floats(small[first : first + 1024]).flatten(1)
            distances = torch.stack([torch.cdist(x.flatten(1), rows) for x in wanted]).amin(dim=0)
            value, index = distances.min(dim=1)
            found = torch.where(value < best, index + first, found)
            best = torch.minimum(best, value)
        return [numbers[i] for i in found.tolist()]

    def images(self, generator: Generator, numbers: Sequence[int]) -> Tensor:
        """Images of held-out latents `[N, C, R, R]`; their classes are those of images of the set."""
        config = generator.config
        drawn = latents(numbers, seed=0, z_dim=config.z_dim, label_dim=0, num_ws=config.num_ws, mixing=0.0)
        label = None
        if config.label_dim:
            # Far from each other: neighbours in a set, which may be sorted by class, are of one class.
            places = [(number - HELD_OUT) * _GOLDEN % 1 for number in numbers]
            label = self.data.labels_of([int(place * self.data.count) for place in places])
            label = None if label is None else label.to(generator.device)
        images: Tensor = generator(drawn.z.to(generator.device), label)
        return images.float()

    def _features(self, numbers: Sequence[int], images: Any) -> np.ndarray[Any, Any]:
        """Features `[N, dim]` of images by their numbers, made in equal parts on all processes."""
        from accelerate.utils import gather_object

        assert self.network is not None
        parts = [numbers[i : i + _PART] for i in range(0, len(numbers), _PART)]
        own = []
        for index in range(self.state.process_index, len(parts), self.state.num_processes):
            made = images(parts[index]).to(self.state.device)
            own.append((index, features_of(self.network, made)))
        gathered = sorted(gather_object(own), key=lambda item: item[0])
        return np.concatenate([features for _, features in gathered])

    @cached_property
    def _searched(self) -> tuple[list[int], Tensor]:
        """Numbers of the images that are searched, and these, uint8 `[N, C, 32, 32]`."""
        numbers = _spread(self.data.count, _SEARCHED)
        parts = [numbers[i : i + 256] for i in range(0, len(numbers), 256)]
        small = [((_small(self.data.samples(part)) + 1) * 127.5).round().byte() for part in parts]
        return numbers, torch.cat(small)


def _spread(count: int, wanted: int) -> list[int]:
    """At most so many numbers below a count, evenly spread: a set may be sorted by class."""
    if count <= wanted:
        return list(range(count))
    return [round(number) for number in np.linspace(0, count - 1, wanted)]


def _small(images: Tensor) -> Tensor:
    return shrink(images, min(_SIDE, images.shape[-1]))


def _floats(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1
