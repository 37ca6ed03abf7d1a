"""The teacher's own features as targets: every level of the student, projected, resembles the teacher's."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.generator import Generator


class TeacherFeatures(nn.Module):
    """Learnt projections of the student's features to the teacher's widths (Romero et al. 2015, section 2.1).

    Args:
        student: Config of the student.
        teacher: Teacher as created: the deploy form's features are scaled otherwise.
    """

    def __init__(self, student: GeneratorConfig, teacher: Generator) -> None:
        super().__init__()
        self._teacher = [teacher]  # in a list: it is no part of what is trained or saved
        self._seen: dict[int, Tensor] = {}
        widths = zip(student.level_channels, teacher.config.level_channels, strict=False)
        self.projections = nn.ModuleList(nn.Conv2d(ours, theirs, 1, bias=False) for ours, theirs in widths)
        for layer in self.projections.parameters():  # no random numbers: alike features go to alike ones
            nn.init.dirac_(layer)

    @contextmanager
    def listening(self, student: Generator) -> Iterator[None]:
        """Keeps the features that the student makes in the block."""
        modules = student.synthesis.level_modules()

        def keep(level: int) -> object:
            return modules[level].register_forward_hook(
                lambda module, arguments, output: self._seen.__setitem__(level, output)
            )

        handles = [keep(level) for level in range(len(self.projections))]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()  # type: ignore[attr-defined]

    def loss(self, w: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Squared difference of the features relative to the teacher's own square.

        Both are of each sample, so that it does not matter in how many parts a batch comes; the mean is over
        samples and levels.
        """
        ratios = []
        for level, target in enumerate(self._targets(w, noise)):
            difference = self.projections[level](self._seen[level].float()) - target
            own, theirs = (x.square().mean(dim=(1, 2, 3)) for x in (difference, target))
            ratios.append((own / theirs.clamp(min=1e-8)).mean())
        self._seen.clear()
        return torch.stack(ratios).mean()

    @torch.no_grad()
    def _targets(self, w: Tensor, noise: Sequence[Tensor]) -> list[Tensor]:
        """The teacher's features at the end of every level that the student has."""
        [teacher] = self._teacher
        levels = zip(self.projections, teacher.synthesis.features(w, noise), strict=False)
        return [features for _, features in levels]
