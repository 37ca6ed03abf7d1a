"""Opens checkpoint files as inert data: zip files and streams of `torch.save`, and bare pickles.

Tensors come as `TensorRef`: where their numbers lie in the file. Nothing is copied before `array()` is
called, so that optimiser states and networks that nobody asked for cost nothing.
"""

import math
import mmap
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo.converters.safe_pickle import Limits, Name, Pickle, UnsafePickleError

MAX_DIMENSIONS = 8
MAX_ZIP_MEMBERS = 100_000
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
}
_NUMPY_TYPES = frozenset(["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"])


@dataclass
class Storage:
    """Numbers in the file: their kind, how many, and, once it is known, where."""

    kind: str
    numel: int
    data: memoryview | None = None
    crc: int | None = None

    def array(self) -> NDArray[Any]:
        """All numbers `[numel]`, a view of the file; bfloat16 as float32."""
        if self.data is None:
            raise UnsafePickleError("The file lacks the numbers of a tensor.")
        if self.crc is not None and zlib.crc32(self.data) != self.crc:
            raise UnsafePickleError(
                "The file is damaged: the numbers of a tensor do not match their checksum."
            )
        if self.kind == "bfloat16":
            return (np.frombuffer(self.data, "<u2", self.numel).astype(np.uint32) << 16).view(np.float32)
        return np.frombuffer(self.data, self.kind, self.numel)

    @property
    def itemsize(self) -> int:
        return 2 if self.kind == "bfloat16" else np.dtype(self.kind).itemsize


@dataclass(frozen=True)
class TensorRef:
    """A tensor in the file."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> NDArray[Any]:
        """The numbers, a copy of their own."""
        flat = self.storage.array()[self.offset :]
        strides = [s * flat.itemsize for s in self.stride]
        return np.lib.stride_tricks.as_strided(flat, self.shape, strides, writeable=False).copy()


@dataclass
class Record:
    """An object of a class that is plain data: the class's name and the attributes."""

    cls: str
    state: dict[str, Any] = field(default_factory=dict)

    def set_state(self, state: Any) -> None:
        if isinstance(state, dict):
            self.state.update({str(k): v for k, v in state.items()})


@dataclass
class _DType:
    """A numpy type under construction: its byte order is set afterwards."""

    dtype: np.dtype[Any]

    def set_state(self, state: Any) -> None:
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


