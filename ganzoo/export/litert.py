"""LiteRT files, `.tflite`, for Android and microcontrollers.

To write them takes litert-torch, to run them ai-edge-litert alone. "fp16" is how the weights of layers lie in
the file, each with an operation behind it that widens it; the engine does that once, as it opens the file.
"""

import contextlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from ganzoo.export.forms import Form
from ganzoo.export.graphs import Graph
from ganzoo.export.targets import Array, Session, installed, silent
from ganzoo.system.extras import needed

EXTRA, SUFFIX = "litert", ".tflite"
PACKAGES, RUNS = ("litert_torch", "ai_edge_litert"), ("ai_edge_litert",)
PRECISIONS = ("fp32", "fp16")
FREE_BATCH = False
OPSETS = ()
FORM = Form(merge="rows", folds_style=False, hides_noise=True)


def write(graph: Graph, path: Path, precision: str) -> None:
    """Write a graph; its inputs are called args_0, args_1 and so on, in the manifest's order."""
    litert = needed("litert_torch", EXTRA)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        litert.convert(graph.module, graph.examples).export(str(path))
    if precision == "fp16":
        _halve(path)


def open_file(path: Path, precision: str = "fp32", threads: int | None = None) -> Session:
    """What runs a file on the CPU.

    Raises:
        ValueError: if it is none, or damaged.
    """
    interpreters = needed("ai_edge_litert.interpreter", EXTRA)
    try:
        with silent():  # that it has made a delegate
            interpreter = interpreters.Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is no file that LiteRT reads: {error}") from error
    inputs = sorted(interpreter.get_input_details(), key=lambda i: int(i["name"].rpartition("_")[2]))
    output = interpreter.get_output_details()[0]["index"]

    def run(values: Sequence[Array]) -> Array:
        for i, value in zip(inputs, values, strict=True):
            interpreter.set_tensor(i["index"], value)
        interpreter.invoke()
        result: Array = interpreter.get_tensor(output)
        return result

    return Session(run, tuple(tuple(map(int, i["shape"])) for i in inputs))


def versions() -> dict[str, str]:
    """Versions of the packages that write and run these files."""
    return installed("ai-edge-litert", "litert-torch", "ai-edge-quantizer")


def _halve(path: Path) -> None:
    """Store the weights of a file's layers as float16."""
    types = needed("ai_edge_quantizer.qtyping", EXTRA)
    quantizer = needed("ai_edge_quantizer.quantizer", EXTRA).Quantizer(str(path))
    half = types.TensorQuantizationConfig(num_bits=16, dtype=types.TensorDataType.FLOAT)
    quantizer.update_quantization_recipe(
        regex=".*",
        operation_name=types.TFLOperationName.ALL_SUPPORTED,
        op_config=types.OpQuantizationConfig(
            weight_tensor_config=half,
            compute_precision=types.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        algorithm_key="float_casting",
    )
    with silent():  # its progress and summary
        path.write_bytes(quantizer.quantize().quantized_model)
