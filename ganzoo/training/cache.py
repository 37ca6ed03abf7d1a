"""The teacher's images on disk, in shards that are resumed and shared, for teachers that cost much."""

import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo.metrics.pairs import RESIZER
from ganzoo.metrics.seeds import HELD_OUT_SEED
from ganzoo.models.sources import writable_cache
from ganzoo.system.files import DISK_FULL, UNREADABLE_ARRAY, facts_digest, replacing
from ganzoo.system.paths import default_cache_dir, user_path
from ganzoo.system.progress import progress_bar
from ganzoo.system.version import __version__
from ganzoo.training.latents import HELD_OUT
from ganzoo.training.order import Order
from ganzoo.training.pace import Pace
from ganzoo.training.settings import GIB, LoopSettings
from ganzoo.training.teacher import Drawn

SHARD = 128  # images of a file; also what an interruption loses at most


class Source(Protocol):
    """Whatever makes images by their numbers: a teacher.

    Attributes:
        settings: Settings of the run.
        shape: Shape of an image, `(C, R, R)`.
    """

    @property
    def settings(self) -> LoopSettings: ...

    @property
    def shape(self) -> tuple[int, int, int]: ...

    def facts(self, *, held_out: bool) -> dict[str, Any]:
        """Everything that decides on its images."""

    def drawn(self, numbers: Sequence[int]) -> Drawn:
        """What the images of these numbers are made from."""

    def images(self, w: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Those images."""


class TeacherCache:
    """Images `first` to `first + count - 1` of a teacher, float16, made where they are missing.

    A folder is named by everything that decides on the images, so that runs of the same teacher share it
    and no two others mix.

    Args:
        teacher: Teacher that makes the images.
        count: Number of images.
        first: Number of the first image.
        folder: Folder that holds all caches; None for `~/.cache/ganzoo/teacher`.
        limit_gib: Largest size of this cache.

    Raises:
        ValueError: if they take more than the limit.
    """

    def __init__(
        self,
        teacher: Source,
        count: int,
        *,
        first: int = 0,
        folder: str | None = None,
        limit_gib: float = 20.0,
    ) -> None:
        self.shape = teacher.shape
        size = 2 * math.prod(self.shape)
        if count * size > limit_gib * GIB:
            asked = "held_out.num" if first >= HELD_OUT else "cache.images"
            raise ValueError(
                f"{count} images of the teacher take {count * size / GIB:.3g} GiB on disk, more than "
                f"cache.limit_gib={limit_gib:g}: raise it, or give {asked}={int(limit_gib * GIB / size)}."
            )
        facts = {
            **teacher.facts(held_out=first >= HELD_OUT),
            "resizer": RESIZER,
            "held_out": HELD_OUT_SEED if first >= HELD_OUT else False,
            "shard": SHARD,
            "version": __version__,
        }
        root = user_path(folder) if folder is not None else default_cache_dir() / "teacher"
        self.folder = root / facts_digest(facts)[:16]
        if not (self.folder / "facts.json").is_file():
            writable_cache(self.folder, "cache.folder=FOLDER")
            with replacing(self.folder / "facts.json") as temporary:
                temporary.write_text(json.dumps(facts, sort_keys=True) + "\n")
        self.teacher = teacher
        self.count, self.first = count, first
        self._shards: dict[int, NDArray[np.float16]] = {}
        self._order = Order(count, teacher.settings.seed)

    def missing(self) -> list[int]:
        """Shards that are not whole."""
        return [k for k in range(-(-self.count // SHARD)) if self._open(k) is None]

    def fill(self, shards: Sequence[int], report: Callable[[int], None] = lambda done: None) -> None:
        """Make these shards; `report` is called with the number of images made.

        Raises:
            OSError: if the disk is full; what is there stays.
        """
        done = 0
        for shard in shards:
            rows = []
            for number in range(self.first + shard * SHARD, self.first + shard * SHARD + self.length(shard)):
                drawn = self.teacher.drawn([number])
                rows.append(self.teacher.images(drawn.w, drawn.noise).half().cpu().numpy()[0])
                done += 1
                report(done)
            try:
                with replacing(self._path(shard)) as temporary, temporary.open("wb") as file:
                    np.save(file, np.stack(rows), allow_pickle=False)
            except OSError as error:
                # None is numpy's, for a file that it could not write to its end.
                if error.errno not in (*DISK_FULL, None):
                    raise
                raise OSError(
                    f"The teacher's images do not fit on the disk of {self.folder}: make room or give "
                    "fewer cache.images; what is there is kept."
                ) from error

    def images(self, numbers: Sequence[int]) -> Tensor:
        """Images of these numbers: `[N, C, R, R]`, float32, on the CPU.

        Raises:
            OSError: if a shard is gone or damaged.
        """
        rows = []
        for number in numbers:
            shard, row = divmod(number - self.first, SHARD)
            images = self._open(shard)
            if images is None:
                raise OSError(f"{self._path(shard)} is gone or damaged: run the same command again.")
            rows.append(images[row].astype(np.float32))
        return torch.from_numpy(np.stack(rows))

    def number(self, position: int) -> int:
        """The image at a position of training: every one once, in an order of its own, over and over."""
        return self.first + self._order(position)

    def length(self, shard: int) -> int:
        """Images of a shard."""
        return min(SHARD, self.count - shard * SHARD)

    def _path(self, shard: int) -> Path:
        return self.folder / f"{shard:06d}.npy"

    def _open(self, shard: int) -> NDArray[np.float16] | None:
        """A shard's images, mapped from the file; None where it is missing, short or damaged."""
        found = self._shards.get(shard)
        if found is None:
            try:
                found = np.load(self._path(shard), mmap_mode="r", allow_pickle=False)
            except UNREADABLE_ARRAY:
                return None
            if found.dtype != np.float16 or found.shape[1:] != self.shape or len(found) < self.length(shard):
                return None
            self._shards[shard] = found
        return found


def fill_together(cache: TeacherCache, state: Any, seconds: float) -> None:
    """Make the teacher's images that are missing, shared among the processes; one takes about `seconds`."""
    # By number, not by place among those missing, which another process may see when some are made already.
    own = [k for k in cache.missing() if k % state.num_processes == state.process_index]
    shown, total = state.is_main_process and bool(own), sum(cache.length(shard) for shard in own)
    pace = Pace(total, per_second=1 / max(seconds, 1e-9), lines=shown and not sys.stderr.isatty())
    with progress_bar("left", shown=shown) as progress:
        bar = progress.add_task("Images of the teacher", total=total, left=pace.left(0))

        def report(done: int) -> None:
            progress.update(bar, completed=done, left=pace.left(done))
            pace.tell(done, lambda: f"Images of the teacher: {done} of {total}")

        cache.fill(own, report)
    state.wait_for_everyone()
