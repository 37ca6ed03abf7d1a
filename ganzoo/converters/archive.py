"""The members of a file of torch.save: of the zip that it is, of that zip made anew, or of a folder.

`torch.save` writes `<name>/data.pkl` and `<name>/data/<key>`, uncompressed. People unpack that, and pack it
again: with another top folder or none, and compressed.
"""

import io
import mmap
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from ganzoo.converters.safe_pickle import UnsafePickleError
from ganzoo.converters.unknown import shown

PICKLE = "data.pkl"
MAX_ZIP_MEMBERS = 50_000
MAX_ZIP_DIRECTORY = 8 << 20  # bytes; what zipfile makes of them takes ten times as much
MAX_INFLATED = 64 << 20  # of a compressed member, which lies in memory; the largest layer has 37 MiB
_SPARE = 256 << 10
_ZIP_HEADER = 30  # bytes of a member's local header, before its name and extra field
_CHECKPOINTS = (".pt", ".pth", ".pkl", ".ckpt", ".safetensors", ".bin")
_UNPACK = "unpack it, and give the folder"


class Member:
    """A member: its size, its bytes when they are asked for, and their checksum, if one is known."""

    def __init__(self, size: int, read: Callable[[], memoryview], crc: int | None = None) -> None:
        self.size, self.read, self.crc = size, read, crc


class ZipArchive:
    """The members of a zip file.

    Args:
        path: Path of the file.
        data: Bytes of the whole file.

    Raises:
        UnsafePickleError: if it is none of torch.save, or larger than it may be.
    """

    def __init__(self, path: Path, data: memoryview) -> None:
        self.data = data
        with _Directory(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
        self.members = {m.filename: m for m in members}
        size = sum(m.file_size for m in members)
        if len(members) > MAX_ZIP_MEMBERS or len(self.members) < len(members):
            raise UnsafePickleError("The zip file has too many members, or two of one name.")
        if size > len(data) and all(m.compress_type == zipfile.ZIP_STORED for m in members):
            raise UnsafePickleError("The zip file promises more than it holds.")
        if size > 2 * len(data) + _SPARE:
            raise UnsafePickleError(f"The zip file holds more than twice its size: {_UNPACK}.")
        self.left = 2 * size + MAX_INFLATED  # bytes to inflate: views of one member could ask for any number
        names = [name for name in self.members if name.rpartition("/")[2] == PICKLE]
        if len(names) != 1:
            inner = [name for name in self.members if name.lower().endswith(_CHECKPOINTS)]
            told = f". It holds {shown(inner[0])}: unpack it first" if inner and not names else ""
            raise UnsafePickleError(
                f"The zip file is not one of torch.save: it has no single {PICKLE}{told}."
            )
        self.folder = names[0].removesuffix(PICKLE)

    def find(self, name: str) -> Member | None:
        """The member of a name below that of the pickle.

        Raises:
            UnsafePickleError: if it cannot be read.
        """
        info = self.members.get(f"{self.folder}{name}")
        if info is None:
            return None
        if info.flag_bits & 1:
            raise UnsafePickleError(f"{shown(info.filename)} is encrypted.")
        header = self.data[max(info.header_offset, 0) : info.header_offset + _ZIP_HEADER]
        if len(header) < _ZIP_HEADER:
            raise UnsafePickleError(f"{shown(info.filename)} lies outside of the file.")
        name_length, extra_length = (int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
        start = info.header_offset + _ZIP_HEADER + name_length + extra_length
        raw = self.data[start : start + info.compress_size]
        if len(raw) < info.compress_size:
            raise UnsafePickleError(f"{shown(info.filename)} lies outside of the file.")
        if info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size:
            return Member(info.file_size, lambda: raw, info.CRC)
        if info.compress_type != zipfile.ZIP_DEFLATED or info.file_size > MAX_INFLATED:
            raise UnsafePickleError(
                f"{shown(info.filename)} is too large to be read compressed, or of a rare method: {_UNPACK}."
            )
        return Member(info.file_size, lambda: self._inflate(raw, info), info.CRC)

    def _inflate(self, raw: memoryview, info: zipfile.ZipInfo) -> memoryview:
        """The bytes of a compressed member."""
        self.left -= info.file_size
        if self.left < 0:
            raise UnsafePickleError(f"The zip file's members are read too often: {_UNPACK}.")
        try:
            found = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, info.file_size + 1)
        except zlib.error as error:
            raise UnsafePickleError(f"{shown(info.filename)} is damaged.") from error
        if len(found) != info.file_size or zlib.crc32(found) != info.CRC:
            raise UnsafePickleError(f"{shown(info.filename)} is damaged: it does not match its checksum.")
        return memoryview(found)


class FolderArchive:
    """The members of a folder that such a zip was unpacked to."""

    def __init__(self, folder: Path) -> None:
        found = [*folder.iterdir(), *((folder / "data").iterdir() if (folder / "data").is_dir() else ())]
        self.files = {p.relative_to(folder).as_posix(): p for p in found if p.is_file()}
        if len(self.files) > MAX_ZIP_MEMBERS:
            raise UnsafePickleError("The folder has too many files.")
        self.size = sum(path.stat().st_size for path in self.files.values())

    def find(self, name: str) -> Member | None:
        """The member of a name, one that the folder was found to have."""
        path = self.files.get(name)
        return None if path is None else Member(path.stat().st_size, lambda: mapped(path))


def unpacked(path: Path) -> Path | None:
    """The folder of an unpacked file of torch.save, by its path, its parent's or its pickle's, or None."""
    if path.name == PICKLE and (path.parent / "data").is_dir():
        return path.parent
    if not path.is_dir():
        return None
    found = [p.parent for p in (path / PICKLE, *sorted(path.glob(f"*/{PICKLE}"))) if p.is_file()]
    return found[0] if len(found) == 1 else None


def mapped(path: Path) -> memoryview:
    """A file's bytes, which take no memory before they are read."""
    if path.stat().st_size == 0:
        return memoryview(b"")
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


class _Directory(io.FileIO):
    """A zip file whose directory is no larger than one of torch.save: zipfile reads it at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_ZIP_DIRECTORY:
            raise zipfile.BadZipFile("too many members")
        return super().read(size) or b""
