"""Fixtures of the tests of sources."""

import multiprocessing.util
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from ir_fixtures import Release, client_environment


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """A published tiny model, which the real package client finds in a folder of wheels."""
    multiprocessing.util.get_temp_dir()  # made once, and not in the folder that has to be empty afterwards
    release = Release(tmp_path)
    monkeypatch.setattr("ganzoo.models.published.MODELS", release.models)
    environment = client_environment(release)
    for key in set(os.environ) - set(environment):
        monkeypatch.delenv(key)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(tempfile, "tempdir", str(release.temp))
    return release


@pytest.fixture
def installed(release: Release, monkeypatch: pytest.MonkeyPatch) -> Release:
    """The same, installed: it is had without the client, which takes half a second."""
    release.install(monkeypatch)
    return release


@pytest.fixture
def without_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting any program fails the test."""

    def refuse(command: list[str], **_: object) -> None:
        pytest.fail(f"started {command}")

    monkeypatch.setattr(subprocess, "Popen", refuse)