@dataclass
class ArrayRef:
    """A numpy array in the file."""

    value: NDArray[Any] | None = None

    def set_state(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if type(dtype) is not _DType or not all(type(n) is int and n >= 0 for n in shape):
            raise UnsafePickleError("An array is malformed.")
        if len(shape) > MAX_DIMENSIONS or math.prod(shape) * dtype.dtype.itemsize != len(data):
            raise UnsafePickleError(f"An array of shape {list(shape)} does not fit its {len(data)} bytes.")
        flat = np.frombuffer(data, dtype.dtype)
        self.value = flat.reshape(shape, order="F" if fortran else "C")

    def array(self) -> NDArray[Any]:
        """The numbers, a copy of their own."""
        if self.value is None:
            raise UnsafePickleError("The file lacks the numbers of an array.")
        return self.value.copy()


def open_checkpoint(path: Path) -> Any:
    """The contents of a checkpoint file, as plain containers, numbers, `TensorRef`, `ArrayRef` and `Record`.

    Raises:
        UnsafePickleError: for anything else in it, or a damaged file.
        FileNotFoundError: if there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    if path.stat().st_size == 0:
        raise UnsafePickleError(f"{path} is empty.")
    with path.open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    limits = Limits(tensor_bytes=2 * len(data))
    try:
        if zipfile.is_zipfile(path):
            return _Zip(path, data, limits).load()
        return _load_stream(data, limits)
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{path}: {error}") from error
    except (zipfile.BadZipFile, NotImplementedError, RecursionError, MemoryError) as error:
        raise UnsafePickleError(f"{path} is damaged: {type(error).__name__}: {error}") from error


class _Zip:
    """A file that `torch.save` writes today: a zip of uncompressed members, `*/data.pkl` and
    `*/data/<key>`.
    """

    def __init__(self, path: Path, data: memoryview, limits: Limits) -> None:
        self.data, self.limits = data, limits
        with zipfile.ZipFile(path) as archive:
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
        if order is not None and bytes(self.member(order)) != b"little":
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
                f"{info.filename} is compressed or encrypted, which torch.save never does."
            )
        header = self.data[info.header_offset : info.header_offset + _ZIP_HEADER]
        if len(header) < _ZIP_HEADER:
            raise UnsafePickleError(f"{info.filename} lies outside of the file.")
        name_length, extra_length = (int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
        start = info.header_offset + _ZIP_HEADER + name_length + extra_length
        if start + info.file_size > len(self.data):
            raise UnsafePickleError(f"{info.filename} lies outside of the file.")
        return self.data[start : start + info.file_size]

    def storage(self, persistent_id: Any) -> Storage:
        """The storage of a persistent id `("storage", type, key, device, numel)`."""
        kind, key, numel = _storage_id(persistent_id)
        if key not in self.storages:
            info = self.members.get(f"{self.folder}data/{key}")
            if info is None:
                raise UnsafePickleError(f"The file lacks the storage {key!r}.")
            storage = Storage(kind, numel, self.member(info), info.CRC)
            _check_storage(storage)
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

    def storage(persistent_id: Any) -> Storage:
        kind, key, numel = _storage_id(persistent_id)
        return storages.setdefault(key, Storage(kind, numel))

    def load(position: int, **options: Any) -> tuple[Any, int]:
        stream = Pickle(data, stand_ins=_stand_ins(limits), limits=limits, position=position, **options)
        return stream.load(), stream.position

    first, position = load(0)
    if first == LEGACY_MAGIC and type(first) is int:
        _, position = load(position)
        machine, position = load(position)
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise UnsafePickleError("The file was written on a machine of the other byte order.")
        first, position = load(position, persistent=storage)
        keys, position = load(position)
        for key in keys if isinstance(keys, list) else []:
            if key not in storages:
                raise UnsafePickleError(f"The file holds a storage that nothing refers to: {key!r}.")
            item = storages[key]
            size = 8 + item.numel * item.itemsize
            if (
                position + size > len(data)
                or int.from_bytes(data[position : position + 8], "little") != item.numel
            ):
                raise UnsafePickleError("The file ends in the middle of its numbers.")
            item.data = data[position + 8 : position + size]
            position += size
    limits.streams += 1
    return first


def _storage_id(persistent_id: Any) -> tuple[str, str, int]:
    """Numpy kind, key and number of items of a storage."""
    match persistent_id:
        case ("storage", Name() as kind, str() as key, _, int() as numel, *_) if (
            str(kind) in _STORAGES and numel >= 0
        ):
            return _STORAGES[str(kind)], key, numel
    raise UnsafePickleError(f"The file refers to data of an unknown kind: {str(persistent_id)[:80]}.")


def _check_storage(storage: Storage) -> None:
    """Raise UnsafePickleError if a storage promises more than its bytes hold."""
    if storage.data is None or storage.numel * storage.itemsize > len(storage.data):
        raise UnsafePickleError(f"A storage of {storage.numel} items does not fit its bytes.")


def _stand_ins(limits: Limits) -> dict[str, Callable[..., Any]]:
    """What the names that checkpoints call are replaced by. Every one builds data and does nothing else."""

    def tensor(storage: Any, offset: int, shape: Any, stride: Any, *_: Any) -> TensorRef:
        sizes = [*shape, *stride, offset]
        if type(storage) is not Storage or len(shape) != len(stride) or len(shape) > MAX_DIMENSIONS:
            raise UnsafePickleError("A tensor is malformed.")
        if any(type(n) is not int or n < 0 for n in sizes):
            raise UnsafePickleError("A tensor has a size that is no number.")
        count = math.prod(shape)
        last = offset + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
        if count and (last >= storage.numel or count > storage.numel):
            raise UnsafePickleError(
                f"A tensor of shape {list(shape)} does not fit its {storage.numel} numbers."
            )
        limits.tensor_bytes -= count * storage.itemsize
        if limits.tensor_bytes < 0:
            raise UnsafePickleError("The tensors of the file are larger than the file.")
        return TensorRef(storage, offset, tuple(shape), tuple(stride))

    def parameter(data: Any, *_: Any) -> TensorRef:
        if type(data) is not TensorRef:
            raise UnsafePickleError("A parameter is no tensor.")
        return data

    def nested(data: Any) -> Any:
        return _load_stream(memoryview(data), limits)

    def persistent_object(meta: Any) -> Record:
        # The object's module travels along as source text, `module_src`. It is dropped unread.
        return Record(str(meta["class_name"]), dict(meta["state"]))

    def dtype(name: Any, *_: Any) -> _DType:
        if not isinstance(name, str) or name not in _NUMPY_TYPES:
            raise UnsafePickleError(f"An array has the unknown type {name!r}.")
        return _DType(np.dtype(name))

    def scalar(kind: Any, data: Any) -> Any:
        return np.frombuffer(data, kind.dtype, 1)[0].item()

    def buffer(data: Any, kind: Any, shape: Any, order: Any, *_: Any) -> ArrayRef:
        array = ArrayRef()
        array.set_state((1, shape, kind, order == "F", data))
        return array

    def latin(text: Any, encoding: Any) -> bytes:
        if encoding != "latin1":
            raise UnsafePickleError(f"The file encodes text as {encoding!r}.")
        return str(text).encode("latin-1")

    def ordered(items: Any = ()) -> dict[Any, Any]:
        return {key: value for key, value in items if isinstance(key, str | int)}

    calls: dict[str, Callable[..., Any]] = {
        "torch._utils._rebuild_tensor_v2": tensor,
        "torch._utils._rebuild_tensor": tensor,
        "torch._utils._rebuild_parameter": parameter,
        "torch.storage._load_from_bytes": nested,
        "torch_utils.persistence._reconstruct_persistent_obj": persistent_object,
        "collections.OrderedDict": ordered,
        "collections.defaultdict": lambda *_: {},
        "dnnlib.util.EasyDict": dict,
        "argparse.Namespace": lambda: Record("argparse.Namespace"),
        "torch.Size": lambda sizes: tuple(sizes),
        "torch.device": lambda *names: str(names[0]),
        "numpy.dtype": dtype,
        "_codecs.encode": latin,
    }
    for core in ("numpy.core.multiarray", "numpy._core.multiarray"):
        calls[f"{core}.scalar"] = scalar
        calls[f"{core}._reconstruct"] = lambda *_: ArrayRef()
    for numeric in ("numpy.core.numeric", "numpy._core.numeric"):
        calls[f"{numeric}._frombuffer"] = buffer
    return calls
