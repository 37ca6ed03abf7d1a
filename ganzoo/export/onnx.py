"""ONNX files, opset 20 or another, run by onnxruntime.

The inputs and results are float32 in every precision: "fp16" and "int8" are how weights lie in the file.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganzoo.export.forms import Form
from ganzoo.export.graphs import Graph, dynamic_shapes
from ganzoo.export.targets import Array, Session, installed
from ganzoo.system.extras import needed

EXTRA, SUFFIX = "onnx", ".onnx"
PACKAGES, RUNS = ("onnx", "onnxscript", "onnxruntime"), ("onnxruntime",)
PRECISIONS = ("fp32", "fp16", "int8")
FREE_BATCH = True
FORM = Form(merge="rows", folds_style=False)  # convolutions of constant weights run in blocks of channels
OPSET, OPSETS = 20, range(18, 26)  # torch.onnx writes 18 and later; what is earlier it leaves at 18
_SMALL = 1024  # numbers; tensors of fewer stay in float32


def write(graph: Graph, path: Path, precision: str, opset: int = OPSET) -> None:
    """Write a graph as one ONNX file, checked by onnx.

    Raises:
        ValueError: if the exporter gives another opset than it is asked for.
    """
    onnx = needed("onnx", EXTRA)
    needed("onnxscript", EXTRA)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter's own libraries
        for library in ("torch.onnx", "onnxscript"):
            logging.getLogger(library).setLevel(logging.ERROR)
        program: Any = torch.onnx.export(
            graph.module,
            graph.examples,
            dynamo=True,
            verbose=False,
            opset_version=opset,
            input_names=[i.name for i in graph.inputs],
            output_names=[graph.output],
            dynamic_shapes=dynamic_shapes(graph),
        )
    model = program.model_proto
    [got] = [i.version for i in model.opset_import if not i.domain]
    if got != opset:
        raise ValueError(f"torch.onnx gives opset {got} in the place of {opset}")
    if precision != "fp32":
        _compress(onnx, model, precision)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def open_file(path: Path, precision: str = "fp32", threads: int | None = None) -> Session:
    """What runs an ONNX file on the CPU.

    Raises:
        ValueError: if it is none, or damaged.
    """
    onnxruntime = needed("onnxruntime", EXTRA)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads:
        options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(f"{path} is no ONNX file that onnxruntime reads: {error}") from error
    names = [i.name for i in session.get_inputs()]

    def run(inputs: Sequence[Array]) -> Array:
        result: Array = session.run(None, dict(zip(names, inputs, strict=True)))[0]
        return result

    shapes = (tuple(s if isinstance(s, int) else None for s in i.shape) for i in session.get_inputs())
    return Session(run, tuple(shapes))


def versions() -> dict[str, str]:
    """Versions of the packages that write and run these files."""
    return {**installed("onnx", "onnxscript", "onnxruntime"), "opset": str(OPSET)}


def _compress(onnx: Any, model: Any, precision: str) -> None:
    """Store the weights in fewer bits, with a node behind each that widens it again."""
    helper, proto = onnx.helper, onnx.TensorProto
    nodes = []
    for tensor in list(model.graph.initializer):
        if tensor.data_type != proto.FLOAT or int(np.prod(tensor.dims)) < _SMALL:
            continue
        if tensor.dims[0] == 1 and precision == "int8":  # noise, the learnt constant
            continue
        values, name = onnx.numpy_helper.to_array(tensor), tensor.name
        tensor.name = f"{name}_{precision}"
        if precision == "fp16":
            stored = onnx.numpy_helper.from_array(values.astype(np.float16), tensor.name)
            nodes.append(helper.make_node("Cast", [tensor.name], [name], to=proto.FLOAT))
        else:
            whole, scale = quantize(values)
            stored = onnx.numpy_helper.from_array(whole, tensor.name)
            model.graph.initializer.append(onnx.numpy_helper.from_array(scale.reshape(-1), f"{name}_scale"))
            nodes.append(helper.make_node("DequantizeLinear", [tensor.name, f"{name}_scale"], [name], axis=0))
        tensor.CopyFrom(stored)
    for node in reversed(nodes):
        model.graph.node.insert(0, node)


def quantize(values: Array) -> tuple[np.ndarray[Any, np.dtype[np.int8]], Array]:
    """Whole numbers of -127 to 127 and a scale for every row of the first axis."""
    largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.round(values / scale).astype(np.int8), scale
