"""The engines that files are written for.

The module of a target has

    EXTRA, SUFFIX, PACKAGES, PRECISIONS, FREE_BATCH, FORM
                                           the first precision is the default
    OPSETS                                 empty but for onnx
    write(graph, path, precision)          the file, whole; with OPSETS, opset= is an option
    open_file(path, precision, threads)    a Session: arrays in the graph's order to the result
    versions()                             of the packages that write and run it

and imports its engine inside of these functions.
"""

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ganzoo.export.forms import Form
from ganzoo.export.graphs import Graph
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

    def __call__(self, inputs: Sequence[Array]) -> Array:
        """The result."""
        return self.run(inputs)


class Target(Protocol):
    """What a target's module offers; see above."""

    EXTRA: str
    SUFFIX: str
    PACKAGES: tuple[str, ...]
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


def engine(module: str, extra: str) -> Any:
    """A module of an optional package.

    Raises:
        ImportError: naming the extra that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{package} is broken or not installed ({error}). {_how(extra)}") from error


def require(name: str) -> None:
    """Raise ImportError, naming the extra, if a package of a target is not installed; imports nothing."""
    module = target(name)
    if missing := [p for p in module.PACKAGES if importlib.util.find_spec(p) is None]:
        raise ImportError(f"{name} needs {', '.join(missing)}. {_how(module.EXTRA)}")


def _how(extra: str) -> str:
    return f'In the checkout: pip install ".[{extra}]"'


def installed(*distributions: str) -> dict[str, str]:
    """Versions of those distributions that are installed."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
