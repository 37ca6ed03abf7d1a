"""Sets of images: a folder or a zip, opened the same way and named by one hash."""

import hashlib
import json
import os
import shlex
import stat
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from PIL import Image

from ganzoo.data.decoding import MAX_PIXELS, check_bounds, decode
from ganzoo.data.formats import HEAD, has_image_name, is_image, readable
from ganzoo.data.labels import (
    LABELS_FILE,
    MAX_LABELS_BYTES,
    RECORD_FILE,
    Label,
    labels_file,
    parse_labels,
)
from ganzoo.system.kinds import kind_of
from ganzoo.system.paths import missing, user_path

_CHUNK = 2**20
_MAX_DEFLATE = 1032  # how far deflate shrinks at most: whoever declares more, lies


class ImageSet:
    """The images of a folder or a zip, in the order of their names.

    An image is what has an image's content, whatever its name, or an image's name, whatever its content:
    that one may be damaged, and should not be missed in silence. All else stands in `others`, together with
    hidden files and folders and the `__MACOSX` of Apple's zips, which are not looked into.

    A folder is searched through all its folders; links to images are followed, links to folders are not.
    Nothing of a zip is ever extracted. The set can be pickled and read by several processes: each opens the
    zip by itself.

    Args:
        path: Folder, or a zip of images.
        channels: 3 to read RGB, 1 to read greyscale, 4 to read RGB and alpha.
        max_pixels: Largest width times height of an image.

    Raises:
        ValueError: if it is neither, holds no image, or holds a name twice.
        OSError: if a folder in it cannot be read.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, channels: int = 3, max_pixels: int = MAX_PIXELS
    ) -> None:
        check_bounds(channels, max_pixels)
        self.path = user_path(path)
        self.channels, self.max_pixels = channels, max_pixels
        self._archive: tuple[int, zipfile.ZipFile] | None = None  # and the process that opened it
        self.is_zip = self.path.is_file()
        if not self.path.exists():
            raise ValueError(missing(path))
        if not self.is_zip and not self.path.is_dir():
            raise ValueError(f"{self.path} is neither a folder nor a zip of images.")
        self.names: list[str] = []
        self.others: list[str] = []
        self._label_files: list[str] = []
        self._sort(self._zip().namelist() if self.is_zip else _walk(self.path))
        if not self.names:
            there = f" among {len(self.others)} files, such as {self.others[0]!r}" if self.others else ""
            raise ValueError(f"{self.path} holds no image{there}: no PNG, JPEG or other that Pillow reads.")
        for first, second in zip(self.names, self.names[1:], strict=False):
            if first == second:
                raise ValueError(f"{self.path} holds {first!r} twice: which one counts?")

    def __len__(self) -> int:
        return len(self.names)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_archive": None}

    def read(self, index: int) -> Image.Image:
        """The image in RGB, or in L or RGBA for `channels` of 1 or 4, as `decode` says.

        Raises:
            ValueError: if it cannot be read; one line with the file's name, the reason and what to do.
        """
        try:
            data = self.read_bytes(index)
            return decode(
                data, name=self.names[index], channels=self.channels, max_pixels=self.max_pixels
            ).image
        except ValueError as error:
            raise self._unreadable(self.names[index], error) from error

    def has_alpha(self, index: int) -> bool:
        """Whether the header of an image's file announces alpha; False if it cannot be read."""
        with suppress(Exception), warnings.catch_warnings():  # damage raises anything: see `decode`
            warnings.simplefilter("ignore")
            with self._open(self.names[index]) as file, Image.open(file, formats=readable()) as image:
                return image.has_transparency_data
        return False

    def read_bytes(self, index: int) -> bytes:
        """The file of an image, as it is.

        Raises:
            ValueError: if it cannot be read, or is longer than any image of `max_pixels`; the reason only,
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
        """A label for each image, in the order of the names, or None if the set says none.

        They are read from `dataset.json`, `{"labels": [[name, int or list], …] or null}`, as StyleGAN's tools
        write it; it lies at the top, or in a folder that holds all images.

        Raises:
            ValueError: if it is something else, or an image has no label, or two.
        """
        source = self.labels_file
        if source is None:
            return None
        return parse_labels(
            self._read_text(source),
            self.names,
            folder=source.removesuffix(LABELS_FILE),
            where=f"{self.path}: {source}",
        )

    @property
    def labels_file(self) -> str | None:
        """The file that the labels are read from, or None if there is none.

        Raises:
            ValueError: if there are several.
        """
        return labels_file(self._label_files, self.names, str(self.path))

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes as `prepare` recorded them beside the labels; empty if it recorded none."""
        source = self.labels_file
        record = "" if source is None else source.removesuffix(LABELS_FILE) + RECORD_FILE
        if record not in self.others:
            return ()
        try:
            names = json.loads(self._read_text(record))["classes"]
        except (ValueError, KeyError, TypeError, RecursionError):  # of another program
            return ()
        whole = isinstance(names, list) and all(isinstance(name, str) for name in names)
        return tuple(names) if whole else ()

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

    def _sort(self, files: Iterable[str]) -> None:
        """Tell images, tables of labels and other files from each other."""
        others = set()
        for name in files:
            if (hidden := _hidden(name)) is not None:
                others.add(hidden)
            elif name.endswith("/"):  # a folder in a zip
                continue
            elif has_image_name(name) or self._is_image(name):
                self.names.append(name)
            elif name.rsplit("/", 1)[-1] == LABELS_FILE:
                self._label_files.append(name)
            else:
                others.add(name)
        self.names.sort()
        self._label_files.sort()
        self.others = sorted(others)

    def _is_image(self, name: str) -> bool:
        """Whether a file has an image's content, whatever its name."""
        try:
            with self._open(name) as file:
                return is_image(name, file.read(HEAD), file)
        except ValueError:
            return False

    def _read_text(self, name: str) -> bytes:
        """A file of labels, or of what belongs to them.

        Raises:
            ValueError: if it cannot be read, or is absurdly long.
        """
        try:
            with self._open(name) as file:
                text = file.read(MAX_LABELS_BYTES + 1)
        except ValueError as error:
            raise ValueError(f"{self.path}: {name}: {error}.") from error
        if len(text) > MAX_LABELS_BYTES:
            raise ValueError(f"{self.path}: {name}: it is longer than {MAX_LABELS_BYTES:,} bytes.")
        return text

    def _unreadable(self, name: str, reason: ValueError) -> ValueError:
        """What to raise for an image that cannot be read."""
        command = f"ganzoo data prepare {shlex.quote(str(self.path))} OUT.zip --resolution N"
        return ValueError(
            f"{self.path}: {name}: {reason}. {command} leaves broken images out and counts them."
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
                raise ValueError(f"{self.path} is neither a folder nor a zip of images: {told}.") from error
        return self._archive[1]


def set_digest(files: Iterable[tuple[str, str]]) -> str:
    """The hash of a set of (sha256, name): lines of `sha256sum --zero`, which no name can forge."""
    digest = hashlib.sha256()
    for sha256, name in files:
        digest.update(f"{sha256}  ".encode() + name.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def _walk(folder: Path) -> Iterator[str]:
    """Relative POSIX paths of the files; neither pipes nor devices, which would never end.

    Of a hidden folder, its own path with a slash at its end.
    """

    def refuse(error: OSError) -> None:
        raise OSError(f"{error.filename} cannot be read: {error.strerror}.") from error

    for where, folders, names in os.walk(folder, onerror=refuse):
        below = [f"{Path(where, name).relative_to(folder).as_posix()}/" for name in folders]
        yield from (path for path in below if _hidden(path))
        folders[:] = [name for name in folders if not _hidden(f"{name}/")]
        for name in names:
            path = Path(where, name)
            # A dangling link stays: reading it fails, and is counted.
            if not path.exists() or stat.S_ISREG(path.stat().st_mode):
                yield path.relative_to(folder).as_posix()


def _hidden(name: str) -> str | None:
    """The hidden file or folder, with a slash at its end, that a path leads to or through; None if none."""
    parts = name.split("/")
    for depth, part in enumerate(parts, start=1):
        if (part.startswith(".") and part not in (".", "..")) or part == "__MACOSX":
            return "/".join(parts[:depth]) + "/" * (depth < len(parts))
    return None


def _refuse_absurd(info: zipfile.ZipInfo) -> None:
    """Raise ValueError for a member that is no honest file of an image."""
    if info.flag_bits & 0x1:
        raise ValueError("it is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"its compression method {info.compress_type} is neither stored nor deflate")
    if info.file_size > _MAX_DEFLATE * info.compress_size + 64:
        raise ValueError(
            f"it declares {info.file_size:,} bytes in {info.compress_size:,}, which no deflate reaches"
        )
