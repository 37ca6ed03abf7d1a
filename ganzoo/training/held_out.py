"""Figures of a student on latents that it never learns from, always the same ones."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo.data.resize import resize
from ganzoo.features.networks import FeatureNetwork
from ganzoo.generators.generator import Generator
from ganzoo.generators.synthesis import Output
from ganzoo.metrics.distances import DEFINITIONS, distance
from ganzoo.metrics.figures import Figure, Statistics, figure_name, frechet_distance, statistics
from ganzoo.system.images import to_images, to_rgb
from ganzoo.training.cache import TeacherCache
from ganzoo.training.distillation_settings import HeldOutSettings
from ganzoo.training.teacher import Teacher

_PART = 16  # images at once
Report = Callable[[int], None]


class HeldOut:
    """Measures students against the teacher's images.

    The distances are those of `ganzoo.metrics.distances`, means over images, their uncertainty the standard
    error: `ganzoo eval --teacher` finds the same of the same seeds. `fd` is the Frechet distance from the
    teacher's images of the same latents: 0 for a student that makes them all.

    Args:
        settings: Part of the run's settings.
        teacher: Teacher of the run.
        cache: The teacher's held-out images, whole once something is measured.
        network: Network of perceptual and fd; None if neither is asked for.
        state: Accelerate's `PartialState`.
    """

    def __init__(
        self,
        settings: HeldOutSettings,
        teacher: Teacher,
        cache: TeacherCache,
        network: FeatureNetwork | None,
        state: Any,
    ) -> None:
        self.settings, self.teacher, self.cache = settings, teacher, cache
        self.network, self.state = network, state
        self._statistics: Statistics | None = None

    @torch.inference_mode()
    def measure(self, student: Generator, report: Report = lambda done: None) -> dict[str, Figure]:
        """Every figure by its name, with its network's where it has one."""
        from accelerate.utils import gather_object

        numbers = range(self.cache.first, self.cache.first + self.cache.count)
        parts = [numbers[i : i + _PART] for i in range(0, len(numbers), _PART)]
        own: list[tuple[int, dict[str, list[float]], Any, Any]] = []
        for index in range(self.state.process_index, len(parts), self.state.num_processes):
            images, targets = self._images(student, parts[index]), self._targets(parts[index])
            fake = self._features(images)
            real = self._features(targets) if self._statistics is None else None
            own.append((index, self._distances(images, targets), fake, real))
            report(min(len(own) * _PART * self.state.num_processes, len(numbers)))
        gathered = sorted(gather_object(own), key=lambda item: item[0])
        found = {}
        for metric in self.settings.metrics:
            if metric == "fd":
                found[self.name("fd")] = self._frechet(gathered)
            else:
                values = np.concatenate([item[1][metric] for item in gathered])
                error = float(values.std(ddof=1) / np.sqrt(len(values)))
                found[self.name(metric)] = Figure(float(values.mean()), error)
        return found

    def name(self, metric: str) -> str:
        """A figure's full name."""
        return figure_name(metric, self.settings.features) if metric in ("perceptual", "fd") else metric

    def _images(self, student: Generator, numbers: Sequence[int]) -> Tensor:
        drawn = self.teacher.drawn(numbers)
        w, noise = self.teacher.w_of_student(student, drawn), student.synthesis.borrowed(drawn.noise)
        output: Output = student.synthesis(w, noise)
        return output.image.float()

    def _targets(self, numbers: Sequence[int]) -> Tensor:
        return self.cache.images(numbers).to(self.teacher.device)

    def _distances(self, a: Tensor, b: Tensor) -> dict[str, list[float]]:
        """Of each image from its target."""
        wanted = [metric for metric in DEFINITIONS if metric in self.settings.metrics]
        return {metric: distance(metric, a, b, self.network).tolist() for metric in wanted}

    def _features(self, images: Tensor) -> Any:
        """Features of images for fd; None where it is not asked for."""
        if self.network is None or "fd" not in self.settings.metrics:
            return None
        return features_of(self.network, images)

    def _frechet(self, gathered: Sequence[tuple[int, Any, Any, Any]]) -> Figure:
        if self._statistics is None:
            self._statistics = statistics(np.concatenate([item[3] for item in gathered]))
        fake = statistics(np.concatenate([item[2] for item in gathered]))
        return Figure(frechet_distance(fake, self._statistics), None)


def features_of(network: FeatureNetwork, images: Tensor) -> NDArray[np.float32]:
    """Features `[N, dim]` of images `[N, C, H, W]` in -1..1, rounded and resized as in `ganzoo eval`."""
    resized = [resize(image, network.info.size) for image in to_images(to_rgb(images.clamp(-1, 1)))]
    pixels = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2)
    found: NDArray[np.float32] = network(pixels.to(images.device))[0].float().cpu().numpy()
    return found
