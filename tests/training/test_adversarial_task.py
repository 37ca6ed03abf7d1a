"""A task of another package goes through the loop: it trains, resumes to the bit, and on two processes."""

import json
import os
import signal

import pytest
import torch
from blobs import Blobs, BlobsSettings, blob
from safetensors.torch import load_file
from training_helpers import forked, lines

from ganzoo.training import reports
from ganzoo.training.compose import plan
from ganzoo.training.run import carry_out
from ganzoo.training.task import TASKS

SETTINGS = ["kimg=0.064", "batch_size=4", "log_kimg=0.008", "checkpoint_kimg=0.012", "sample_kimg=0.032"]
SETTINGS += ["eval_every=0.02", "device=cpu", "width=5"]


def job(folder, *changes):
    """What `ganzoo train task=blobs` is told."""
    own = [
        text for text in SETTINGS if text.split("=")[0] not in [change.split("=")[0] for change in changes]
    ]
    [found] = plan(None, [*own, *changes, f"out={folder}"], task="blobs").jobs
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing cut off."""
    return carry_out(job(tmp_path_factory.mktemp("runs") / "whole"))


def last(folder):
    return load_file(sorted((folder / "checkpoints").iterdir())[-1] / "state.safetensors")


def test_it_trains_and_leaves_what_every_run_leaves(whole):
    assert {path.name for path in whole.iterdir()} - {"tensorboard"} == {
        *("settings.json", "log.jsonl", "figures.jsonl", "result.json"),
        *("samples", "checkpoints", "best", "generator"),
    }
    result = json.loads((whole / "result.json").read_text())
    assert result["settings"]["task"] == "blobs" and result["settings"]["width"] == 5
    assert result["settings"]["clip"] is None and result["macs"] is None
    assert list(result["figures"]) == ["gap"] and result["best"]["figure"] == "gap"
    average = {n.removeprefix("ema/"): v for n, v in last(whole).items() if n.startswith("ema/")}
    student = load_file(whole / "generator" / "model.safetensors")
    assert all(torch.equal(value, average[name]) for name, value in student.items())


def test_it_learns(tmp_path):
    folder = carry_out(job(tmp_path / "run", "kimg=1", "checkpoint_kimg=9", "eval_every=0.996"))
    untrained = Blobs(BlobsSettings(out="", width=5), None)
    before = untrained.measure(untrained.modules["generator"])["gap"].value
    assert lines(folder / "figures.jsonl")[-1]["gap"] < 0.5 * before


def test_its_state_is_changed_after_every_step_and_kept(whole):
    state = {name: value for name, value in last(whole).items() if name.startswith("task/")}
    assert state.keys() == {"task/strength", "task/color"} and state["task/color"].shape == (3,)
    assert state["task/color"].abs().max() > 0
    assert "color" not in lines(whole / "log.jsonl")[0] and "sure" in lines(whole / "log.jsonl")[0]


def test_killed_anywhere_it_goes_on_to_the_same_bits(whole, tmp_path):
    found = job(tmp_path / "run")

    def work():
        step = reports.RunLog.step
        reports.RunLog.step = lambda self, images: (
            os.kill(os.getpid(), signal.SIGKILL) if images == 40 else step(self, images)
        )
        carry_out(found)

    assert forked(work) == [-signal.SIGKILL]
    carry_out(found)
    tensors, expected = last(tmp_path / "run"), last(whole)
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in tensors.items())
    assert lines(tmp_path / "run" / "figures.jsonl") == lines(whole / "figures.jsonl")


def test_without_its_state_it_would_not(whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Blobs, "load_state_dict", lambda self, state: None)
        carry_out(job(tmp_path / "run", "kimg=0.036"))
        carry_out(job(tmp_path / "run"))
    assert not torch.equal(last(tmp_path / "run")["task/color"], last(whole)["task/color"])


@pytest.mark.processes
def test_two_processes_learn_what_one_does(tmp_path):
    found = job(tmp_path / "two")
    assert forked(lambda: carry_out(found), processes=2) == [0, 0]
    alone = carry_out(job(tmp_path / "one", "accumulate=2"))
    tensors, expected = last(tmp_path / "two"), last(alone)
    assert tensors.keys() == expected.keys() and "task/color" in tensors
    for name, value in tensors.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-5, msg=name)


def test_other_figures_are_measured_without_learning_again(tmp_path):
    folder = carry_out(job(tmp_path / "run"))
    before = (folder / "log.jsonl").read_text()
    carry_out(job(tmp_path / "run", "num=3"))
    assert (folder / "log.jsonl").read_text() == before
    assert json.loads((folder / "result.json").read_text())["settings"]["num"] == 3


def test_settings_of_another_run_are_refused(whole):
    with pytest.raises(ValueError, match=r"holds a run with another gamma: 0\.5, not 2\.0"):
        carry_out(job(whole, "gamma=2"))


# The command


def test_its_options_are_those_of_its_settings():
    with pytest.raises(ValueError, match=r"Unknown setting: 'widht'\. Did you mean 'width'"):
        plan(None, ["widht=3"], task="blobs")
    with pytest.raises(ValueError, match=r"width must be int; got 'wide'"):
        plan(None, ["width=wide"], task="blobs")
    with pytest.raises(ValueError, match=r"'stylegan2' is no setting, and task=blobs takes no recipe"):
        plan("stylegan2", [], task="blobs")
    with pytest.raises(ValueError, match=r"Unknown setting: 'teacher'"):
        plan(None, ["teacher=x"], task="blobs")


def test_a_sweep_of_it_is_named_after_its_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = plan(None, ["width=3,4", "gamma=2"], task="blobs", sweep=True)
    assert str(found.folder) == "runs/sweep-blobs+gamma-2+width"
    assert [job.settings.width for job in found.jobs] == [3, 4]
    [alone] = plan(None, ["width=3"], task="blobs").jobs
    assert alone.settings.out == "runs/blobs+width-3" and alone.recipe is None


def test_presets_of_its_own_package_are_found(tmp_path, monkeypatch):
    (tmp_path / "training").mkdir()
    head = "# @package _global_\n"
    (tmp_path / "training" / "blobs.yaml").write_text(
        f"{head}task: blobs\nwidth: 7\nema: {{ramp_up: null}}\n"
    )
    (tmp_path / "training" / "wide.yaml").write_text(f"{head}defaults: [blobs, _self_]\nwidth: 99\n")
    monkeypatch.setattr(BlobsSettings, "presets", tmp_path)
    [own] = plan(None, [], task="blobs").jobs
    assert (own.settings.width, own.settings.ema.ramp_up, own.settings.ema.half_life_kimg) == (7, None, 5.0)
    [wide] = plan(None, ["training=wide", "gamma=3"], task="blobs").jobs
    assert (wide.settings.width, wide.settings.gamma) == (99, 3.0)
    with pytest.raises(ValueError, match=r"Unknown training: 'cpu'\. Choose from: blobs, wide"):
        plan(None, ["training=cpu"], task="blobs")


def test_its_settings_survive_their_record():
    settings = BlobsSettings(out="x", width=3)
    assert BlobsSettings.from_dict({"task": "blobs", **settings.to_dict()}) == settings
    assert TASKS.get("blobs").options is BlobsSettings


def test_images_are_of_the_range_of_all_others():
    assert blob(0.5, 0.5, [1.0, 0.0, 0.5]).abs().max() <= 1
