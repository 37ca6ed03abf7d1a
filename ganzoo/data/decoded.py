"""The images of a set, decoded once into a mapped file that any number of processes read.

The folder of a set holds `images.npy`, uint8 `[N, C, R, R]`; `rows.npy`, what became of each image; and
`lock`, held by the run that decodes. A row is written after its image is on the disk: whatever stopped a run,
the next one decodes what is missing. The file is written, and never mapped for writing, since a full disk
would kill a process that writes to a mapped page.
"""

import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from ganzoo.data.conversion import CONVERTED, SKIPPED, Settings, Unusable, square, usable
from ganzoo.data.prepare import versions
from ganzoo.data.reading import ImageSet, set_digest
from ganzoo.data.resize import RESIZER, Bytes
from ganzoo.data.workers import ordered_map, usable_cores
from ganzoo.system.files import DISK_FULL, UNREADABLE_ARRAY, facts_digest, replacing
from ganzoo.system.progress import stage

_IMAGES, _ROWS, _LOCK = "images.npy", "rows.npy", "lock"
_SECONDS = 1.0  # between two moments when all is on the disk: what a kill costs at most
_FEW = 64  # images that this process decodes before two others have started
_GIB = 2**30

# kind: 0 for missing, 1 for there, from 2 on the index in `SKIPPED`; oddities: a bit for each of `CONVERTED`.
_ROW = np.dtype([("kind", "u1"), ("oddities", "<u2"), ("sha256", "u1", (32,))])
_MISSING, _THERE, _SKIPPED = 0, 1, 2
_UPSCALED = 1 << CONVERTED.index("upscaled")


class DecodedImages:
    """All images of a set at one resolution, as rows of bytes.

    Args:
        images: Set.
        settings: How its images are decoded and fitted.
        root: Folder that holds the folders of all sets.

    Attributes:
        folder: Folder of this set. It is named by all that decides on the pixels, so that runs with the same
            images share it, and no others do.
    """

    def __init__(self, images: ImageSet, settings: Settings, root: Path) -> None:
        self.images, self.settings = images, settings
        side = settings.resolution
        self.shape = (len(images), settings.channels, side, side)
        decisive = {**asdict(settings), "labels": None, "upscale": None}
        facts = {**decisive, "source": images.fingerprint(), "resizer": RESIZER, "versions": versions()}
        self.folder = root / facts_digest(facts)[:16]
        self._mapped: tuple[Bytes, NDArray[Any]] | None = None

    @property
    def missing(self) -> int:
        """Images that are still to be decoded."""
        found = self._opened()
        return len(self.images) if found is None else len(_missing(found[1]))

    def fill(
        self, *, workers: int | None = None, report: Callable[[int], None] = lambda decoded: None
    ) -> None:
        """Decode what is missing; where another process is at it, wait for that one.

        Args:
            workers: Processes that decode; None for as many as there are cores. A script needs the guard
                `if __name__ == "__main__":`, for they are fresh interpreters.
            report: Function that is told the number of images decoded.

        Raises:
            OSError: if the images do not fit on the disk, it cannot be written, or a worker died. What is
                decoded is kept.
        """
        if not self.missing:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with _held(self.folder):
            try:
                self._check_space()
                self._fill(workers, report)
            except OSError as error:
                if error.errno not in DISK_FULL:
                    raise
                raise self._too_large() from error
            finally:
                self._mapped = None

    @property
    def usable(self) -> NDArray[np.int64]:
        """Indexes of the images that can be used, once all are decoded."""
        return np.flatnonzero(self._kinds() == _THERE)

    @property
    def unusable(self) -> dict[str, list[int]]:
        """Indexes of the images that cannot be used, by the kind of their fault, which `SKIPPED` lists."""
        kinds = self._kinds()
        found = {kind: np.flatnonzero(kinds == _SKIPPED + i).tolist() for i, kind in enumerate(SKIPPED)}
        return {kind: indexes for kind, indexes in found.items() if indexes}

    def fault(self, index: int) -> str:
        """Why an image cannot be used; it is read again to tell."""
        try:
            usable(self.images.read_bytes(index), self.images.names[index], self.settings)
        except ValueError as error:
            return str(error)
        return "it could not be read before"

    @property
    def oddities(self) -> Counter[str]:
        """How many of the usable images were converted by what: `CONVERTED` lists it."""
        bits = self._whole()[1]["oddities"][self.usable]
        return Counter({name: int((bits >> i & 1).sum()) for i, name in enumerate(CONVERTED)})

    @property
    def sha256(self) -> str | None:
        """Value of `ImageSet.sha256`, without reading the set again; None if a file could not be read."""
        digests = self._whole()[1]["sha256"]
        if not digests.any(axis=1).all():
            return None
        names = self.images.names
        return set_digest((digest.tobytes().hex(), name) for digest, name in zip(digests, names, strict=True))

    def rows(self, indexes: NDArray[np.int64]) -> Bytes:
        """Pixels of images, `[N, C, R, R]`, copied from the file."""
        return np.asarray(self._whole()[0])[indexes]

    def _kinds(self) -> NDArray[np.uint8]:
        """The kind of every row; images that were enlarged are too small, unless that is allowed."""
        rows = self._whole()[1]
        kinds: NDArray[np.uint8] = np.array(rows["kind"])
        if not self.settings.upscale:
            small = (kinds == _THERE) & (rows["oddities"] & _UPSCALED > 0)
            kinds[small] = _SKIPPED + SKIPPED.index("too small")
        return kinds

    def _whole(self) -> tuple[Bytes, NDArray[Any]]:
        found = self._opened()
        if found is None or self._mapped is None:
            raise OSError(f"{self.folder} is gone, damaged or unfinished: run the same command again.")
        return found

    def _opened(self) -> tuple[Bytes, NDArray[Any]] | None:
        """Images and rows, mapped from the files; None where one is missing, short or damaged."""
        if self._mapped is not None:
            return self._mapped
        try:
            images = np.load(self.folder / _IMAGES, mmap_mode="r", allow_pickle=False)
            rows = np.load(self.folder / _ROWS, allow_pickle=False)
        except UNREADABLE_ARRAY:
            return None
        if images.dtype != np.uint8 or images.shape != self.shape:
            return None
        if rows.dtype != _ROW or rows.shape != self.shape[:1]:
            return None
        if (rows["kind"] != _MISSING).all():
            self._mapped = images, rows
        return images, rows

    def _fill(self, workers: int | None, report: Callable[[int], None]) -> None:
        found = self._opened()
        if found is None:
            self._create()
        missing = list(range(len(self.images))) if found is None else _missing(found[1]).tolist()
        if workers is None:
            workers = usable_cores() if len(missing) > _FEW else 1
        with (
            (self.folder / _IMAGES).open("r+b") as images,
            (self.folder / _ROWS).open("r+b") as rows,
            closing(ordered_map(_Decoder(self.images, self.settings), missing, workers=workers)) as results,
            _Writer(images, rows) as writer,
        ):
            for done, (index, (row, pixels)) in enumerate(zip(missing, results, strict=True), start=1):
                writer.append(index, row, pixels)
                report(len(self.images) - len(missing) + done)

    def _create(self) -> None:
        """Both files, of the right size, without an image."""
        for name, dtype, shape in (
            (_ROWS, _ROW, self.shape[:1]),  # first: old ones would speak of images that are gone
            (_IMAGES, np.dtype(np.uint8), self.shape),
        ):
            with replacing(self.folder / name) as temporary, temporary.open("wb") as file:
                descr = np.lib.format.dtype_to_descr(dtype)
                np.lib.format.write_array_header_1_0(
                    file, {"descr": descr, "fortran_order": False, "shape": shape}
                )
                file.truncate(file.tell() + dtype.itemsize * int(np.prod(shape)))

    def _check_space(self) -> None:
        """Raise OSError if what is missing is larger than what the disk has left."""
        if self.missing * int(np.prod(self.shape[1:])) > shutil.disk_usage(self.folder).free:
            raise self._too_large()

    def _too_large(self) -> OSError:
        size = int(np.prod(self.shape)) / _GIB
        return OSError(
            f"{len(self.images)} decoded images take {size:.3g} GiB, which do not fit on the disk of "
            f"{self.folder}: make room, or choose another folder. What is decoded is kept."
        )


