"""The process that reads files of strangers."""

import pytest
from fuzz_helpers import Judge


@pytest.fixture(scope="session")
def judge():
    judge = Judge()
    yield judge
    judge.close()
