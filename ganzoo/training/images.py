"""The images that a generator learns from: decoded once, met in an order that is a function of the seed."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.data.conversion import Settings
from ganzoo.data.decoded import DecodedImages
from ganzoo.data.decoding import MAX_PIXELS
from ganzoo.data.labelled import labels_of
from ganzoo.data.labels import common_folder, folder_classes
from ganzoo.data.reading import ImageSet
from ganzoo.models.sources import writable_cache
from ganzoo.system.paths import default_cache_dir, user_path
from ganzoo.system.progress import progress_bar
from ganzoo.training.latents import Purpose, uniform
from ganzoo.training.order import Order
from ganzoo.training.pace import Pace

FEW = 100  # the smallest sets that papers train on: "100-shot" of Zhao 2020, section 4.3
_CONVERSIONS = {
    "not square": "are not square: {how}",
    "upscaled": "were smaller and were enlarged",
    "transparent": "are transparent and were laid on white (img_channels=4 keeps alpha)",
    "dark 16-bit": "of 16 bits are nearly black: ganzoo data prepare --white 4095 reads those of 12 bits",
    "animated": "move: the first frame counts",
}
_CROPS = {
    "center": "the square in the middle counts (crop=none squeezes them)",
    "none": "they are squeezed (crop=center takes the middle)",
}


class TrainingImages:
    """Images of a folder, a zip or a zip for StyleGAN's tools, as training asks for them: by position.

    Images number 0 to `count - 1`, in the order of their names, are those that can be used. Position k of
    training is one of them, in an order of its own for each epoch, whatever the batches and processes are.

    Args:
        path: Folder or zip.
        resolution: Side of the images, a power of two from 4 to 2048.
        img_channels: 3 for RGB, with what is transparent laid on white; 1 for greyscale; 4 keeps alpha.
        mirror: Whether half of the positions, by a coin each, show their image mirrored.
        labels: "keep" those of the set's `dataset.json`, if it has any; "folders" for a class to each folder;
            "none".
        crop: "center" for the square in the middle; "none" to squeeze the whole image into the square.
        upscale: Whether to enlarge images that are too small.
        skip: Whether to leave images out that cannot be used, instead of stopping.
        seed: Run seed.
        folder: Folder that holds all decoded sets; None for `~/.cache/ganzoo/decoded`.

    Attributes:
        source: The set.
        class_names: Names of the classes, in the order of their numbers; empty if they have none.
        label_dim: Width of a label, 0 for none.

    Raises:
        ValueError: for a setting, a set or labels that cannot be used, or a class folder without an image.
        OSError: if the folder of decoded sets cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        resolution: int,
        *,
        img_channels: int = 3,
        mirror: bool = False,
        labels: str = "keep",
        crop: str = "center",
        upscale: bool = False,
        skip: bool = False,
        seed: int = 0,
        folder: str | None = None,
    ) -> None:
        settings = Settings(
            resolution=resolution, crop=crop, channels=img_channels, labels=labels, upscale=upscale,
            max_pixels=MAX_PIXELS,
        )  # fmt: skip
        self.source = ImageSet(path, channels=img_channels)
        self.mirror, self.skip, self.seed = mirror, skip, seed
        self._labelled = labels_of(self.source, labels)
        self.class_names = self._labelled.classes
        if labels == "folders":
            _refuse_empty_classes(self.source, self.class_names)
        values = self._labelled.values or []
        self._vectors = bool(values) and isinstance(values[0], list)
        self._values = np.array(values, np.float32 if self._vectors else np.int64)
        if self._vectors:
            self.label_dim = self._values.shape[1]
        else:
            self.label_dim = (
                max(len(self.class_names), int(self._values.max(initial=-1)) + 1) if values else 0
            )
        root = user_path(folder) if folder is not None else default_cache_dir() / "decoded"
        self.decoded = DecodedImages(self.source, settings, root)

    def fill(self, *, shown: bool = True, workers: int | None = None) -> None:
        """Decode what no run has decoded before; several processes may call it at once.

        Args:
            shown: Whether to show progress on stderr.
            workers: Processes that decode; None for as many as there are cores.

        Raises:
            ValueError: if an image cannot be used, unless `skip` leaves it out; if none can.
            OSError: if the disk is full or cannot be written. What is decoded is kept.
        """
        total, missing = len(self.source), self.decoded.missing
        if missing:
            writable_cache(self.decoded.folder, "cache.folder=FOLDER")
        shown = shown and missing > 0
        pace: Pace | None = None
        with progress_bar("left", shown=shown) as progress:
            bar = progress.add_task("Decoding images", total=total, completed=total - missing, left="")

            def report(done: int) -> None:
                nonlocal pace
                if pace is None:  # not before: processes take seconds to start
                    pace = Pace(total, done=done, lines=shown and not sys.stderr.isatty())
                progress.update(bar, completed=done, left=pace.left(done))
                pace.tell(done, lambda: f"Images decoded: {done} of {total}")

            self.decoded.fill(workers=workers, report=report)
        self._refuse_unusable()

    @cached_property
    def _numbers(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Index in the set of each image."""
        return self.decoded.usable

    @cached_property
    def _order(self) -> Order:
        return Order(self.count, self.seed)

    @property
    def count(self) -> int:
        """Number of images, once they are decoded."""
        return len(self._numbers)

    @property
    def sha256(self) -> str | None:
        """The set's name for records, `ImageSet.sha256`; None if a file that was skipped cannot be read."""
        return self.decoded.sha256

    def number(self, position: int) -> int:
        """The image at a position of training."""
        return self._order(position)

    def name(self, number: int) -> str:
        """Name of an image in the set."""
        return self.source.names[int(self._numbers[number])]

    def images(self, positions: Sequence[int]) -> Tensor:
        """Images at positions of training, `[N, C, R, R]` in -1..1, float32, on the CPU."""
        rows = self._rows([self.number(position) for position in positions])
        if self.mirror:
            coins = uniform(positions, seed=self.seed, purpose=Purpose.MIRROR, count=1)[:, 0] < 0.5
            rows[coins] = rows[coins].flip(-1)
        return _values(rows)

    def labels(self, positions: Sequence[int]) -> Tensor | None:
        """Labels at positions of training, `[N, label_dim]`, one-hot for classes; None for a set without."""
        return self.labels_of([self.number(position) for position in positions])

    def samples(self, numbers: Sequence[int]) -> Tensor:
        """Images of these numbers, never mirrored: `[N, C, R, R]` in -1..1, float32, on the CPU."""
        return _values(self._rows(numbers))

    def labels_of(self, numbers: Sequence[int]) -> Tensor | None:
        """Labels of these numbers, `[N, label_dim]`, one-hot for classes; None for a set without."""
        if not self.label_dim:
            return None
        values = torch.from_numpy(self._values[self._numbers[numbers]])
        return values if self._vectors else F.one_hot(values, self.label_dim).float()

    def lines(self) -> list[str]:
        """What was found in the set, for people: labels, what was converted or left out, and warnings."""
        settings, found = self.decoded.settings, self.decoded.oddities
        lines = [
            f"Images: {self.count:,} of {self.source.path}, {settings.resolution} x {settings.resolution}; "
            f"labels: {self._labelled.origin}{self._hint()}"
        ]
        for oddity, text in _CONVERSIONS.items():
            if found[oddity]:
                lines.append(f"  {found[oddity]:,} {text.format(how=_CROPS[settings.crop])}")
        for kind, indexes in self.decoded.unusable.items():
            lines.append(f"  {len(indexes):,} {kind}, left out, such as {self.source.names[indexes[0]]}")
        if self.label_dim and not self._vectors:
            empty = sorted({*range(self.label_dim)} - {*self._values[self._numbers].tolist()})
            names = [self.class_names[i] if i < len(self.class_names) else str(i) for i in empty]
            if empty:
                lines.append(
                    f"  No image has the class {', '.join(names[:5])}: the generator cannot learn it."
                )
        if self.count < FEW:
            lines.append(
                f"  {self.count} images are so few that the generator will learn them by heart: begin with a "
                "trained network (init=MODEL) and augment, or collect more."
            )
        return lines

    def _rows(self, numbers: Sequence[int]) -> Tensor:
        return torch.from_numpy(self.decoded.rows(self._numbers[numbers]))

    def _hint(self) -> str:
        """How to make classes of the folders, where there are some that look like classes."""
        if self.label_dim or self.decoded.settings.labels == "none":
            return ""
        try:
            classes, _ = folder_classes(self.source.names, "")
        except ValueError:
            return ""
        if len(classes) < 2 or all(name.isdigit() for name in classes):  # StyleGAN's folders of 1,000 images
            return ""
        return f" (labels=folders makes a class of each of {len(classes)} folders)"

    def _refuse_unusable(self) -> None:
        """Raise ValueError if images cannot be used, and that is not allowed, or none can."""
        unusable = self.decoded.unusable
        if not unusable or (self.skip and self.count):
            return
        counts = Counter({kind: len(indexes) for kind, indexes in unusable.items()})
        first = min(indexes[0] for indexes in unusable.values())
        ways = ["skip=true leaves them out"] if self.count else []
        ways += ["upscale=true enlarges those that are too small"] if counts["too small"] else []
        told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        raise ValueError(
            f"{self.source.path}: {counts.total()} of {len(self.source)} images cannot be used ({told}). The "
            f"first, {self.source.names[first]}: {self.decoded.fault(first)}. {', '.join(ways)}".rstrip()
            + ("." if ways else "")
        )


def _values(rows: Tensor) -> Tensor:
    """Values in -1..1 of bytes."""
    return rows.float().div_(127.5).sub_(1)


def _refuse_empty_classes(source: ImageSet, classes: Sequence[str]) -> None:
    """Raise ValueError for a folder beside those of the classes that holds no image."""
    if source.is_zip:
        return
    top = source.path / common_folder(source.names)
    if len(classes) == 1:  # it is the folder itself that holds all
        top = top.parent
    beside = {path.name for path in top.iterdir() if path.is_dir() and not path.name.startswith(".")}
    if empty := sorted(beside - {*classes, "__MACOSX"}):
        raise ValueError(
            f"{top / empty[0]} would be a class, and holds no image: remove the folder, or give labels=none."
        )
