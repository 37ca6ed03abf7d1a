"""Archives of `torch.export`, for PyTorch without this package."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from ganzoo.export.forms import Form
from ganzoo.export.graphs import Graph, dynamic_shapes
from ganzoo.export.targets import Array, Session, installed

EXTRA, SUFFIX = "", ".pt2"
PACKAGES = RUNS = ()
PRECISIONS = ("fp32",)
FREE_BATCH = True
OPSETS = ()
FORM = Form()


def write(graph: Graph, path: Path, precision: str) -> None:
    """Write a graph as a `.pt2` archive."""
    with torch.no_grad():
        program = torch.export.export(graph.module, graph.examples, dynamic_shapes=dynamic_shapes(graph))
    torch.export.save(program, path)


def open_file(path: Path, precision: str = "fp32", threads: int | None = None) -> Session:
    """What runs an archive on the CPU. Open none from a source that you do not trust: PyTorch unpickles.

    Raises:
        ValueError: if it is none, or damaged.
    """
    logger = logging.getLogger("torch.export")  # prints the traceback of what is raised here
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        program = torch.export.load(path)
    except Exception as error:
        raise ValueError(f"{path} is no archive of torch.export: {error}") from error
    finally:
        logger.setLevel(level)

    module = program.module()

    def run(inputs: Sequence[Array]) -> Array:
        with torch.inference_mode():
            result: Array = module(*(torch.from_numpy(x) for x in inputs)).numpy()
        return result

    nodes = {node.name: node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder"}
    shapes = (
        tuple(s if isinstance(s, int) else None for s in nodes[name])
        for name in program.graph_signature.user_inputs
    )
    return Session(run, tuple(shapes))


def versions() -> dict[str, str]:
    """Version of PyTorch."""
    return installed("torch")
