"""The engines that files are written for.

The module of a target has

    EXTRA, SUFFIX, PRECISIONS, FREE_BATCH, FORM    the first precision is the default
    PACKAGES, RUNS                         modules that it takes to write files, and to run them
    OPSETS                                 empty but for onnx
    write(graph, path, precision)          the file, whole; with OPSETS, opset= is an option
    open_file(path, precision, threads)    a Session: arrays in the graph's order to the result
    versions()                             of the packages that write and run it

and imports its engine inside of these functions.
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ganzoo.export.forms import Form
from ganzoo.export.graphs import Graph
from ganzoo.system.extras import how
from ganzoo.system.validation import unknown

Array = NDArray[np.float32]

TARGETS = ("onnx", "openvino", "torch", "executorch", "litert", "coreml", "web", "web_litert")


@dataclass(frozen=True)
class Session:
    """A file in its engine: arrays in the order of its inputs to its first result.

    Attributes:
        run: Function that computes; its result is the caller's own.
        shapes: Shapes of the inputs; None where a dimension is free.
    """

    run: Callable[[Sequence[Array]], Array]
    shapes: tuple[tuple[int | None, ...], ...]
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __call__(self, inputs: Sequence[Array]) -> Array:
        """The result. Threads take turns: of two at once, engines mix up whose inputs are whose."""
        with self._turn:
            return self.run(inputs)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Session":
        """Itself: a copied generator calls the same engine, and so takes turns with the first one."""
        return self


class Target(Protocol):
    """What a target's module offers; see above."""

    EXTRA: str
    SUFFIX: str
    PACKAGES: tuple[str, ...]
    RUNS: tuple[str, ...]
    PRECISIONS: tuple[str, ...]
    FREE_BATCH: bool
    FORM: Form
    OPSETS: Sequence[int]

    def write(self, graph: Graph, path: Path, precision: str, **more: int) -> None:
        """Write the file."""

    def open_file(self, path: Path, precision: str = "fp32", threads: int | None = None) -> Session:
        """What runs the file."""

    def versions(self) -> dict[str, str]:
        """Versions of the engine's packages."""


def target(name: str) -> Target:
    """The module of a target.

    Raises:
        ValueError: for an unknown one.
    """
    if name not in TARGETS:
        raise ValueError(unknown("target", name, TARGETS))
    return cast(Target, importlib.import_module(f"ganzoo.export.{name}"))


def is_installed(name: str, *, to_run: bool = False) -> bool:
    """Whether a target's packages are installed; imports nothing.

    Args:
        name: Name of the target.
        to_run: Ask for what runs files that exist, which may be less than what writes them.
    """
    return not _missing(name, to_run)


def require(name: str, *, to_run: bool = False) -> None:
    """Raise ImportError, naming the extra, if a package of a target is not installed; see `is_installed`."""
    if missing := _missing(name, to_run):
        packages = " ".join(missing)
        alone = f"To run files that exist: pip install {packages}. " if to_run else ""
        raise ImportError(f"{name} needs {', '.join(missing)}. {alone}{how(target(name).EXTRA)}")


def _missing(name: str, to_run: bool) -> list[str]:
    packages = target(name).RUNS if to_run else target(name).PACKAGES
    return [p for p in packages if importlib.util.find_spec(p) is None]


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """A block in which nothing reaches stdout or stderr, from libraries in C++ either."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            yield
    finally:
        for number, descriptor in enumerate(kept, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.close(nowhere)


def installed(*distributions: str) -> dict[str, str]:
    """Versions of those distributions that are installed."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
