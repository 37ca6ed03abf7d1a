"""OpenVINO IR: an .xml and a .bin file.

The files hold weights in float32, float16 or int8, and compute in float32; the engine computes in bfloat16
when it is asked to as it opens a file, on CPUs that have it.

Computing in int8 was tried on `mobilestylegan_ffhq` (2026-11) and left: with ranges calibrated on 8 latents
all convolutions give 24 dB, with the channels' ranges evened out into the weights (SmoothQuant) 27 dB; the
four that leave 35 dB save a tenth of the time in float32, and nothing where there is bfloat16.
"""

import contextlib
import functools
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganzoo.export.forms import Form
from ganzoo.export.graphs import Graph
from ganzoo.export.onnx import quantize
from ganzoo.export.targets import Array, Session, installed
from ganzoo.system.extras import needed

EXTRA, SUFFIX = "openvino", ".xml"
PACKAGES = RUNS = ("openvino",)
PRECISIONS = ("fp32", "fp16", "int8")
FREE_BATCH = True
OPSETS = ()
FORM = Form(dense_channels=128, hides_noise=True)
_SMALL = 1024  # numbers; tensors of fewer stay in float32


def write(graph: Graph, path: Path, precision: str) -> None:
    """Write a graph as IR: `path` and the .bin file beside it."""
    openvino = load()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        torch.no_grad(),
        _without_reports(),
    ):
        warnings.simplefilter("ignore")  # of the tracer, about branches that are settled for good
        model = openvino.convert_model(
            graph.module,
            example_input=graph.examples,
            input=[openvino.PartialShape([-1 if s is None else s for s in i.shape]) for i in graph.inputs],
        )
    for port, i in zip(model.inputs, graph.inputs, strict=True):
        port.get_tensor().set_names({i.name})
        port.get_node().set_friendly_name(i.name)
    model.outputs[0].get_tensor().set_names({graph.output})
    if precision == "int8":
        _compress(openvino, model)
    openvino.save_model(model, path, compress_to_fp16=precision == "fp16")


def load() -> Any:
    """The package of OpenVINO, which may not report to its makers what it converts.

    Raises:
        ImportError: if it is not installed.
    """
    with _without_reports():
        return needed("openvino", EXTRA)


@contextlib.contextmanager
def _without_reports() -> Iterator[None]:
    """A block in which OpenVINO takes this for CI, where it does not report what is done with it.

    Every report is sent by a copy of this process, up to 3 s each. Whether there are any is settled as it is
    imported, and again as it first converts.
    """
    before = os.environ.get("CI")
    os.environ["CI"] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ["CI"]
        else:
            os.environ["CI"] = before


def open_file(path: Path, precision: str = "fp32", threads: int | None = None) -> Session:
    """What runs an IR on the CPU, computing in "fp32" or "bf16".

    Raises:
        ValueError: if it is none, or damaged.
    """
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    core = _core()
    try:
        compiled = core.compile_model(core.read_model(path), "CPU", settings)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(f"{path} is no IR that OpenVINO reads: {reason}") from error
    request = compiled.create_infer_request()

    def run(inputs: Sequence[Array]) -> Array:
        result: Array = request.infer(dict(enumerate(inputs)), share_inputs=True)[0]
        return result

    shapes = (
        tuple(d.get_length() if d.is_static else None for d in port.partial_shape) for port in compiled.inputs
    )
    return Session(run, tuple(shapes))


@functools.cache
def _core() -> Any:
    """The one core of this process, which is never given up.

    A core replaces the stack on which signals are handled, and puts the old one back when it ends. If two
    cores end in the order in which they began, the second one puts back the first one's, which is gone. In a
    notebook, whose kernel has such a stack, the next Ctrl-C would then end the process.
    """
    return load().Core()


def versions() -> dict[str, str]:
    """Versions of the package that writes and runs these files."""
    return installed("openvino")


def _compress(openvino: Any, model: Any) -> None:
    """Store the weights as whole numbers, times a scale for every row."""
    opset = needed("openvino.opset13", EXTRA)
    for node in model.get_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != openvino.Type.f32:
            continue
        values = node.data
        if values.size < _SMALL or values.ndim < 2 or values.shape[0] == 1:  # noise, the learnt constant
            continue
        whole, scale = quantize(np.array(values))
        wide = opset.convert(opset.constant(whole, dtype=np.int8), "f32")
        replacement = opset.multiply(wide, opset.constant(scale, dtype=np.float32))
        node.output(0).replace(replacement.output(0))
