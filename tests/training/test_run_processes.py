"""Several processes learn what one does, and go on to the same bits."""

import json
import os
import signal
import sys
import time

import pytest
import torch
from resume_helpers import assert_same_run, changed, die_after_step, last_tensors, without_time
from torch.distributed.launcher import LaunchConfig, elastic_launch
from training_helpers import OFF, forked, lines, merged

import ganzoo.training.cache as images
from ganzoo.training.run import distill

pytestmark = pytest.mark.processes

NO_GAN = {"loss": {"gan": OFF}}
SHORT = {"kimg": 0.016, "eval_every": 0.012}  # checkpoints and figures after the third step and the fourth


def assert_close_runs(folder, expected):
    found, wanted = last_tensors(folder), last_tensors(expected)
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-3, atol=1e-5, msg=name)
    for name in ("log.jsonl", "figures.jsonl"):
        for line, other in zip(lines(folder / name), lines(expected / name), strict=True):
            assert without_time(line) == pytest.approx(without_time(other), rel=1e-4, abs=1e-6)


@pytest.fixture(scope="module")
def of_two(teacher, tmp_path_factory):
    """The folder of a run of two processes, with an adversary, that nothing cut off."""
    folder = tmp_path_factory.mktemp("two") / "whole"
    data = changed(teacher, folder, **SHORT, cache={"folder": str(folder.with_name("images"))})
    assert forked(lambda: distill(data), processes=2) == [0, 0]
    return folder


def test_two_processes_learn_what_one_does_with_an_adversary(of_two, whole):
    assert_close_runs(of_two, whole(**SHORT, accumulate=2))


@pytest.mark.parametrize(
    ("changes", "alone"),
    [
        pytest.param(NO_GAN, NO_GAN, marks=pytest.mark.slow),
        pytest.param({"cache": {"images": 7}, "kimg": 0.012}, {"accumulate": 2}, marks=pytest.mark.slow),
    ],
    ids=["without an adversary", "from the disk"],
)
def test_two_processes_learn_what_one_does(teacher, whole, tmp_path, changes, alone):
    kept = {key: value for key, value in changes.items() if key != "loss"}
    expected = whole(**merged(kept, alone))
    data = changed(teacher, tmp_path / "run", **merged(changes, {"cache": {"folder": str(tmp_path / "p")}}))
    assert forked(lambda: distill(data), processes=2) == [0, 0]
    assert_close_runs(tmp_path / "run", expected)


def test_two_processes_go_on_to_the_same_bits(teacher, of_two, tmp_path):
    """One of them is killed; the launcher ends the other."""
    data = changed(teacher, tmp_path / "cut", **SHORT)

    def work():
        if os.environ["RANK"] == "1":
            die_after_step(4)()
        distill(data)

    assert -signal.SIGKILL in forked(work, processes=2)
    assert forked(lambda: distill(data), processes=2) == [0, 0]
    assert_same_run(tmp_path / "cut", of_two)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "is not empty and holds no run"),
        pytest.param({"teacher": "none"}, "Unknown model or recipe: 'none'", marks=pytest.mark.slow),
        pytest.param({"label_dim": 2}, "give label_dim=0", marks=pytest.mark.slow),
        ({"batch_size": 3}, "give a multiple of 2"),
    ],
    ids=["folder", "teacher", "student", "batch"],
)
def test_both_processes_are_told_what_is_wrong(teacher, tmp_path, changes, told):
    if not changes:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "thesis.tex").write_text("mine")
    data = changed(teacher, tmp_path / "run", **changes)

    def work():
        with pytest.raises(ValueError, match=told):
            distill(data)

    assert forked(work, processes=2) == [0, 0]


def test_every_shard_is_made_by_one_of_the_processes_however_late_they_look(teacher, tmp_path):
    data = changed(teacher, tmp_path / "run", cache={"folder": str(tmp_path / "p"), "images": 10})
    data |= {"kimg": 0.004, "held_out": {"num": 2, "metrics": ["l1"], "best": "l1"}}

    def work():
        images.SHARD = 2
        missing = images.TeacherCache.missing

        def late(self):
            deadline = time.monotonic() + 2
            while os.environ["RANK"] == "1" and time.monotonic() < deadline:
                if (self.folder / "000000.npy").exists():  # the other one has made its first
                    break
                time.sleep(0.01)
            return missing(self)

        images.TeacherCache.missing = late
        distill(data)

    assert forked(work, processes=2) == [0, 0]
    assert sorted(path.name for path in tmp_path.glob("p/*/*.npy")) == [
        *("000000.npy", "000000.npy", "000001.npy", "000002.npy", "000003.npy", "000004.npy")
    ]


def test_torchrun_carries_out_one_run_after_the_other(teacher, tmp_path, monkeypatch):
    """Its launcher, and forks instead of processes that import everything first."""
    jobs = [changed(teacher, tmp_path / name, kimg=0.008, device="auto") for name in ("one", "two")]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # auto finds no accelerator

    def sweep():
        for data in jobs:
            distill(data)

    def launch():
        sys.stderr = (tmp_path / "stderr").open("w")
        place = {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0"}
        config = LaunchConfig(1, 1, nproc_per_node=2, start_method="fork", monitor_interval=0.1, **place)
        elastic_launch(config, sweep)()

    assert forked(launch, timeout=90) == [0]
    assert (tmp_path / "stderr").read_text().count("GiB beside the teacher") == 2
    for name in ("one", "two"):
        assert "2 processes" in json.loads((tmp_path / name / "result.json").read_text())["hardware"]
