"""What a run leaves while it trains: lines of its log, sheets, figures and its best checkpoint."""

import time
from pathlib import Path
from types import TracebackType

from ganzoo.compare.records import higher_is_better
from ganzoo.metrics.figures import Figure
from ganzoo.models.folders import BEST
from ganzoo.system.images import save_png
from ganzoo.training.logs import RunLog
from ganzoo.training.loop import Events, Trainer
from ganzoo.training.run_folder import SAMPLES


class Reports:
    """Writes what happens; enter it for the progress bar.

    Args:
        trainer: Trainer, resumed.
        folder: Folder of the run.
        recipe: Recipe of the generator.
        per_second: Speed that was measured beforehand.

    Attributes:
        figures: Figures of the last measurement.
    """

    def __init__(self, trainer: Trainer, folder: Path, recipe: str | None, per_second: float | None) -> None:
        settings = trainer.settings
        self.trainer, self.folder, self.recipe = trainer, folder, recipe
        self.figures: dict[str, Figure] = {}
        self._began, self._before = time.perf_counter(), float(trainer.facts.get("seconds", 0.0))
        self._lines = RunLog(
            folder,
            total=settings.steps * settings.batch_size,
            main=trainer.state.is_main_process,
            done=round(trainer.kimg * 1000),
            per_second=per_second,
        )
        self.events = Events(log=self._log, sheet=self._sheet, measure=self.measure, step=self._lines.step)

    def __enter__(self) -> "Reports":
        self._lines.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lines.__exit__(kind, value, traceback)

    def measure(self, kimg: float) -> None:
        """Measure the averaged module, and keep it where it is the best so far."""
        task, facts = self.trainer.task, self.trainer.facts
        self.figures = task.measure(self.trainer.ema.module)
        if self.figures:
            self._lines.figures(kimg, {name: figure.value for name, figure in self.figures.items()})
        if task.best is None:
            return
        name = task.figure_name(task.best)
        value, of = self.figures[name].value, f"{name} of {task.protocol}"
        known = facts.get("best") if facts.get("best_of") == of else None
        if known is None or (value > known if higher_is_better(task.best) else value < known):
            facts |= {"best": value, "best_kimg": kimg, "best_of": of}
            if self.trainer.state.is_main_process:
                task.save(self.trainer.ema.module, self.folder / BEST, self.recipe)

    def _sheet(self, kimg: float) -> None:
        if not self.trainer.state.is_main_process:
            return
        if (sheet := self.trainer.task.sheet(self.trainer.ema.module)) is None:
            return
        (self.folder / SAMPLES).mkdir(exist_ok=True)
        path = self.folder / SAMPLES / f"{round(kimg * 1000):09d}.png"
        save_png(sheet.image, path, {"kimg": kimg, **sheet.facts})
        self._lines.sheet(kimg, sheet.image, sheet.tag)

    def _log(self, kimg: float, terms: dict[str, float], seconds: float) -> None:
        self.trainer.facts["seconds"] = self._before + time.perf_counter() - self._began
        self._lines.terms(kimg, terms, seconds, self.trainer.waited)
