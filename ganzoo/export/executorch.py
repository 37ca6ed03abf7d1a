"""ExecuTorch programs, `.pte`, for phones: every operation in XNNPACK.

In "fp16" XNNPACK holds the weights in half and computes in it, as processors of phones since ARMv8.2
are made to. It refuses to on a processor that it does not know to have half arithmetic.
"""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from ganzoo.export.forms import Form
from ganzoo.export.graphs import Graph
from ganzoo.export.targets import Array, Session, installed, silent
from ganzoo.system.extras import needed

EXTRA, SUFFIX = "executorch", ".pte"
PACKAGES = RUNS = ("executorch",)  # its one wheel holds exporter and runtime
PRECISIONS = ("fp32", "fp16")
FREE_BATCH = False
OPSETS = ()
FORM = Form(merge="rows", folds_style=False)


def write(graph: Graph, path: Path, precision: str) -> None:
    """Write a graph as a program of the XNNPACK delegate.

    Raises:
        ValueError: if XNNPACK does not take an operation on features or images: the portable kernels that
            would run it take a hundred times as long. For a few numbers of the mapping network they do.
    """
    exir = needed("executorch.exir", EXTRA)
    passes = needed("executorch.exir.passes.constant_prop_pass", EXTRA)
    xnnpack = needed("executorch.backends.xnnpack.partition.xnnpack_partitioner", EXTRA)
    module = graph.module if precision == "fp32" else InHalf(graph.module).eval()
    with _quiet(), torch.no_grad():
        program = torch.export.export(module, graph.examples).run_decompositions({})
        for node in list(program.graph.nodes):  # checks of filters, in the way of folding them
            if node.target is torch.ops.aten._assert_tensor_metadata.default:
                program.graph.erase_node(node)
        program = passes.constant_prop_pass(program)
        replace_foreign(program)
        with _half_stays_half():
            edge = exir.to_edge_transform_and_lower(program, partitioner=[xnnpack.XnnpackPartitioner()])
        if left := undelegated(edge.exported_program()):
            raise ValueError(f"XNNPACK does not take {', '.join(left)}.")
        path.write_bytes(edge.to_executorch().buffer)


def open_file(path: Path, precision: str = "fp32", threads: int | None = None) -> Session:
    """What runs a program. Its threads are those of all programs of this process: the last number counts.

    Raises:
        ValueError: if it is none, or damaged.
    """
    with silent():  # what it finds of the processor, line by line
        runtime = needed("executorch.runtime", EXTRA)
        pool = needed("executorch.extension.pybindings.portable_lib", EXTRA)
        if threads and threads != pool._threadpool_get_thread_count():
            pool._unsafe_reset_threadpool(threads)
    try:
        with silent():
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
    """Names of the operations on features and images, `[N, C, H, W]`, that are in no delegate.

    The casts of inputs and results at the edges are not among them: they are one pass over memory.
    """
    names = set()
    for node in program.graph.nodes:
        if node.op == "call_function" and getattr(node.meta.get("val"), "ndim", 0) >= 4:
            at_edge = node.args[0].op == "placeholder" or all(user.op == "output" for user in node.users)
            name = getattr(node.target, "__name__", str(node.target))
            if not (at_edge and "_to_dim_order_copy" in name):
                names.add(name)
    return sorted(names - {"getitem", "executorch_call_delegate"})


class InHalf(nn.Module):
    """A module that computes in half; its inputs and result stay float32."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).half()

    def forward(self, *inputs: Tensor) -> Tensor:
        result: Tensor = self.module(*(x.half() for x in inputs))
        return result.float()


def _call(graph: Any, function: Any, arguments: tuple[Any, ...], like: Node) -> Node:
    """A new node, with the shapes that the exporter's passes look for."""
    node: Node = graph.call_function(function, arguments)
    values = [a.meta["val"] if isinstance(a, Node) else a for a in arguments]
    with like.meta["val"].fake_mode:
        node.meta["val"] = function(*values)
    return node


@contextlib.contextmanager
def _half_stays_half() -> Iterator[None]:
    """A block in which the weights of convolutions in half are written in half.

    The exporter would widen them, and the engine, as it opens the file, round them to half again: 5.0 MB in
    the place of 3.4 for the same images of `mobilestylegan_ffhq_64_lite` in the same time (1.5.1, 2026-11).
    """
    visitor = needed("executorch.backends.xnnpack.operators.node_visitor", EXTRA).NodeVisitor
    own = visitor.define_tensor

    def define_tensor(*arguments: Any, force_fp32: bool = False, **more: Any) -> None:
        own(*arguments, **more)

    visitor.define_tensor = define_tensor
    try:
        yield
    finally:
        visitor.define_tensor = own


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
