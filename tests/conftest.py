"""Fixtures that several folders of tests share."""

import gc
import importlib
import os
import re
import sys
from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch

import ganzoo
from ganzoo.blocks import KINDS, MAPPINGS
from ganzoo.generators.config import GENERATORS
from ganzoo.system import allocator

MOST_WORKERS = 8  # each takes about half a gigabyte
PLACES = {"training": -1, "discriminator": 1, "ops": 1, "blocks": 1}  # of folders in the run


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker for every core where all tests run; none for a file or a folder: one process is sooner."""
    everything = [Path(argument).resolve() for argument in config.args] == [Path(__file__).parent]
    shares = re.search(r"(?<!not )\b(network|gpu)\b", config.option.markexpr)  # one line, or one device
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS) if everything and not shares and cores > 1 else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of training come first: they fork this process, and engines and compilers leave threads in it.

    Small ones that share nothing come last, where a worker that is done takes some from another. Those of a
    GPU are left out where there is none.
    """
    items.sort(key=lambda item: PLACES.get(item.path.parent.name, 0))
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="PyTorch finds no CUDA device"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collecting leaves, a million objects, is never garbage: each sweep over it takes half a second.

    Later sweeps are rarer than by default: they took an eighth of what compilers and exporters take.
    """
    gc.disable()
    gc.set_threshold(50_000, 20, 100)
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def allocator_as_it_is() -> Iterator[None]:
    """Commands that run in this process set up a process of their own otherwise, not that of all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(allocator, "_mallopt", lambda: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors are quicker on one thread, and ten times quicker where other processes want the cores.

    Processes that tests start keep to one, too.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before)


@pytest.fixture
def blocks_of_this_test() -> Iterator[None]:
    """Blocks that the test registers are forgotten after it."""
    before = {kind: registry.classes() for kind, registry in KINDS.items()}
    yield
    for kind, registry in KINDS.items():
        registry.restore(before[kind])


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Call the command line in this process: status, stdout, stderr."""
    from ganzoo.cli import main

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()  # what was said before
        monkeypatch.setattr(sys, "argv", ["ganzoo", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


@pytest.fixture(scope="session")
def operators_of_onnx_are_read_once() -> Iterator[None]:
    """torch.onnx reads the source of five hundred operators for every file, which takes half of the time.

    Then it asks for all ways to take operators apart, which no file changes.
    """
    try:
        from torch.onnx._internal.exporter._decomp import create_onnx_friendly_decomposition_table as table
        from torch.onnx._internal.exporter._registration import ONNXRegistry
    except ImportError:  # another version's, or no onnxscript
        yield
        return
    known = cache(lambda operators: table(set(operators)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))
        patch.setattr(f"{table.__module__}.{table.__name__}", lambda each: dict(known(frozenset(each))))
        yield


@pytest.fixture(scope="session", autouse=True)
def a_trace_is_made_once() -> Iterator[None]:
    """torch.jit.trace, which OpenVINO's converter calls, runs a network again to compare.

    That is the third part of a conversion; what is exported is compared with PyTorch's images anyway.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.jit._trace._check_trace", lambda *_, **__: None)
        yield


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved MobileStyleGAN of 32 x 32 with random weights."""
    folder = tmp_path_factory.mktemp("model")
    generator = ganzoo.create(
        "mobilestylegan", resolution=32, channels=[16, 16, 16], z_dim=16, w_dim=16, mapping={"depth": 1}
    )
    ganzoo.save(generator, folder)
    return folder


@pytest.fixture(scope="module")
def second_architecture() -> Iterator[ModuleType]:
    """A plug-in with an architecture, `waves`, imported for the tests of one file and forgotten again."""
    sys.modules.pop("toy_architecture", None)
    yield importlib.import_module("toy_architecture")
    GENERATORS.unregister("waves")
    MAPPINGS.unregister("rows")
