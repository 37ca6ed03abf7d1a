"""Fixtures of the tests of the factory."""

from pathlib import Path

import pytest
import torch
from factory_helpers import TINY
from ir_fixtures import Release

from ganzoo.models.factory import create
from ganzoo.models.weights import save


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """The published model `tiny_face`, installed, so that nothing is fetched."""
    release = Release(tmp_path)
    monkeypatch.setattr("ganzoo.models.published.MODELS", release.models)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    release.install(monkeypatch)
    return release


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved model, with weights that no seed gives."""
    generator = create("mobilestylegan", **TINY)
    with torch.no_grad():
        generator.synthesis.levels[0].const.add_(1)
    save(generator, tmp_path / "saved")
    return tmp_path / "saved"
