"""Models that are exported, each once in a session."""

import shutil
from pathlib import Path

import pytest
from export_helpers import small, written

import ganzoo
from ganzoo import runtimes


@pytest.fixture(scope="session", autouse=True)
def quick_onnx(operators_of_onnx_are_read_once):
    """Most of these tests write ONNX files."""


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


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory):
    """A user's cache that fills in the course of these tests: each engine's files are written once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def user_cache(session_cache, monkeypatch):
    """Where the user's cache is for a test that names no other."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(session_cache))
    return session_cache / "ganzoo"


@pytest.fixture
def empty_cache(user_cache, tmp_path, monkeypatch):
    """A user's cache in which nothing lies yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))


@pytest.fixture
def filled_cache(folder, user_cache, tmp_path):
    """A cache of this test's own with OpenVINO's files of the model."""
    runtimes.load(str(folder), "openvino")
    return Path(shutil.copytree(user_cache, tmp_path / "filled"))
