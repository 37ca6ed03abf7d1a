"""Models that are exported, and the command line."""

import sys

import pytest
from export_helpers import small, written

import ganzoo
from ganzoo.cli import main


@pytest.fixture(scope="session")
def generator():
    """A MobileStyleGAN of 16 x 16 with weights that no seed gives."""
    return small()


@pytest.fixture(scope="session")
def folder(generator, tmp_path_factory):
    """The same, saved."""
    path = tmp_path_factory.mktemp("model")
    ganzoo.save(generator, path)
    return path


@pytest.fixture(scope="session")
def exported(generator, tmp_path_factory):
    """The same, written for every engine of the default tests."""
    path = tmp_path_factory.mktemp("exported")
    written(generator, path, ["onnx", "openvino", "torch"])
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """A cache that nothing else reads or fills."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def run(monkeypatch, capsys):
    """Call the command line in this process: status, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ganzoo", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return call
