"""Adversarial runs that are cut off go on to the same bits; two processes learn what one does."""

import json
import os
import shutil
import signal

import pytest
import torch
from adversarial_helpers import settings_of, write_pictures
from resume_helpers import last_tensors, without_time
from training_helpers import forked, lines

import ganzoo
import ganzoo.training.checkpoint as checkpoint
from ganzoo.training import reports
from ganzoo.training.adversarial import AdversarialTask
from ganzoo.training.run import train

pytestmark = pytest.mark.usefixtures("tiny_features")

# Six steps of all that has a state: checkpoints after the third and the fifth (measured).
EVERYTHING = {
    "kimg": 0.024,
    "checkpoint_kimg": 0.012,
    "log_kimg": 0.008,
    "eval_every": 0.020,
    "sample_kimg": 0.016,
    "label_dim": 3,
    "mirror": True,
    "noise": "random",
    "style_mixing": 0.5,
    "augment": {"name": "ada", "p": 0.5},
    "ada": {"interval": 2, "kimg": 0.2},
    "quality": {"num": 8, "features": "tiny"},
}
PARTS = {
    "generator",
    "discriminator",
    "generator.optimizer",
    "discriminator.optimizer",
    "ema",
    "task",
    "means",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("set") / "images", classes=3)


@pytest.fixture(scope="module")
def settings(data):
    """Settings of a run with everything in a folder of its own."""

    def find(out, **changes):
        cache = {"folder": str(data.with_name("decoded"))}
        return settings_of(changes.pop("images", data), out, **{**EVERYTHING, "cache": cache, **changes})

    return find


@pytest.fixture(scope="module")
def whole(settings, tmp_path_factory):
    """The folder of a run that nothing cut off."""
    return train(settings(tmp_path_factory.mktemp("runs") / "whole"))


def die_after_step(step):
    count = reports.RunLog.step
    reports.RunLog.step = lambda self, images: (
        os.kill(os.getpid(), signal.SIGKILL) if images == 4 * step else count(self, images)
    )


def cut(settings, step):
    """A run that is killed after a step."""

    def work():
        die_after_step(step)
        train(settings)

    assert forked(work) == [-signal.SIGKILL]


@pytest.fixture(scope="module")
def cut_runs(settings, tmp_path_factory):
    """Copies of the folder of a run that was killed after a step, which is killed once for each step."""
    made = {}

    def copied(step, out):
        if step not in made:
            made[step] = tmp_path_factory.mktemp("cut") / "run"
            cut(settings(made[step]), step)
        shutil.copytree(made[step], out)
        return settings(out)

    return copied


def differing(folder, expected):
    """Names of the tensors of the last checkpoints that differ in any bit."""
    found, wanted = last_tensors(folder), last_tensors(expected)
    assert found.keys() == wanted.keys()
    return {name for name, value in found.items() if not torch.equal(value, wanted[name])}


def assert_same_run(folder, expected):
    assert differing(folder, expected) == set()
    for name in ("log.jsonl", "figures.jsonl"):
        assert [without_time(line) for line in lines(folder / name)] == [
            without_time(line) for line in lines(expected / name)
        ]
    for name in ("generator", "best", "discriminator"):
        states = [ganzoo.load(path / name).state_dict() for path in (folder, expected)]
        assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    sheets = [
        {path.name: path.read_bytes() for path in (run / "samples").iterdir()} for run in (folder, expected)
    ]
    assert sheets[0].keys() == sheets[1].keys()
    results = [json.loads((path / "result.json").read_text()) for path in (folder, expected)]
    assert results[0]["figures"] == results[1]["figures"] and results[0]["best"] == results[1]["best"]


def test_a_checkpoint_holds_all_that_the_next_step_depends_on(whole):
    tensors = last_tensors(whole)
    assert {name.partition("/")[0] for name in tensors} >= PARTS - {"means"}
    assert {name for name in tensors if name.startswith("task/")} == {
        "task/p",
        "task/signs",
        "task/path_mean",
    }
    assert 0 < tensors["task/p"] != 0.5 and tensors["task/path_mean"] > 0
    assert tensors["generator/mapping.w_avg"].any()
    assert len({line["augment/p"] for line in lines(whole / "log.jsonl")}) == 3


