"""ExecuTorch programs, `.pte`, for phones: every operation in XNNPACK."""

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.fx import Node

from ganzoo.export.forms import Form
from ganzoo.export.graphs import Graph
from ganzoo.export.targets import Array, Session, engine, installed

EXTRA, SUFFIX = "executorch", ".pte"
PACKAGES = ("executorch",)
PRECISIONS = ("fp32",)
FREE_BATCH = False
OPSETS = ()
FORM = Form(merge="rows", folds_style=False)


def write(graph: Graph, path: Path, precision: str) -> None:
    """Write a graph as a program of the XNNPACK delegate.

    Raises:
        ValueError: if XNNPACK does not take an operation on features or images: the portable kernels that
            would run it take a hundred times as long. For a few numbers of the mapping network they do.
    """
    exir = engine("executorch.exir", EXTRA)
    passes = engine("executorch.exir.passes.constant_prop_pass", EXTRA)
    xnnpack = engine("executorch.backends.xnnpack.partition.xnnpack_partitioner", EXTRA)
    with _quiet(), torch.no_grad():
        program = torch.export.export(graph.module, graph.examples).run_decompositions({})
        for node in list(program.graph.nodes):  # checks of filters, in the way of folding them
            if node.target is torch.ops.aten._assert_tensor_metadata.default:
                program.graph.erase_node(node)
        program = passes.constant_prop_pass(program)
        replace_foreign(program)
        edge = exir.to_edge_transform_and_lower(program, partitioner=[xnnpack.XnnpackPartitioner()])
        if left := undelegated(edge.exported_program()):
            raise ValueError(f"XNNPACK does not take {', '.join(left)}.")
        path.write_bytes(edge.to_executorch().buffer)


def open_file(path: Path, precision: str = "fp32", threads: int | None = None) -> Session:
    """What runs a program.

    Raises:
        ValueError: if it is none, or damaged.
    """
    runtime = engine("executorch.runtime", EXTRA)
    try:
        program = runtime.Runtime.get().load_program(path)
        method = program.load_method("forward")
    except Exception as error:
        raise ValueError(f"{path} is no program of ExecuTorch: {error}") from error

    def run(inputs: Sequence[Array]) -> Array:
        result: Array = method.execute(tuple(torch.from_numpy(x) for x in inputs))[0].numpy()
        return result

    meta = method.metadata
    shapes = (tuple(meta.input_tensor_meta(i).sizes()) for i in range(meta.num_inputs()))
    return Session(run, tuple(shapes))


def versions() -> dict[str, str]:
    """Versions of the packages that write and run these files."""
    return installed("executorch", "torchao")


def replace_foreign(program: Any) -> None:
    """Replace, in a program with fixed shapes, what XNNPACK does not take by what it does.

    A row of w is a slice, not a selection; splitting the channels is slices; an expansion that changes no
    size is nothing.
    """
    aten, graph = torch.ops.aten, program.graph_module.graph
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        x: Any = node.args[0] if node.args else None
        with graph.inserting_before(node):
            if node.target is aten.select.int:
                _, dim, index = node.args
                part = _call(graph, aten.slice.Tensor, (x, dim, index, index + 1), x)
                shape = list(node.meta["val"].shape)
                node.replace_all_uses_with(_call(graph, aten.view.default, (part, shape), part))
            elif node.target in (aten.split.Tensor, aten.split_with_sizes.default):
                dim = node.args[2] if len(node.args) > 2 else 0
                start = 0
                for i, value in enumerate(node.meta["val"]):
                    stop = start + value.shape[dim]
                    for user in [u for u in node.users if u.args[1] == i]:
                        user.replace_all_uses_with(_call(graph, aten.slice.Tensor, (x, dim, start, stop), x))
                    start = stop
            elif node.target is aten.expand.default and node.meta["val"].shape == x.meta["val"].shape:
                node.replace_all_uses_with(x)
    graph.eliminate_dead_code()
    program.graph_module.recompile()


def undelegated(program: Any) -> list[str]:
    """Names of the operations on features and images, `[N, C, H, W]`, that are in no delegate."""
    names = set()
    for node in program.graph.nodes:
        if node.op == "call_function" and getattr(node.meta.get("val"), "ndim", 0) >= 4:
            names.add(getattr(node.target, "__name__", str(node.target)))
    return sorted(names - {"getitem", "executorch_call_delegate"})


def _call(graph: Any, function: Any, arguments: tuple[Any, ...], like: Node) -> Node:
    """A new node, with the shapes that the exporter's passes look for."""
    node: Node = graph.call_function(function, arguments)
    values = [a.meta["val"] if isinstance(a, Node) else a for a in arguments]
    with like.meta["val"].fake_mode:
        node.meta["val"] = function(*values)
    return node


@contextlib.contextmanager
def _quiet() -> Any:
    """Without the words of the libraries that are at work."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
