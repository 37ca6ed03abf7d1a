"""Weights for the wire: rows of whole numbers of a few bits, in a safetensors file that a browser can read.

Numbers of 9 to 12 bits are a third of float32, and the download is what a visitor of a page waits for.
How many bits a network needs: the mapping network is eight layers deep and every image hangs on its w. With
10 bits there an image of `mobilestylegan_ffhq` is at 36 dB at worst, with 12 at 49. In the synthesis network
its 1 x 1 convolutions need most. The worst of 16 images is at 39 dB with 9 bits, at 49 with 10.

A file holds, besides the tensors, the list `tensors` in its metadata, in the order in which they lie in the
unpacked buffer of float32 numbers: `{name, offset, rows, columns, bits}`, the offset in numbers. 16 and 32
bits are float16 and float32. Fewer are whole numbers in a stream of bits, the first number in the highest
bits of the first byte, each 2^(bits - 1) above its value; the scales of the rows are the tensor `name:scale`.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from ganzoo.system.kinds import open_tensors

Array = NDArray[np.float32]
SCALE = ":scale"
_SHORT = 32  # numbers of a row, below which its scale would cost more than it saves
_PLAIN = {16: np.float16, 32: np.float32}


@dataclass(frozen=True)
class Packed:
    """Where a tensor lies in the buffer, and how it is kept in the file."""

    name: str
    offset: int
    rows: int
    columns: int
    bits: int


def write_packed(
    path: Path,
    weights: Mapping[str, Array],
    bits: int,
    more: Mapping[str, Any],
    half: Collection[str] = (),
) -> None:
    """Write weights, packed.

    Args:
        path: Path of the file.
        weights: Tensors in the order of the buffer.
        bits: Bits of a number, 4 to 12; 16 and 32 for float16 and float32. Tensors of short rows, such as
            depthwise convolutions, take 16 where fewer are asked for.
        more: Other arrays to keep in the file, as they are.
        half: Names of tensors that take 16, too.
    """
    offset, index, tensors = 0, [], dict(more)
    for name, value in weights.items():
        table = value.reshape(-1, value.shape[-1]) if value.shape[0] == 1 else value.reshape(len(value), -1)
        own = max(bits, 16) if table.shape[1] < _SHORT or name in half else bits
        index.append(Packed(name, offset, *table.shape, own))
        offset += value.size
        if own in _PLAIN:
            tensors[name] = table.astype(_PLAIN[own])
        else:
            whole, tensors[name + SCALE] = quantized(table, own)
            tensors[name] = to_bits(whole, own)
    path.write_bytes(save(tensors, {"tensors": json.dumps([asdict(entry) for entry in index])}))


def read_packed(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """The weights of a file, flat and in float32, and its other arrays.

    Raises:
        ValueError: if the file is another or damaged.
    """
    with open_tensors(path) as file:
        found = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118
        index = json.loads((file.metadata() or {}).get("tensors", "null"))
    if index is None:
        raise ValueError(f"{path} holds no packed weights.")
    weights = {}
    for entry in (Packed(**e) for e in index):
        data, scale = found.pop(entry.name), found.pop(entry.name + SCALE, None)
        if scale is not None:
            whole = from_bits(data, entry.bits, entry.rows * entry.columns).reshape(entry.rows, -1)
            data = (whole - (1 << entry.bits - 1)).astype(np.float32) * scale[:, None]
        weights[entry.name] = data.astype(np.float32).reshape(-1)
    return weights, found


def quantized(table: Array, bits: int) -> tuple[NDArray[np.int64], Array]:
    """Whole numbers from 1 to 2^bits - 1, 2^(bits - 1) for zero, and the scale of every row."""
    middle = 1 << bits - 1
    largest = np.abs(table).max(axis=1)
    scale = np.where(largest > 0, largest / (middle - 1), 1).astype(np.float32)
    return np.round(table / scale[:, None]).astype(np.int64) + middle, scale


def to_bits(whole: NDArray[np.int64], bits: int) -> NDArray[np.uint8]:
    """The last bits of every number behind one another, the highest first, filled up to a byte."""
    flat = whole.reshape(-1, 1)
    return np.packbits((flat >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8))


def from_bits(stream: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.int64]:
    """The numbers of such a stream."""
    each = np.unpackbits(stream, count=count * bits).reshape(count, bits)
    return each @ (1 << np.arange(bits - 1, -1, -1, dtype=np.int64))
