"""Core ML packages, `.mlpackage`, for iOS 16 and macOS 13 and later.

They are written anywhere and run on a Mac alone: elsewhere they cannot be verified.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ganzoo.export.forms import Form
from ganzoo.export.graphs import Graph
from ganzoo.export.targets import Array, Session, installed
from ganzoo.system.extras import needed

EXTRA, SUFFIX = "coreml", ".mlpackage"
PACKAGES = RUNS = ("coremltools",)
PRECISIONS = ("fp32", "fp16")
FREE_BATCH = False
OPSETS = ()
FORM = Form(merge="rows", folds_style=False)


def write(graph: Graph, path: Path, precision: str) -> None:
    """Write a graph as an ML program that computes in float32 or float16."""
    coremltools = needed("coremltools", EXTRA)
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    # Its progress bars go to stderr.
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.export.export(graph.module, graph.examples).run_decompositions({})
        model = coremltools.convert(
            program,
            inputs=[
                coremltools.TensorType(name=i.name, shape=i.shape, dtype=np.float32) for i in graph.inputs
            ],
            outputs=[coremltools.TensorType(name=graph.output, dtype=np.float32)],
            minimum_deployment_target=coremltools.target.iOS16,
            compute_precision=getattr(
                coremltools.precision, {"fp32": "FLOAT32", "fp16": "FLOAT16"}[precision]
            ),
        )
    model.save(str(path))


def open_file(path: Path, precision: str = "fp32", threads: int | None = None) -> Session:
    """What runs a package, on a Mac.

    Raises:
        ValueError: if it is none, or this is no Mac.
    """
    coremltools = needed("coremltools", EXTRA)
    try:
        model = coremltools.models.MLModel(str(path))
    except Exception as error:
        raise ValueError(f"{path} is no package of Core ML: {error}") from error
    inputs = model.get_spec().description.input
    output = model.get_spec().description.output[0].name

    def run(values: Sequence[Array]) -> Array:
        named = {i.name: value for i, value in zip(inputs, values, strict=True)}
        result: Array = model.predict(named)[output]
        return result

    return Session(run, tuple(tuple(i.type.multiArrayType.shape) for i in inputs))


def versions() -> dict[str, str]:
    """Version of the package that writes these files."""
    return installed("coremltools")
