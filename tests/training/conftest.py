"""Teachers and finished runs in folders, for the tests of whole runs."""

import json

import pytest
from resume_helpers import changed
from training_helpers import remembered, save_teacher

from ganzoo.training import announce
from ganzoo.training.run import distill


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def quick():
    """What a run takes is estimated once for the same settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(announce, "estimate_bytes", remembered(announce.estimate_bytes))
        yield


@pytest.fixture(scope="module")
def whole(teacher, tmp_path_factory):
    """Folders of runs that nothing cut off, made where they are asked for.

    Before others are forked: what was counted for it, they know.
    """
    root, made = tmp_path_factory.mktemp("whole"), {}

    def find(**changes):
        name = json.dumps(changes)
        if name not in made:
            made[name] = distill(changed(teacher, root / str(len(made)), **changes))
        return made[name]

    return find
