"""Safetensors files of other programs: a flat state dict, each tensor by its place in the file."""

import json
import math
import mmap
from functools import partial
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ganzoo.converters.contents import MAX_DIMENSIONS, Storage, TensorRef
from ganzoo.system.kinds import CONFIG_FILE, CONFIG_KEY, DIGEST_KEY

_KINDS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "bfloat16",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins so is one: the length of a header, and the header."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 40


def open_safetensors(path: Path) -> dict[str, TensorRef]:
    """The tensors of a file by name; their numbers stay in the file until they are read.

    Raises:
        ValueError: if it is damaged, is ganzoo's own, or holds numbers of an unknown kind.
    """
    try:
        with safe_open(path, framework="np") as file:  # checks that header and bytes agree
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"This is no whole safetensors file: {error}.") from error
    if DIGEST_KEY in metadata or CONFIG_KEY in metadata:
        raise ValueError(_own(path))
    with path.open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    start = 8 + int.from_bytes(data[:8], "little")
    found = {}
    for name, entry in json.loads(bytes(data[8:start])).items():
        if name == "__metadata__":
            continue
        kind, shape = _KINDS.get(entry["dtype"]), tuple(entry["shape"])
        if kind is None or len(shape) > MAX_DIMENSIONS:
            raise ValueError(f"{name} is of the kind {entry['dtype']}, which no StyleGAN2 has.")
        first, last = entry["data_offsets"]
        read = partial(_slice, data, start + first, start + last)
        storage = Storage(kind, math.prod(shape), read)
        strides = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
        found[name] = TensorRef(storage, 0, shape, strides)
    return found


def _slice(data: memoryview, first: int, last: int) -> memoryview:
    return data[first:last]


def _own(path: Path) -> str:
    """What to do with weights that ganzoo wrote."""
    if (path.parent / CONFIG_FILE).is_file():
        return f"ganzoo wrote these weights, and their folder is a model: ganzoo generate {path.parent}."
    return (
        f"ganzoo wrote these weights, but {CONFIG_FILE} is missing: copy it from the same model beside the "
        "file, and use the folder as a model."
    )
