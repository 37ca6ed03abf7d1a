"""Teachers and finished runs in folders, for the tests of whole runs."""

import json

import pytest
from resume_helpers import changed
from training_helpers import TinyFeatures, remembered, save_teacher

from ganzoo.models import cost
from ganzoo.training import adversarial_run, announce, announce_adversarial
from ganzoo.training.run import distill


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="session", autouse=True)
def quick():
    """What a run takes is counted and timed once for the same settings: on tiny networks half of a run."""
    counted = remembered(cost.costs)
    speed, seconds = announce.measure_speed, announce_adversarial._seconds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(announce, "estimate_bytes", remembered(announce.estimate_bytes))
        patch.setattr(announce, "measure_speed", remembered(speed, lambda task, *known: known))
        patch.setattr(
            announce_adversarial, "_seconds", remembered(seconds, lambda task, share: (task.settings, share))
        )
        patch.setattr(announce_adversarial, "costs", counted)
        known = remembered(announce_adversarial.adversarial_bytes)
        patch.setattr(announce_adversarial, "adversarial_bytes", known)
        patch.setattr(cost, "costs", counted)
        yield


@pytest.fixture(scope="module")
def tiny_features():
    """Figures of adversarial runs by a tiny network of features."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adversarial_run, "load_features", TinyFeatures)
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
