"""A teacher in a folder, for the tests of whole runs."""

import pytest
from training_helpers import save_teacher


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save_teacher(tmp_path_factory.mktemp("teacher"))
