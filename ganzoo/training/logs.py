"""What a run writes while it trains: log.jsonl, TensorBoard events, a progress bar."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ganzoo.system.files import replacing
from ganzoo.system.progress import progress_bar
from ganzoo.training.pace import Pace, speed

LOG, FIGURES = "log.jsonl", "figures.jsonl"


class RunLog:
    """Writes on the main process, and nowhere else; enter it for the progress bar, or lines in a pipe.

    Args:
        folder: Run folder.
        total: Images of the whole run.
        main: Whether this is the main process.
        done: Images that are done; later lines of an interrupted run are cut off.
        per_second: Speed that was measured beforehand.
    """

    def __init__(
        self, folder: Path, *, total: int, main: bool, done: int = 0, per_second: float | None = None
    ) -> None:
        self.folder, self.main, self.start, self._total = folder, main, done, total
        self._pace = Pace(total, done=done, per_second=per_second, lines=main and not sys.stderr.isatty())
        self._loss = ""
        self._progress = progress_bar("speed", "left", counts=False, shown=main)
        self._task = self._progress.add_task(
            "Learning", total=total, completed=done, speed="", left=self._pace.left(done)
        )
        self._board: Any = None
        if main:
            for name in (LOG, FIGURES):
                _cut(folder / name, done / 1000)
            # From there on, which hides what an interrupted run wrote later.
            self._board = _summary_writer(folder / "tensorboard", purge_step=done + 1)

    def __enter__(self) -> "RunLog":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()
        if self._board is not None:
            self._board.close()

    def step(self, images: int) -> None:
        """Move the bar, or print a line if it is time for one."""
        self._progress.update(self._task, completed=images, left=self._pace.left(images))
        self._pace.tell(images, lambda: f"{images / 1000:g} of {self._total / 1000:g} kimg{self._loss}")

    def terms(self, kimg: float, terms: Mapping[str, float], seconds: float, waited: float = 0.0) -> None:
        """A line of losses, the speed, and the share of the time in which steps waited for their images."""
        rate = (kimg * 1000 - self.start) / max(seconds, 1e-9)
        self._loss = f", loss {terms['total']:.3g}" if "total" in terms else ""
        self._progress.update(self._task, speed=f"{kimg:.1f} kimg, {speed(rate)}{self._loss}")
        waiting = round(waited / max(seconds, 1e-9), 4)
        self._write(LOG, kimg, {**terms, "images_per_second": rate, "waiting": waiting})

    def figures(self, kimg: float, figures: Mapping[str, float]) -> None:
        """A line of held-out figures, in the place of one that was cut off after it."""
        if self.main:
            _cut(self.folder / FIGURES, kimg - 0.5e-3)  # half an image before
        self._write(FIGURES, kimg, dict(figures), group="held_out/")

    def sheet(self, kimg: float, image: Any, tag: str) -> None:
        """A sheet for TensorBoard: a Pillow image, under a tag."""
        import numpy as np

        if self._board is not None:
            self._board.add_image(tag, np.asarray(image), round(kimg * 1000), dataformats="HWC")

    def _write(self, name: str, kimg: float, values: dict[str, float], group: str = "") -> None:
        if not self.main:
            return
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kimg": round(kimg, 6), **values}) + "\n")
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(group + key, value, round(kimg * 1000))


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log; a last one that was cut off is left out."""
    lines = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
    return lines


def _cut(path: Path, kimg: float) -> None:
    """Drop the lines that a resumed run will write again."""
    if path.is_file():
        kept = [line for line in read_log(path) if line.get("kimg", 0) <= kimg + 1e-9]
        with replacing(path) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def _summary_writer(folder: Path, purge_step: int) -> Any:
    """TensorBoard's writer, or None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=purge_step)
