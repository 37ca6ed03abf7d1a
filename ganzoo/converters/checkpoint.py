"""Opens checkpoint files as inert data: zip files, folders and streams of `torch.save`, and bare pickles.

Tensors come as `TensorRef`: where their numbers lie in the file. Nothing is copied before `array()` is
called, so that optimiser states and networks that nobody asked for cost nothing.
"""

import struct
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ganzoo.converters.archive import PICKLE, FolderArchive, ZipArchive, mapped, unpacked
from ganzoo.converters.contents import Storage
from ganzoo.converters.safe_pickle import MAX_NAME, Limits, Pickle, UnsafePickleError
from ganzoo.converters.stand_ins import stand_ins
from ganzoo.converters.unfold import check_size
from ganzoo.converters.unknown import Name, Unknown, shown

_ZIP_BEGINS, _PICKLE_BEGINS = b"PK\x03\x04", b"\x80"  # the latter for 20 years
_SPARE_TENSORS = 16 << 20  # that a file of few numbers may have beyond twice its size
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# names of torch's storages: numpy type of the numbers
_STORAGES = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
    "torch.ComplexFloatStorage": "<c8",
    "torch.ComplexDoubleStorage": "<c16",
    "torch.QInt8Storage": "i1",
    "torch.QUInt8Storage": "u1",
    "torch.QInt32Storage": "<i4",
    "torch.storage.UntypedStorage": "u1",
}


def open_checkpoint(path: Path) -> Any:
    """The contents of a checkpoint: plain containers, numbers, `TensorRef`, `ArrayRef` and `Record`.

    Anything else in it is an `Unknown`: never made, only named.

    Args:
        path: File, or the folder that a file of torch.save was unpacked to.

    Raises:
        UnsafePickleError: for a damaged or hostile file.
        FileNotFoundError: if there is no such file.
    """
    if folder := unpacked(path):
        return _open_folder(folder)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    if path.stat().st_size == 0:
        raise UnsafePickleError(f"{path} is empty.")
    data = mapped(path)
    limits = Limits(tensor_bytes=2 * len(data) + _SPARE_TENSORS)
    is_zip = zipfile.is_zipfile(path)
    if not is_zip and data[:4] == _ZIP_BEGINS:
        raise UnsafePickleError(f"{path}: The file is cut off: its end is missing. Download it again.")
    try:
        found = _load_archive(ZipArchive(path, data), limits) if is_zip else _load_stream(data, limits)
        check_size(found, limits.tensor_bytes)
    except UnsafePickleError as error:
        if not is_zip and data[:1] != _PICKLE_BEGINS and "malformed" in str(error):
            raise UnsafePickleError(f"{path}: This is neither a file of torch.save nor a pickle.") from error
        raise UnsafePickleError(f"{path}: {error}") from error
    except (zipfile.BadZipFile, struct.error, ValueError, RuntimeError, MemoryError) as error:
        raise UnsafePickleError(f"{path} is damaged: {type(error).__name__}.") from error
    return found


def _open_folder(folder: Path) -> Any:
    """The contents of a file of torch.save that was unpacked; raises the same."""
    try:
        archive = FolderArchive(folder)
        limits = Limits(tensor_bytes=2 * archive.size + _SPARE_TENSORS)
        found = _load_archive(archive, limits)
        check_size(found, limits.tensor_bytes)
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{folder}: {error}") from error
    return found


def _load_archive(archive: ZipArchive | FolderArchive, limits: Limits) -> Any:
    """The contents of a file that `torch.save` writes today."""
    storages: dict[str, Storage] = {}

    def storage(persistent_id: Any) -> Any:
        """The storage of a persistent id `("storage", type, key, device, numel)`."""
        found = _storage_id(persistent_id)
        if type(found) is not _StorageId:
            return found
        if found.key not in storages:
            member = archive.find(f"data/{found.key}")
            if member is None:
                raise UnsafePickleError(f"The file lacks the storage {shown(found.key)!r}.")
            storages[found.key] = Storage(found.kind, found.numel, member.read, member.crc)
            if found.numel * storages[found.key].itemsize > member.size:
                raise UnsafePickleError(f"A storage of {found.numel} items does not fit its bytes.")
        return storages[found.key]

    order = archive.find("byteorder")
    if order is not None and bytes(order.read()[:16]) != b"little":
        raise UnsafePickleError("The file was written on a machine of the other byte order.")
    pickle = archive.find(PICKLE)
    if pickle is None:
        raise UnsafePickleError(f"There is no {PICKLE}.")
    calls = stand_ins(limits, partial(_load_stream, limits=limits))
    return Pickle(pickle.read(), stand_ins=calls, limits=limits, persistent=storage).load()


def _load_stream(data: memoryview, limits: Limits) -> Any:
    """A bare pickle, or what `torch.save` wrote before it wrote zip files.

    That is a pickle of a magic number, of a version, of the machine's types, of the object and of the
    storages' keys, and then the storages, each behind the number of its items.
    """
    limits.streams -= 1
    if limits.streams < 0:
        raise UnsafePickleError("Streams are nested too deep.")
    storages: dict[str, Storage] = {}

    def storage(persistent_id: Any) -> Any:
        found = _storage_id(persistent_id)
        if type(found) is not _StorageId:
            return found
        return storages.setdefault(found.key, Storage(found.kind, found.numel))

    calls = stand_ins(limits, partial(_load_stream, limits=limits))

    def load(position: int, **options: Any) -> tuple[Any, int]:
        stream = Pickle(data, stand_ins=calls, limits=limits, position=position, **options)
        return stream.load(), stream.position

    first, position = load(0, persistent=storage)
    if type(first) is int and first == LEGACY_MAGIC:
        _, position = load(position)
        machine, position = load(position)
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise UnsafePickleError("The file was written on a machine of the other byte order.")
        first, position = load(position, persistent=storage)
        keys, position = load(position)
        for key in keys if isinstance(keys, list) else []:
            if not isinstance(key, str) or key not in storages:
                raise UnsafePickleError(f"The file holds a storage that nothing refers to: {shown(key)!r}.")
            item = storages[key]
            size = 8 + item.numel * item.itemsize
            if (
                position + size > len(data)
                or int.from_bytes(data[position : position + 8], "little") != item.numel
            ):
                raise UnsafePickleError("The file ends in the middle of its numbers.")
            numbers = data[position + 8 : position + size]
            item.read = partial(_itself, numbers)
            position += size
    elif storages:
        raise UnsafePickleError(
            "This is the data.pkl out of a file of torch.save, without the folder data beside it that holds "
            "the numbers: give the whole file, or the folder with both."
        )
    limits.streams += 1
    return first


def _itself(data: memoryview) -> memoryview:
    return data


class _StorageId(NamedTuple):
    """Numpy kind, key and number of items of a storage."""

    kind: str
    key: str
    numel: int


def _storage_id(persistent_id: Any) -> "_StorageId | Name | Unknown":
    """The storage that a persistent id stands for; of a class beside its source text, the class's name.

    Raises:
        UnsafePickleError: for a storage that cannot be.
    """
    match persistent_id:
        case ("storage", Name() as kind, str() as key, _, int() as numel, *_):
            if str(kind) not in _STORAGES:
                return Unknown(shown(kind))
            if numel < 0 or len(key) > MAX_NAME:
                raise UnsafePickleError("A storage is malformed.")
            return _StorageId(_STORAGES[str(kind)], key, numel)
        case ("module", Name() as cls, *_):
            return cls
    return Unknown("a persistent id")
