"""The model of a demo, opened once."""

import pytest
from demo_helpers import saved_model

from ganzoo.demo.opening import open_model


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory):
    return saved_model(tmp_path_factory.mktemp("demo") / "tiny")


@pytest.fixture(scope="session")
def demo_model(demo_folder):
    return open_model(demo_folder, runtime="torch")
