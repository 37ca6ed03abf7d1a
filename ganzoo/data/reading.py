"""Sets of pictures: a folder or a zip, opened the same way and named by one hash."""

import hashlib
import json
import os
import shlex
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from PIL import Image

from ganzoo.data.decoding import MAX_PIXELS, check_bounds, decode
from ganzoo.kinds import kind_of

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
LABELS_FILE = "dataset.json"

Label = int | list[float]

_CHUNK = 2**20
_MAX_LABELS_BYTES = 2**28  # a million labels of one number take 40 MB
_MAX_DEFLATE = 1032  # how far deflate shrinks at most: whoever declares more, lies


class PictureSet:
    """The pictures of a folder or a zip, in the order of their names.

    A folder is searched through all its folders; links to pictures are followed, links to folders are not. In
    both, hidden files and folders, and the `__MACOSX` of Apple's zips, are left out. Nothing of a zip is ever
    extracted. The set can be pickled and read by several processes: each opens the zip by itself.

    Args:
        path: a folder, or a zip of pictures.
        channels: 3 to read RGB, 1 to read greyscale.
        max_pixels: width times height of a picture at most.

    Raises:
        ValueError: if it is neither, holds no picture, or holds a name twice.
        OSError: if a folder in it cannot be read.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, channels: int = 3, max_pixels: int = MAX_PIXELS
    ) -> None:
        check_bounds(channels, max_pixels)
        self.path = Path(path)
        self.channels, self.max_pixels = channels, max_pixels
        self._archive: tuple[int, zipfile.ZipFile] | None = None  # and the process that opened it
        self.is_zip = self.path.is_file()
        if not self.is_zip and not self.path.is_dir():
            raise ValueError(f"{self.path} is neither a folder nor a zip of pictures.")
        names = self._zip().namelist() if self.is_zip else _walk(self.path)
        self.names = sorted(name for name in names if _is_picture(name))
        if not self.names:
            raise ValueError(f"{self.path} holds no picture ({', '.join(EXTENSIONS)}).")
        for first, second in zip(self.names, self.names[1:], strict=False):
            if first == second:
                raise ValueError(f"{self.path} holds {first!r} twice: which one counts?")

    def __len__(self) -> int:
        return len(self.names)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_archive": None}

    def read(self, index: int) -> Image.Image:
        """The picture in RGB, or in L for `channels=1`, as `decode` says.

        Raises:
            ValueError: if it cannot be read; one line with the file's name, the reason and what to do.
        """
        try:
            data = self.read_bytes(index)
            return decode(data, channels=self.channels, max_pixels=self.max_pixels).image
        except ValueError as error:
            raise self._unreadable(self.names[index], error) from error

    def read_bytes(self, index: int) -> bytes:
        """The file of a picture, as it is.

        Raises:
            ValueError: if it cannot be read, or is longer than any picture of `max_pixels`; the reason only,
                for callers that name the file themselves.
        """
        most = 8 * self.max_pixels + 2**24  # four channels of 16 bits, uncompressed, and 16 MiB of metadata
        with self._open(self.names[index]) as file:
            data = file.read(most + 1)
            if len(data) > most:
                raise ValueError(f"its file is longer than {most:,} bytes")
        return data

    @cached_property
    def sha256(self) -> str:
        """The set's name for records: the hash of all names and files, the same for a folder and its zip.

        It is what `sha256sum --zero NAMES… | sha256sum` prints, names relative and sorted.

        Raises:
            ValueError: if a file cannot be read.
        """

        def digests() -> Iterator[tuple[str, str]]:
            for name in self.names:
                digest = hashlib.sha256()
                try:
                    with self._open(name) as file:
                        while chunk := file.read(_CHUNK):
                            digest.update(chunk)
                except ValueError as error:
                    raise self._unreadable(name, error) from error
                yield digest.hexdigest(), name

        return set_digest(digests())

    @cached_property
    def labels(self) -> list[Label] | None:
        """A label for each picture, in the order of the names, or None if the set says none.

        They are read from `dataset.json`, `{"labels": [[name, int or list], …] or null}`, as StyleGAN's tools
        write it.

        Raises:
            ValueError: if it is something else, or a picture has no label.
        """
        data = self._read_labels_file()
        if data is None or data["labels"] is None:
            return None
        where = f"{self.path}: {LABELS_FILE}"
        try:
            by_name = {str(name): label for name, label in data["labels"]}
        except (TypeError, ValueError):
            raise ValueError(f"{where}: labels is a list of [name, label], or null.") from None
        missing = [name for name in self.names if name not in by_name]
        if missing:
            raise ValueError(f"{where} has no label for {len(missing)} pictures, such as {missing[0]!r}.")
        labels: list[Label] = [by_name[name] for name in self.names]
        kinds = {_kind(label) for label in labels}
        if len(kinds) > 1 or None in kinds:
            raise ValueError(f"{where}: labels are all whole numbers from 0, or all lists of one length.")
        return labels

    def fingerprint(self) -> str:
        """A hash that tells a changed set without reading it: names, sizes, times (of a zip: checksums)."""
        digest = hashlib.sha256()
        for name in self.names:
            if self.is_zip:
                info = self._zip().getinfo(name)
                facts: tuple[int, int] = (info.file_size, info.CRC)
            else:
                try:
                    status = (self.path / name).stat()
                    facts = (status.st_size, status.st_mtime_ns)
                except OSError:
                    facts = (-1, -1)
            digest.update(json.dumps([name, *facts]).encode())
        return digest.hexdigest()

    def _read_labels_file(self) -> dict[str, Any] | None:
        """What `dataset.json` says, if there is one."""
        if self.is_zip:
            present = LABELS_FILE in self._zip().namelist()
        else:
            present = (self.path / LABELS_FILE).is_file()
        if not present:
            return None
        try:
            with self._open(LABELS_FILE) as file:
                text = file.read(_MAX_LABELS_BYTES + 1)
                if len(text) > _MAX_LABELS_BYTES:
                    raise ValueError(f"it is longer than {_MAX_LABELS_BYTES:,} bytes")
            data = json.loads(text)
            if not isinstance(data, dict) or not isinstance(data.get("labels", 0), list | None):
                raise ValueError('it is no {"labels": [[name, label], …]} of StyleGAN, nor null there')
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{self.path}: {LABELS_FILE}: {error}.") from error
        return data

    def _unreadable(self, name: str, reason: ValueError) -> ValueError:
        """What to raise for a picture that cannot be read."""
        command = f"ganzoo data prepare {shlex.quote(str(self.path))} OUT.zip --resolution N"
        return ValueError(
            f"{self.path}: {name}: {reason}. {command} leaves broken pictures out and counts them."
        )

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        """A member to read from; whatever fails while it is open becomes a ValueError with the reason."""
        try:
            if self.is_zip:
                info = self._zip().getinfo(name)
                _refuse_absurd(info)
                with self._zip().open(info) as member:
                    yield member
            else:
                with (self.path / name).open("rb") as file:
                    yield file
        except OSError as error:
            raise ValueError(error.strerror or str(error)) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error

    def _zip(self) -> zipfile.ZipFile:
        """The archive, opened once per process: a fork would share the place in the file with its parent."""
        if self._archive is None or self._archive[0] != os.getpid():
            try:
                self._archive = os.getpid(), zipfile.ZipFile(self.path)
            except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
                what = kind_of(self.path)
                told = f"it is {what}" if what else error
                raise ValueError(f"{self.path} is neither a folder nor a zip of pictures: {told}.") from error
        return self._archive[1]


def set_digest(files: Iterable[tuple[str, str]]) -> str:
    """The hash of a set of (sha256, name): lines of `sha256sum --zero`, which no name can forge."""
    digest = hashlib.sha256()
    for sha256, name in files:
        digest.update(f"{sha256}  ".encode() + name.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def _walk(folder: Path) -> Iterator[str]:
    """Relative POSIX paths of the files; neither pipes nor devices, which would never end."""

    def refuse(error: OSError) -> None:
        raise OSError(f"{error.filename} cannot be read: {error.strerror}.") from error

    for where, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(where, name)
            # A dangling link stays: reading it fails, and is counted.
            if not path.exists() or stat.S_ISREG(path.stat().st_mode):
                yield path.relative_to(folder).as_posix()


def _is_picture(name: str) -> bool:
    parts = name.split("/")
    return name.lower().endswith(EXTENSIONS) and not any(p.startswith(".") or p == "__MACOSX" for p in parts)


def _kind(label: object) -> int | None:
    """-1 for a class, the length of a vector, None for what is neither."""
    if isinstance(label, int) and not isinstance(label, bool) and label >= 0:
        return -1
    numbers = isinstance(label, list) and all(type(value) in (int, float) for value in label)
    return len(label) if numbers and label else None  # type: ignore[arg-type]


def _refuse_absurd(info: zipfile.ZipInfo) -> None:
    """Raise ValueError for a member that is no honest file of a picture."""
    if info.flag_bits & 0x1:
        raise ValueError("it is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"its compression method {info.compress_type} is neither stored nor deflate")
    if info.file_size > _MAX_DEFLATE * info.compress_size + 64:
        raise ValueError(
            f"it declares {info.file_size:,} bytes in {info.compress_size:,}, which no deflate reaches"
        )