@pytest.mark.parametrize("step", [5, *(pytest.param(step, marks=pytest.mark.slow) for step in (2, 6))])
@pytest.mark.processes
def test_killed_anywhere_it_goes_on_to_the_same_bits(cut_runs, whole, tmp_path, step):
    """Before the first checkpoint; between two changes of p; with terms that wait for the log."""
    own = cut_runs(step, tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()
    assert_same_run(train(own), whole)


@pytest.mark.parametrize("lost", ["p", "signs", "path_mean"])
def test_without_any_part_of_its_state_it_would_not(cut_runs, whole, tmp_path, monkeypatch, lost):
    own = cut_runs(5, tmp_path / "run")
    load = AdversarialTask.load_state_dict

    def forgetful(self, state):
        load(self, {**state, lost: self.state_dict()[lost]})

    monkeypatch.setattr(AdversarialTask, "load_state_dict", forgetful)
    assert differing(train(own), whole)


@pytest.mark.slow  # a longer run goes on as one that was killed does
def test_half_a_run_and_the_other_half_are_the_whole_one(settings, whole, tmp_path):
    train(settings(tmp_path / "run", kimg=0.012))
    assert differing(train(settings(tmp_path / "run")), whole) == set()


PROJECTED = {
    "discriminator": {"name": "projected", "features": "tiny", "maps": [5, 6], "size": 32, "width": 4},
    "penalty": {"r1": 0.0},
    "game": {"kind": "hinge", "top_k": 0.5},
    "quality": {"metrics": []},
}
OTHERS = {
    "accumulate": 2,
    "precision": "bf16",
    "freeze": ["mapping"],
    "freeze_discriminator": 1,
    "lr_scale": {"synthesis": 0.5},
    "game": {"kind": "relativistic"},
    "penalty": {"r1": 1.0, "r2": 1.0, "interval": 1},
    "path_length": {"interval": 1},
}


# The state of a projected discriminator comes back in a run of test_adversaries.py, too.
@pytest.mark.parametrize(
    "changes",
    [pytest.param(PROJECTED, marks=pytest.mark.slow), OTHERS],
    ids=["projected", "others"],
)
def test_runs_of_other_kinds_go_on_to_the_same_bits(settings, tmp_path, changes):
    short = {"kimg": 0.016, "eval_every": 0.0, **changes}
    expected = train(settings(tmp_path / "whole", **short))
    cut(settings(tmp_path / "run", **short), 4)
    assert_same_run_without_best(train(settings(tmp_path / "run", **short)), expected)


def assert_same_run_without_best(folder, expected):
    assert differing(folder, expected) == set()
    assert [without_time(x) for x in lines(folder / "log.jsonl")] == [
        without_time(x) for x in lines(expected / "log.jsonl")
    ]


@pytest.fixture(scope="module")
def of_two(settings, tmp_path_factory):
    """The folder of a run of two processes that nothing cut off."""
    folder = tmp_path_factory.mktemp("two") / "whole"
    own = settings(folder)
    assert forked(lambda: train(own), processes=2) == [0, 0]
    return folder


@pytest.mark.processes
def test_two_processes_learn_what_one_does_in_two_parts(settings, of_two, tmp_path):
    """ADA is active: p and the augmented images are the same ones."""
    train(settings(tmp_path / "one", accumulate=2))
    found, wanted = last_tensors(of_two), last_tensors(tmp_path / "one")
    assert found.keys() == wanted.keys() and found["task/p"] == wanted["task/p"] > 0
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-3, atol=1e-5, msg=name)
    for name in ("log.jsonl", "figures.jsonl"):
        for line, other in zip(lines(of_two / name), lines(tmp_path / "one" / name), strict=True):
            assert without_time(line) == pytest.approx(without_time(other), rel=1e-3, abs=1e-5)


@pytest.mark.slow  # by the same loop as in test_run_processes.py
def test_two_processes_go_on_to_the_same_bits(settings, of_two, tmp_path):
    own = settings(tmp_path / "cut")

    def work():
        if os.environ["RANK"] == "1":
            die_after_step(5)
        train(own)

    assert -signal.SIGKILL in forked(work, processes=2)
    assert forked(lambda: train(own), processes=2) == [0, 0]
    assert_same_run(tmp_path / "cut", of_two)


def test_other_images_are_refused_and_the_run_is_kept(settings, tmp_path):
    images = write_pictures(tmp_path / "images", classes=3)
    own = settings(tmp_path / "run", images=images, kimg=0.012)
    train(own)
    before = last_tensors(tmp_path / "run")
    (images / "000.png").write_bytes((images / "001.png").read_bytes())
    with pytest.raises(ValueError, match=r"images holds other images than when the run in .*run began"):
        train(settings(tmp_path / "run", images=images, kimg=0.024))
    after = last_tensors(tmp_path / "run")
    assert all(torch.equal(value, before[name]) for name, value in after.items())


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(settings, whole, tmp_path, monkeypatch):
    calls, save_file = [], checkpoint.save_file

    def save(tensors, path):
        calls.append(path)
        if len(calls) == 2:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save_file(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", save)
        with pytest.raises(OSError, match=r"\(No space left on device\); the last one, .*000000003, is kept"):
            train(settings(tmp_path / "run"))
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["000000003"]
    assert_same_run(train(settings(tmp_path / "run")), whole)


def test_what_is_not_finite_stops_with_the_last_checkpoint_kept(settings, whole, tmp_path, monkeypatch):
    loss = AdversarialTask.loss

    def broken(self, phase, batch, kimg):
        found, terms = loss(self, phase, batch, kimg)
        return found * (torch.nan if kimg >= 0.016 and phase.name == "discriminator" else 1), terms

    with monkeypatch.context() as patch:
        patch.setattr(AdversarialTask, "loss", broken)
        with pytest.raises(ValueError, match=r"of phase discriminator is not finite\. The last good .*0003"):
            train(settings(tmp_path / "run"))
    assert_same_run(train(settings(tmp_path / "run")), whole)
