"""Fixtures that several folders of tests share."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

import ganzoo
from ganzoo.blocks import MAPPINGS
from ganzoo.generators.config import GENERATORS
from ganzoo.system import allocator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of training come first: they fork this process, and engines and compilers leave threads in it."""
    items.sort(key=lambda item: item.path.parent.name != "training")


@pytest.fixture(scope="session", autouse=True)
def allocator_as_it_is() -> Iterator[None]:
    """Commands that run in this process set up a process of their own otherwise, not that of all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(allocator, "_mallopt", lambda: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors are quicker on one thread, and ten times quicker where other processes want the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
