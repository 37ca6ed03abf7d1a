"""A zip of images that grows in a folder of its own, run after run, and leaves it when it is whole.

The folder holds `settings.json` (what a run must have in common to go on), `images.zip` (members one after
the other, without the central directory that ends a zip), `journal.jsonl` (a line for each image of the
source, with where its member lies) and `lock` (held by the run at work). The journal is written after the
images that it tells of are on the disk: whatever stopped a run, the next one cuts the zip behind the last
image of the journal and goes on.
"""

import hashlib
import json
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

_SETTINGS, _IMAGES, _JOURNAL, _LOCK = "settings.json", "images.zip", "journal.jsonl", "lock"
_SECONDS = 1.0  # between two moments when all is on the disk: what a kill costs at most


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What became of one image of the source: a line of the journal.

    Attributes:
        name: Name in the source.
        sha256: Hash of its file; None if that could not be read.
        pixels: Hash of its pixels; None if it could not be decoded.
        skipped: Reason in one word why it is not in the zip; None if it is.
        reason: Reason in a sentence.
        oddities: Conversions, for the counts.
        brightest: Largest value of 16-bit greyscale; None for others.
        member: Hash, checksum, size and place of its PNG; None if it is not in the zip.
    """

    name: str
    sha256: str | None = None
    pixels: str | None = None
    skipped: str | None = None
    reason: str | None = None
    oddities: tuple[str, ...] = ()
    brightest: int | None = None
    member: dict[str, Any] | None = None


class PartialZip:
    """The folder of an unfinished zip, opened for one run; a context manager.

    Args:
        folder: Folder of the unfinished work; made if it does not exist.
        settings: Settings; work goes on only if a former run had the same.
        restart: Whether to begin anew where it cannot go on.

    Raises:
        ValueError: if the folder cannot be continued, or another run is at work in it.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, restart: bool) -> None:
        self.folder = folder
        self.entries: list[Entry] = []
        self.members: list[zipfile.ZipInfo] = []
        self._unwritten: list[Entry] = []
        self._end = 0
        self._written_at = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        if {path.name for path in folder.iterdir()} - {_SETTINGS, _IMAGES, _JOURNAL, _LOCK}:
            raise ValueError(f"{folder} holds files that are not ours: move them, or choose another name.")
        with ExitStack() as stack:
            _lock(folder, stack)
            self._journal: IO[bytes] = stack.enter_context((folder / _JOURNAL).open("a+b"))
            try:
                self._take_up(settings)
            except ValueError:
                if not restart:
                    raise
                self._journal.truncate(0)
            if not self.entries:
                (folder / _SETTINGS).write_text(json.dumps(settings, indent=1))
                (folder / _IMAGES).touch()
            self._images: IO[bytes] = stack.enter_context((folder / _IMAGES).open("r+b"))
            self._images.truncate(self._end)
            self._images.seek(self._end)
            self._files = stack.pop_all()

    def __enter__(self) -> "PartialZip":
        return self

    def __exit__(self, *_: object) -> None:
        with self._files:
            self._checkpoint()

    def append(self, entry: Entry, png: bytes | None) -> None:
        """Add what became of the next image, and its PNG if it has one."""
        if png is not None:
            member = {
                "sha256": hashlib.sha256(png).hexdigest(), "crc": zlib.crc32(png), "size": len(png),
                "offset": self._end,
            }  # fmt: skip
            info = _member(len(self.members), member)
            header = info.FileHeader()
            self._images.write(header)
            self._images.write(png)
            self._end += len(header) + len(png)
            self.members.append(info)
            entry = replace(entry, member=member)
        self.entries.append(entry)
        self._unwritten.append(entry)
        if time.monotonic() - self._written_at > _SECONDS:
            self._checkpoint()

    def finish(self, out: Path, texts: Mapping[str, str]) -> None:
        """Add the texts and the directory of the zip, move it to its place, and remove the folder."""
        self._checkpoint()
        # On an open file, ZipFile writes from where it stands; it need not have written what it lists.
        with zipfile.ZipFile(self._images, "w") as archive:
            archive.filelist.extend(self.members)
            for name, text in texts.items():
                archive.writestr(_info(name), text.encode())
        self._images.flush()
        os.fsync(self._images.fileno())
        self._files.close()
        (self.folder / _IMAGES).replace(out)
        shutil.rmtree(self.folder)

    def discard(self) -> None:
        """Remove the folder with all that is in it."""
        self._unwritten.clear()
        self._files.close()
        shutil.rmtree(self.folder)

    def _take_up(self, settings: Mapping[str, Any]) -> None:
        """Take up the entries of a former run, and cut what it did not account for."""
        self._journal.seek(0)
        text = self._journal.read()
        whole = text.rfind(b"\n") + 1  # a line without its end was being written
        if not whole:
            self._journal.truncate(0)
            return
        advice = "delete the folder, or start over (--overwrite)"
        try:
            former = json.loads((self.folder / _SETTINGS).read_text())
            entries = [Entry(**json.loads(line)) for line in text[:whole].splitlines()]
            placed = [entry.member for entry in entries if entry.member is not None]
            members = [_member(i, facts) for i, facts in enumerate(placed)]
            end = sum(len(info.FileHeader()) + info.file_size for info in members)
            damaged = (self.folder / _IMAGES).stat().st_size < end
        except (FileNotFoundError, KeyError, TypeError, ValueError):
            damaged = True
        if damaged:
            raise ValueError(f"{self.folder} is damaged: {advice}.")
        now = json.loads(json.dumps(settings))
        if former != now:
            names = sorted(key for key in {*former, *now} if former.get(key) != now.get(key))
            raise ValueError(
                f"{self.folder} holds an unfinished run with another {', '.join(names)}: {advice}."
            )
        self._journal.truncate(whole)
        self.entries, self.members, self._end = entries, members, end

    def _checkpoint(self) -> None:
        """Put images, then the lines that tell of them, on the disk."""
        if self._unwritten:
            self._images.flush()
            os.fsync(self._images.fileno())
            lines = b"".join(json.dumps(asdict(entry)).encode() + b"\n" for entry in self._unwritten)
            self._unwritten.clear()  # first: no line twice, if Ctrl-C comes now
            self._journal.write(lines)
            self._journal.flush()
            os.fsync(self._journal.fileno())
        self._written_at = time.monotonic()


def member_name(index: int) -> str:
    """Where StyleGAN's tools expect the image: 1,000 to a folder."""
    return f"{index // 1000:05d}/img{index:08d}.png"


def _member(index: int, facts: Mapping[str, Any]) -> zipfile.ZipInfo:
    info = _info(member_name(index))
    info.CRC, info.header_offset = facts["crc"], facts["offset"]
    info.file_size = info.compress_size = facts["size"]
    return info


def _info(name: str) -> zipfile.ZipInfo:
    """A stored member without anything of the day or the machine."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3
    info.external_attr = 0o100644 << 16
    return info


def _lock(folder: Path, stack: ExitStack) -> None:
    """Hold the folder until the stack is closed; the system lets go of it when the process ends.

    Raises:
        ValueError: if another run holds it.
    """
    try:
        stack.enter_context(FileLock(folder / _LOCK, timeout=0))
    except Timeout:
        raise ValueError(f"{folder} is in use by another run: wait for it, or choose another name.") from None
    except (NotImplementedError, OSError):  # a file system without locks
        return