class _Writer:
    """Writes images, and their rows once they are on the disk; a context manager that leaves none behind."""

    def __init__(self, images: IO[bytes], rows: IO[bytes]) -> None:
        self._images, self._rows = images, rows
        self._starts = [_start(file) for file in (images, rows)]
        self._waiting: list[tuple[int, bytes]] = []
        self._written_at = time.monotonic()

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._checkpoint()

    def append(self, index: int, row: bytes, pixels: bytes | None) -> None:
        """Add what became of an image."""
        if pixels is not None:
            self._images.seek(self._starts[0] + index * len(pixels))
            self._images.write(pixels)
        self._waiting.append((index, row))
        if time.monotonic() - self._written_at > _SECONDS:
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Put images, then the rows that tell of them, on the disk."""
        self._images.flush()
        os.fsync(self._images.fileno())
        for index, row in self._waiting:
            self._rows.seek(self._starts[1] + index * len(row))
            self._rows.write(row)
        self._waiting.clear()
        self._rows.flush()
        os.fsync(self._rows.fileno())
        self._written_at = time.monotonic()


def _start(file: IO[bytes]) -> int:
    """Where the array of a `.npy` file begins."""
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    return file.tell()


class _Decoder:
    """Index of an image to its row, and its pixels `[C, R, R]` if it has any; pickled once for each worker.

    Small images are enlarged: whether they count is decided when the rows are read.
    """

    def __init__(self, images: ImageSet, settings: Settings) -> None:
        self.images, self.settings = images, replace(settings, upscale=True)

    def __call__(self, index: int) -> tuple[bytes, bytes | None]:
        digest = bytes(32)
        try:
            data = self.images.read_bytes(index)
            digest = hashlib.sha256(data).digest()
            decoded = usable(data, self.images.names[index], self.settings)
        except ValueError as error:
            kind = error.kind if isinstance(error, Unusable) else "corrupt"
            return _row(_SKIPPED + SKIPPED.index(kind), (), digest), None
        pixels = square(decoded.image, self.settings).transpose(2, 0, 1)
        return _row(_THERE, decoded.oddities, digest), pixels.tobytes()


def _row(kind: int, oddities: Sequence[str], digest: bytes) -> bytes:
    bits = sum(1 << CONVERTED.index(oddity) for oddity in oddities)
    return np.array((kind, bits, np.frombuffer(digest, np.uint8)), _ROW).tobytes()


def _missing(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Indexes to decode: those without a row, and files that could not be read, which may be mended."""
    kinds = rows["kind"]
    return np.flatnonzero((kinds == _MISSING) | ((kinds >= _SKIPPED) & ~rows["sha256"].any(axis=1)))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes, and wait for the one that does."""
    lock = FileLock(folder / _LOCK)
    with suppress(NotImplementedError, OSError):  # of a file system without locks
        try:
            lock.acquire(timeout=0)
        except Timeout:
            with stage(f"Another run decodes the same images into {folder}: waiting for it", told=True):
                lock.acquire()
    try:
        yield
    finally:
        lock.release()
