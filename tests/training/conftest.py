"""Teachers and finished runs in folders, for the tests of whole runs."""

import json

import pytest
from resume_helpers import changed
from training_helpers import remembered, save_teacher

from ganzoo.models import cost
from ganzoo.training import announce
from ganzoo.training.run import distill


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def quick():
    """Costs are counted once for the same settings."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((cost, "costs"), (announce, "costs"), (announce, "estimate_bytes")):
            patch.setattr(owner, name, remembered(getattr(owner, name)))
        yield


@pytest.fixture(scope="module")
def whole(teacher, tmp_path_factory):
    """Folders of runs that nothing cut off, made where they are asked for."""
    root, made = tmp_path_factory.mktemp("whole"), {}

    def find(**changes):
        name = json.dumps(changes)
        if name not in made:
            made[name] = distill(changed(teacher, root / str(len(made)), **changes))
        return made[name]

    return find
