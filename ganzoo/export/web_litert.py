"""Networks for a page that LiteRT.js runs: a .tflite file taken apart, its weights packed.

Its kernels use WebAssembly's relaxed SIMD, which multiplies and adds in one step; onnxruntime-web's do not.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo.export import litert
from ganzoo.export.graphs import Graph
from ganzoo.export.packing import Array, read_packed, write_packed
from ganzoo.export.targets import Session
from ganzoo.export.web import PRECISIONS as PRECISIONS
from ganzoo.export.web import bits_of
from ganzoo.system.extras import needed

EXTRA, SUFFIX = litert.EXTRA, ".web-litert.safetensors"
PACKAGES, RUNS = litert.PACKAGES, litert.RUNS
FREE_BATCH = False
FORM = litert.FORM
OPSETS = ()
GRAPH = "graph.tflite"  # the tensor that holds the file without its weights
PLACES = "places"  # the tensor that says where in the file each of them begins, in bytes
_FEW = 32  # rows of the last axis, where it is that of the channels
_SMALL = 4096  # bytes; what is shorter stays in the file


def write(graph: Graph, path: Path, precision: str) -> None:
    """Write a graph with its weights."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        file = Path(folder) / "graph.tflite"
        litert.write(graph, file, "fp32")
        data = file.read_bytes()
    found = sorted(_weights(data).items())
    rest, end = b"", 0
    for start, values in found:
        rest, end = rest + data[end:start], start + values.nbytes
    rest += data[end:]
    weights = {f"buffer{number}": values for number, (_, values) in enumerate(found)}
    places = np.array([start for start, _ in found], np.int32)
    more = {GRAPH: np.frombuffer(rest, np.uint8), PLACES: places}
    # Depthwise convolutions are [1, h, w, C] here: no row of theirs is one channel's.
    half = [name for name, v in weights.items() if v.ndim == 4 and v[..., 0].size < _FEW]
    write_packed(path, weights, bits_of(graph, precision), more, half)


def open_file(path: Path, precision: str = "fp32", threads: int | None = None) -> Session:
    """What runs a file on the CPU, put together again.

    Raises:
        ValueError: if it is none, or damaged.
    """
    weights, more = read_packed(path)
    if GRAPH not in more or PLACES not in more:
        raise ValueError(f"{path} holds no graph.")
    data, rest, taken = bytearray(), more[GRAPH].tobytes(), 0
    for start, values in zip(more[PLACES].tolist(), weights.values(), strict=True):
        between = start - len(data)
        data += rest[taken : taken + between] + values.tobytes()
        taken += between
    data += rest[taken:]
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
        file = Path(folder) / "graph.tflite"
        file.write_bytes(data)
        return litert.open_file(file, "fp32", threads)


versions = litert.versions


def _weights(data: bytes) -> dict[int, Array]:
    """The float32 constants of a .tflite file of some size, by where they begin."""
    schema: Any = needed("ai_edge_litert.schema_py_generated", EXTRA)
    model, found = schema.Model.GetRootAs(data, 0), {}
    for part in range(model.SubgraphsLength()):
        for number in range(model.Subgraphs(part).TensorsLength()):
            tensor = model.Subgraphs(part).Tensors(number)
            buffer = model.Buffers(tensor.Buffer())
            if tensor.Type() != schema.TensorType.FLOAT32 or buffer.DataLength() < _SMALL:
                continue
            values = buffer.DataAsNumpy()
            start = values.__array_interface__["data"][0] - np.frombuffer(data, np.uint8).ctypes.data
            shape = [int(size) for size in tensor.ShapeAsNumpy()]
            found[start] = np.frombuffer(values.tobytes(), np.float32).reshape(shape)
    return found
