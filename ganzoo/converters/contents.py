"""What the reader of checkpoints makes of a file: numbers by reference, and plain records."""

import math
import mmap
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo.converters.safe_pickle import UnsafePickleError, plain_name
from ganzoo.converters.unknown import Unknown

MAX_DIMENSIONS = 8


@dataclass
class Storage:
    """Numbers in the file: their kind, how many, and, once it is known, what reads their bytes."""

    kind: str
    numel: int
    read: Callable[[], memoryview] | None = None
    crc: int | None = None

    def array(self) -> tuple[NDArray[Any], memoryview]:
        """All numbers `[numel]`, a view of their bytes, and these; bfloat16 as the bits of it."""
        if self.read is None:
            raise UnsafePickleError("The file lacks the numbers of a tensor.")
        data = self.read()
        if self.crc is not None and zlib.crc32(data) != self.crc:
            raise UnsafePickleError(
                "The file is damaged: the numbers of a tensor do not match their checksum."
            )
        self.crc = None  # once is enough: a thousand tensors may be views of one storage
        return np.frombuffer(data, "<u2" if self.kind == "bfloat16" else self.kind, self.numel), data

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

    @property
    def float_bytes(self) -> int:
        """Size as float32, or as what it is if that is more."""
        return math.prod(self.shape) * max(4, self.storage.itemsize)

    def array(self) -> NDArray[Any]:
        """The numbers, a copy of their own; bfloat16 as float32."""
        numbers, data = self.storage.array()
        flat = numbers[self.offset :]
        strides = [s * flat.itemsize for s in self.stride]
        found = np.lib.stride_tricks.as_strided(flat, self.shape, strides, writeable=False).copy()
        _forget(data)
        if self.storage.kind == "bfloat16":
            bits = found.astype(np.uint32)
            bits <<= 16
            return bits.view(np.float32)
        return found


@dataclass
class Record:
    """An object of a class that is plain data: the class's name and the attributes."""

    cls: str
    state: dict[str, Any] = field(default_factory=dict)

    def set_state(self, state: Any) -> None:
        if isinstance(state, dict):
            self.state.update(attributes(state))


@dataclass
class DType:
    """A numpy type under construction: its byte order is set afterwards."""

    dtype: np.dtype[Any]

    def set_state(self, state: Any) -> None:
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


@dataclass
class ArrayRef:
    """A numpy array in the file; of texts, objects and other items that are no numbers, only their type."""

    value: NDArray[Any] | None = None
    data: memoryview | None = None
    unknown: Unknown | None = None

    def set_state(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if type(dtype) is Unknown:
            self.unknown = dtype
            return
        if type(dtype) is not DType or not is_shape(shape):
            raise UnsafePickleError("An array is malformed.")
        if math.prod(shape) * dtype.dtype.itemsize != len(data):
            raise UnsafePickleError(f"An array does not fit its {len(data)} bytes.")
        self.data = memoryview(data)
        flat = np.frombuffer(data, dtype.dtype)
        self.value = flat.reshape(shape, order="F" if fortran else "C")

    @property
    def float_bytes(self) -> int:
        """Size as float32, or as what it is if that is more."""
        return 0 if self.value is None else self.value.size * max(4, self.value.itemsize)

    def array(self) -> NDArray[Any]:
        """The numbers, a copy of their own."""
        if self.value is None:
            raise UnsafePickleError("The file lacks the numbers of an array.")
        copy = self.value.copy()
        _forget(self.data)
        return copy


def _forget(data: memoryview | None) -> None:
    """Release the pages of the file that were read: they are cached anyway, and count as memory in use."""
    if data is not None and isinstance(data.obj, mmap.mmap) and hasattr(data.obj, "madvise"):
        data.obj.madvise(mmap.MADV_DONTNEED)


def is_shape(value: Any) -> bool:
    """Whether a value is a tuple of a few numbers from 0."""
    return (
        type(value) is tuple
        and len(value) <= MAX_DIMENSIONS
        and all(type(n) is int and n >= 0 for n in value)
    )


def attributes(state: Any) -> dict[str, Any]:
    """The attributes of an object: a copy, their names checked."""
    return {plain_name(name): value for name, value in state.items()}
