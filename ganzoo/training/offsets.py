"""StyleKD's offset form: samples and samples whose w was moved resemble each other as the teacher's do."""

from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.generators.synthesis import SynthesisNetwork
from ganzoo.losses import offset_relation
from ganzoo.training.latents import Purpose, uniform
from ganzoo.training.loss_settings import OffsetTerm
from ganzoo.training.teacher import Drawn, Teacher

SAMPLES = 1024  # of w, whose covariance gives the directions
DIRECTIONS = 10


class Offsets:
    """Moves w along one of the ten main directions of w, another for every sample (Xu et al. 2022).

    Args:
        teacher: Teacher of the run.
        term: Settings of the term.

    Raises:
        ValueError: if the student has no level to compare.
    """

    def __init__(self, teacher: Teacher, term: OffsetTerm) -> None:
        self.teacher, self.term = teacher, term
        levels = len(teacher.settings.student.level_channels)
        if term.first_level >= levels:
            raise ValueError(
                f"loss.offset_relation.first_level={term.first_level}, but the student has {levels} levels."
            )
        w = teacher.w(teacher.latents(range(SAMPLES)))[:, 0].cpu().double()
        found = torch.linalg.eigh(torch.cov(w.T))  # the largest last
        self.directions = found.eigenvectors.T.flip(0)[:DIRECTIONS].float().to(teacher.device)

    def moved(self, w: Tensor, positions: Sequence[int]) -> Tensor:
        """Every sample's w `[N, num_ws, w_dim]`, moved either way along a direction of its own."""
        random = uniform(positions, seed=self.teacher.settings.seed, purpose=Purpose.DIRECTION, count=2)
        which, side = random.to(w.device).unbind(1)
        chosen = self.directions[(which * len(self.directions)).long()]
        length = self.term.length * torch.where(side < 0.5, -1.0, 1.0)
        moved: Tensor = w + (length[:, None] * chosen)[:, None]
        return moved

    def loss(self, student: Generator, drawn: Drawn, positions: Sequence[int]) -> Tensor:
        """Mean over the levels of `offset_relation`."""
        both = torch.cat([drawn.w, self.moved(drawn.w, positions)])
        noise = [n if len(n) == 1 else torch.cat([n, n]) for n in drawn.noise]
        with torch.no_grad():
            wanted = self._levels(self.teacher.original.synthesis, both, noise)
        own = both[:, student.config.rows_of(self.teacher.generator.config)]
        found = self._levels(student.synthesis, own, student.synthesis.borrowed(noise))
        halves = [(*x.float().chunk(2), *y.float().chunk(2)) for x, y in zip(found, wanted, strict=False)]
        return torch.stack([offset_relation(a, b, c, d) for a, b, c, d in halves]).mean()

    def _levels(self, synthesis: SynthesisNetwork, w: Tensor, noise: Sequence[Tensor]) -> list[Tensor]:
        return list(islice(synthesis.features(w, noise), self.term.first_level, self.term.last_level + 1))
