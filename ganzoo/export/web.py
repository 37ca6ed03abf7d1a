"""Networks for a page in a browser: an ONNX graph and packed weights in one safetensors file.

onnxruntime-web runs them, after `ganzoo.js` has unpacked the weights; here onnxruntime does, for the check.
"""

import tempfile
from pathlib import Path

import numpy as np

from ganzoo.export import onnx as plain
from ganzoo.export.graphs import Graph
from ganzoo.export.packing import read_packed, write_packed
from ganzoo.export.targets import Session
from ganzoo.system.extras import needed

EXTRA, SUFFIX = plain.EXTRA, ".web.safetensors"
PACKAGES, RUNS = plain.PACKAGES, plain.RUNS
PRECISIONS = ("packed", "fp16", "fp32")
FREE_BATCH = False
FORM = plain.FORM
OPSETS = ()
GRAPH = "graph.onnx"  # the tensor that holds the graph's bytes
WEIGHTS = "weights"  # the file that the graph says its weights are in: the unpacked buffer
_BITS = {"fp16": 16, "fp32": 32}
_MAPPING_BITS, _BITS_UP_TO_256, _BITS_ABOVE = 12, 9, 10  # of packed weights; see ganzoo.export.packing
_SMALL = 1024  # numbers; tensors of fewer stay in the graph


def write(graph: Graph, path: Path, precision: str) -> None:
    """Write a graph with its weights."""
    onnx = needed("onnx", EXTRA)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        file = Path(folder) / "graph.onnx"
        plain.write(graph, file, "fp32")
        model = onnx.load(file)
    weights, offset = {}, 0
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or int(np.prod(tensor.dims)) < _SMALL:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        weights[tensor.name] = values
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        facts = {"location": WEIGHTS, "offset": offset, "length": values.nbytes}
        tensor.external_data.extend(
            onnx.StringStringEntryProto(key=key, value=str(value)) for key, value in facts.items()
        )
        offset += values.nbytes
    for node in model.graph.node:  # where each comes from in PyTorch: half a megabyte
        node.ClearField("metadata_props")
    text = np.frombuffer(model.SerializeToString(), np.uint8)
    write_packed(path, weights, bits_of(graph, precision), {GRAPH: text})


def bits_of(graph: Graph, precision: str) -> int:
    """Bits of a graph's weights in a precision."""
    packed = _MAPPING_BITS
    if graph.name == "synthesis":
        packed = _BITS_UP_TO_256 if graph.resolution <= 256 else _BITS_ABOVE
    return _BITS.get(precision, packed)


def open_file(path: Path, precision: str = "fp32", threads: int | None = None) -> Session:
    """What runs a file on the CPU, its weights unpacked.

    Raises:
        ValueError: if it is none, or damaged.
    """
    onnx = needed("onnx", EXTRA)
    weights, more = read_packed(path)
    if GRAPH not in more:
        raise ValueError(f"{path} holds no graph.")
    model = onnx.load_from_string(more[GRAPH].tobytes())
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.ClearField("external_data")
            tensor.data_location = onnx.TensorProto.DEFAULT
            tensor.raw_data = weights[tensor.name].tobytes()
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
        file = Path(folder) / "graph.onnx"
        file.write_bytes(model.SerializeToString())
        return plain.open_file(file, "fp32", threads)


versions = plain.versions
