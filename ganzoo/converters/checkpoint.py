"""Opens checkpoint files as inert data: zip files and streams of `torch.save`, and bare pickles.

Tensors come as `TensorRef`: where their numbers lie in the file. Nothing is copied before `array()` is
called, so that optimiser states and networks that nobody asked for cost nothing.
"""

import io
import math
import mmap
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ganzoo.converters.contents import ArrayRef, DType, Record, Storage, TensorRef, attributes, is_shape
from ganzoo.converters.safe_pickle import MAX_NAME, Limits, Pickle, UnsafePickleError, plain_name
from ganzoo.converters.unfold import check_size
from ganzoo.converters.unknown import Name, Unknown, shown

_ZIP_BEGINS, _PICKLE_BEGINS = b"PK\x03\x04", b"\x80"  # the latter for 20 years
MAX_ZIP_MEMBERS = 50_000
MAX_ZIP_DIRECTORY = 8 << 20  # bytes; what zipfile makes of them takes ten times as much
_SPARE_TENSORS = 16 << 20  # that a file of few numbers may have beyond twice its size
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_ZIP_HEADER = 30  # bytes of a member's local header, before its name and extra field
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
_NUMPY_TYPES = frozenset(["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"])


def open_checkpoint(path: Path) -> Any:
    """The contents of a checkpoint file, as plain containers, numbers, `TensorRef`, `ArrayRef` and `Record`.

    Anything else in it is an `Unknown`: never made, only named.

    Raises:
        UnsafePickleError: for a damaged or hostile file.
        FileNotFoundError: if there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    if path.stat().st_size == 0:
        raise UnsafePickleError(f"{path} is empty.")
    with path.open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    limits = Limits(tensor_bytes=2 * len(data) + _SPARE_TENSORS)
    is_zip = zipfile.is_zipfile(path)
    if not is_zip and data[:4] == _ZIP_BEGINS:
        raise UnsafePickleError(f"{path}: The file is cut off: its end is missing. Download it again.")
    try:
        found = _Zip(path, data, limits).load() if is_zip else _load_stream(data, limits)
        check_size(found, limits.tensor_bytes)
    except UnsafePickleError as error:
        if not is_zip and data[:1] != _PICKLE_BEGINS and "malformed" in str(error):
            raise UnsafePickleError(f"{path}: This is neither a file of torch.save nor a pickle.") from error
        raise UnsafePickleError(f"{path}: {error}") from error
    except (zipfile.BadZipFile, struct.error, ValueError, RuntimeError, MemoryError) as error:
        raise UnsafePickleError(f"{path} is damaged: {type(error).__name__}.") from error
    return found


class _Directory(io.FileIO):
    """A zip file whose directory is no larger than one of torch.save: zipfile reads it at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_ZIP_DIRECTORY:
            raise zipfile.BadZipFile("too many members")
        return super().read(size) or b""


