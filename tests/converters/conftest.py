"""The process that reads files of strangers, and golden files that are opened once."""

from functools import cache

import pytest
from fuzz_helpers import Judge
from golden_helpers import GOLDEN

from ganzoo.converters import conversion

open_once = cache(conversion.open_checkpoint)


@pytest.fixture(scope="session")
def judge():
    judge = Judge()
    yield judge
    judge.close()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module", autouse=True)
def golden_files_are_opened_once():
    """Most of a small conversion is reading the pickle, and what it gives is never written to."""
    open_checkpoint = conversion.open_checkpoint
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            conversion,
            "open_checkpoint",
            lambda path: (open_once if GOLDEN in path.parents else open_checkpoint)(path),
        )
        yield
