"""A run of distillation: the task with its teacher's images, its figures, its sheets and its result."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torch import nn

from ganzoo.cards.student import student_card
from ganzoo.generators.generator import Generator
from ganzoo.metrics.distances import DEFINITIONS
from ganzoo.metrics.figures import Figure
from ganzoo.models.folders import STUDENT as RESULT
from ganzoo.training.cache import TeacherCache, fill_together
from ganzoo.training.distillation import DistillationTask
from ganzoo.training.distillation_settings import DistillationSettings
from ganzoo.training.head_fit import fit_head
from ganzoo.training.level_fit import fit_levels
from ganzoo.training.loading import Loaded, load
from ganzoo.training.sheets import Sheets
from ganzoo.training.task import TASKS, Sheet
from ganzoo.training.warm_start import fit_line, levels_line


@TASKS.register("distillation")
class DistillationRun(DistillationTask):
    """Distillation with all that surrounds it.

    Args:
        loaded: What it works with.
    """

    result = RESULT

    def __init__(self, loaded: Loaded) -> None:
        parts = (loaded.teacher, loaded.cache, loaded.student, loaded.discriminator, loaded.network)
        super().__init__(loaded.settings, *parts, loaded.hidden)
        self.start = loaded.start
        self.begun: dict[str, Any] | None = None
        self.held_out, self.sheets = loaded.held_out, Sheets(loaded.teacher)
        self.best = loaded.settings.held_out.best
        self.protocol = f"{loaded.settings.held_out.num}"

    @classmethod
    def load(cls, settings: DistillationSettings, state: Any) -> "DistillationRun":
        """The task, with its teacher loaded and its student made."""
        return cls(load(settings, state))

    def resume(self, facts: dict[str, Any]) -> None:
        """Refuse a teacher of other weights than when the run began, and note what the student took over."""
        if facts.setdefault("teacher_sha256", self.teacher.sha256) != self.teacher.sha256:
            raise ValueError(
                f"{self.settings.teacher} has other weights than when the run in {self.settings.out} began: "
                "give another out=."
            )
        if self.start is not None:
            facts["init"] = self.start.record()
        self.begun = facts.get("init")

    def begin(self) -> None:
        """Fit narrowed levels, then the levels of the student's head that are new."""
        if self.start is None:
            return
        lines = []
        if count := self.settings.init_levels:
            lines.append(levels_line(fit_levels(self.student, self.teacher, self.start, count)))
        if count := self.settings.init_head:
            kept = self.start.copied
            lines.append(fit_line(fit_head(self.student, self.teacher, count, cache=self.cache, kept=kept)))
        if lines and self.held_out.state.is_main_process:
            print("\n".join(lines), file=sys.stderr)

    def announce(self, kimg: float) -> float:
        """Tell what the run costs."""
        from ganzoo.training.announce import (  # with timm, which a command line need not wait for
            announce,
            per_second,
        )

        state = self.held_out.state
        found = announce(self, state, kimg=kimg, caches=self._caches(), start=self.start)
        self.seconds_an_image = found.teacher
        return per_second(found, self.settings, state.num_processes)

    def prepare(self) -> None:
        """Make the teacher's images that are missing."""
        for cache in self._caches():
            fill_together(cache, self.held_out.state, self.seconds_an_image)

    def _caches(self) -> list[TeacherCache]:
        return [self.held_out.cache, *([self.cache] if self.cache is not None else [])]

    def measure(self, averaged: nn.Module) -> dict[str, Figure]:
        """Distances from the teacher on held-out latents."""
        return self.held_out.measure(self._completed(averaged))

    def figure_name(self, kind: str) -> str:
        """With the network of its features, where it has one."""
        return self.held_out.name(kind)

    def sheet(self, averaged: nn.Module) -> Sheet:
        """Pairs of images, teacher left and student right."""
        facts = {"teacher": self.settings.teacher, "order": "teacher, student"}
        return Sheet(self.sheets.draw(self._completed(averaged)), facts, "teacher_student")

    def describe(self, averaged: nn.Module) -> dict[str, Any]:
        """The teacher, the student's cost, and what the figures mean."""
        names = {self.held_out.name(metric): metric for metric in self.settings.held_out.metrics}
        return {
            "teacher": self.settings.teacher,
            **super().describe(averaged),
            **({"init": self.begun} if self.begun is not None else {}),
            "definitions": {name: DEFINITIONS[m] for name, m in names.items() if m in DEFINITIONS},
            "held_out": self.settings.held_out.num,
        }

    def save(self, averaged: nn.Module, folder: Path, recipe: str | None) -> None:
        """Write the student."""
        super().save(self._completed(averaged), folder, recipe)

    def card(self, result: Mapping[str, Any]) -> str:
        """Lineage, cost and distances of the student."""
        return student_card(result, self.teacher.sha256)

    def _completed(self, averaged: nn.Module) -> Generator:
        """The student with what follows its weights: statistics, and a mean w if the mapping is its own."""
        student = cast(Generator, averaged)
        if not self.settings.inherit_mapping:
            student.mapping.w_avg.copy_(student.mapping.estimate_w_avg())
        return self.settled(student)