class _Zip:
    """A file that `torch.save` writes today: a zip of uncompressed members, `*/data.pkl` and
    `*/data/<key>`.
    """

    def __init__(self, path: Path, data: memoryview, limits: Limits) -> None:
        self.data, self.limits = data, limits
        with _Directory(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
        if len(members) > MAX_ZIP_MEMBERS or sum(m.file_size for m in members) > len(data):
            raise UnsafePickleError("The zip file promises more than it holds.")
        self.members = {m.filename: m for m in members}
        pickles = [name for name in self.members if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise UnsafePickleError("The zip file is not one of torch.save: it has no single data.pkl.")
        self.folder = pickles[0].removesuffix("data.pkl")
        self.storages: dict[str, Storage] = {}

    def load(self) -> Any:
        order = self.members.get(f"{self.folder}byteorder")
        if order is not None and bytes(self.member(order)[:16]) != b"little":
            raise UnsafePickleError("The file was written on a machine of the other byte order.")
        return Pickle(
            self.member(self.members[f"{self.folder}data.pkl"]),
            stand_ins=_stand_ins(self.limits),
            limits=self.limits,
            persistent=self.storage,
        ).load()

    def member(self, info: zipfile.ZipInfo) -> memoryview:
        """The bytes of an uncompressed member, a view of the file."""
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise UnsafePickleError(
                f"{shown(info.filename)} is compressed or encrypted, which torch.save never does."
            )
        header = self.data[max(info.header_offset, 0) : info.header_offset + _ZIP_HEADER]
        if len(header) < _ZIP_HEADER:
            raise UnsafePickleError(f"{shown(info.filename)} lies outside of the file.")
        name_length, extra_length = (int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
        start = info.header_offset + _ZIP_HEADER + name_length + extra_length
        if start + info.file_size > len(self.data):
            raise UnsafePickleError(f"{shown(info.filename)} lies outside of the file.")
        return self.data[start : start + info.file_size]

    def storage(self, persistent_id: Any) -> Any:
        """The storage of a persistent id `("storage", type, key, device, numel)`."""
        found = _storage_id(persistent_id)
        if type(found) is not _StorageId:
            return found
        kind, key, numel = found
        if key not in self.storages:
            info = self.members.get(f"{self.folder}data/{key}")
            if info is None:
                raise UnsafePickleError(f"The file lacks the storage {shown(key)!r}.")
            storage = Storage(kind, numel, self.member(info), info.CRC)
            if numel * storage.itemsize > info.file_size:
                raise UnsafePickleError(f"A storage of {numel} items does not fit its bytes.")
            self.storages[key] = storage
        return self.storages[key]


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

    def load(position: int, **options: Any) -> tuple[Any, int]:
        stream = Pickle(data, stand_ins=_stand_ins(limits), limits=limits, position=position, **options)
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
            item.data = data[position + 8 : position + size]
            position += size
    elif storages:
        raise UnsafePickleError(
            "This is the data.pkl out of a file of torch.save, without the folder data beside it that holds "
            "the numbers: give the whole file, or the folder with both."
        )
    limits.streams += 1
    return first


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


def _stand_ins(limits: Limits) -> dict[str, Callable[..., Any]]:
    """What the names that checkpoints call are replaced by. Every one builds data and does nothing else."""

    def tensor(storage: Any, offset: int, shape: Any, stride: Any, *_: Any) -> TensorRef:
        are_shapes = is_shape(shape) and is_shape(stride) and is_shape((offset,))
        if type(storage) is not Storage or not are_shapes or len(shape) != len(stride):
            raise UnsafePickleError("A tensor is malformed.")
        count = math.prod(shape)
        last = offset + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
        if count and (last >= storage.numel or count > storage.numel):
            raise UnsafePickleError(
                f"A tensor of shape {list(shape)} does not fit its {storage.numel} numbers."
            )
        return TensorRef(storage, offset, shape, stride)

    def parameter(data: Any, *_: Any) -> TensorRef:
        if type(data) is not TensorRef:
            raise UnsafePickleError("A parameter is no tensor.")
        return data

    def nested(data: Any) -> Any:
        return _load_stream(memoryview(data), limits)

    def persistent_object(meta: Any) -> Record | Unknown:
        # The object's module travels along as source text, `module_src`. It is dropped unread.
        name, state = meta["class_name"], meta["state"]
        if not isinstance(state, dict):
            return Unknown(shown(name))
        if not isinstance(name, str) or not name.isidentifier() or len(name) > MAX_NAME:
            raise UnsafePickleError(f"A module's class has the odd name {shown(name)!r}.")
        limits.spend(len(state))
        return Record(name, attributes(state))

    def dtype(name: Any, *_: Any) -> DType | Unknown:
        if not isinstance(name, str) or name not in _NUMPY_TYPES:
            return Unknown(f"numpy.dtype({shown(name)!r})")
        return DType(np.dtype(name))

    def scalar(kind: Any, data: Any) -> Any:
        return np.frombuffer(data, kind.dtype, 1)[0].item()

    def buffer(data: Any, kind: Any, shape: Any, order: Any, *_: Any) -> ArrayRef:
        array = ArrayRef()
        array.set_state((1, shape, kind, order == "F", data))
        return array

    def latin(text: Any, encoding: Any = None) -> bytes | Unknown:
        if not isinstance(text, str) or encoding != "latin1":
            return Unknown("_codecs.encode")
        limits.spend_text(len(text))
        return text.encode("latin-1")

    def ordered(items: Any = ()) -> dict[Any, Any]:
        return {plain_name(key): value for key, value in items}

    def shape_of(sizes: Any = ()) -> tuple[int, ...] | Unknown:
        return tuple(sizes) if is_shape(sizes) else Unknown("torch.Size")

    def made_by_class(cls: Any, *_: Any) -> Unknown:
        return Unknown(shown(cls))

    calls: dict[str, Callable[..., Any]] = {
        "torch._utils._rebuild_tensor_v2": tensor,
        "torch._utils._rebuild_tensor": tensor,
        "torch._utils._rebuild_parameter": parameter,
        "torch._utils._rebuild_parameter_with_state": parameter,
        "torch.storage._load_from_bytes": nested,
        "torch_utils.persistence._reconstruct_persistent_obj": persistent_object,
        "collections.OrderedDict": ordered,
        "collections.defaultdict": lambda *_: {},
        "dnnlib.util.EasyDict": ordered,
        "dnnlib.tflib.network.Network": lambda: Record("Network"),
        "argparse.Namespace": lambda: Record("argparse.Namespace"),
        "torch.Size": shape_of,
        "torch.device": lambda kind, *_: plain_name(kind),
        "numpy.dtype": dtype,
        "_codecs.encode": latin,
        # how protocols 0 and 1 make an object of any class, so that the class is what a message names
        "copyreg._reconstructor": made_by_class,
        "copy_reg._reconstructor": made_by_class,
    }
    for builtins in ("builtins", "__builtin__"):  # how old protocols spell what has an opcode today
        calls[f"{builtins}.set"] = lambda items: list(items)  # nothing here reads a set
        calls[f"{builtins}.bytes"] = lambda: b""
    for core in ("numpy.core.multiarray", "numpy._core.multiarray"):
        calls[f"{core}.scalar"] = scalar
        calls[f"{core}._reconstruct"] = lambda *_: ArrayRef()
    for numeric in ("numpy.core.numeric", "numpy._core.numeric"):
        calls[f"{numeric}._frombuffer"] = buffer
    return calls
