"""Runs that are cut off anywhere go on to the same bits; two processes learn what one does."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_helpers import (
    HERE,
    OFF,
    forked,
    lines,
    merged,
    remembered,
    run_data,
    save_teacher,
)

import ganzoo
import ganzoo.training.cache as cache
import ganzoo.training.checkpoint as checkpoint
from ganzoo.cli import main
from ganzoo.training import announce, distillation_run, held_out, reports
from ganzoo.training.jobs import Job, Plan
from ganzoo.training.run import distill
from ganzoo.training.tasks import read_settings

# Eight steps of all that has a state: checkpoints after the third and the sixth, figures after the fifth.
EVERYTHING = {
    "kimg": 0.032,
    "checkpoint_kimg": 0.012,
    "log_kimg": 0.008,
    "eval_every": 0.020,
    "sample_kimg": 0.016,
    "noise": "random",
    "style_mixing": 0.5,
    "loss": {"teacher_features": {"weight": 1.0}, "gan": {"start_kimg": 0.004, "warmup_kimg": 0.008}},
}


@pytest.fixture(autouse=True, scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((distillation_run, "costs"), (announce, "costs"), (announce, "estimate_bytes")):
            patch.setattr(owner, name, remembered(getattr(owner, name)))
        yield


def changed(source, out, **changes):
    """Settings of a run with everything, and changes to them."""
    return run_data(source, out, **merged(EVERYTHING, changes))


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


def last_tensors(folder):
    return load_file(sorted((folder / "checkpoints").iterdir())[-1] / "state.safetensors")


def without_time(line):
    return {key: value for key, value in line.items() if key != "images_per_second"}


def assert_same_run(folder, expected):
    """Every bit of the last checkpoint, every line of the logs, the students and the sheets."""
    found, wanted = last_tensors(folder), last_tensors(expected)
    assert found.keys() == wanted.keys()
    parts = {name.partition("/")[0] for name in found}
    assert {"student", "ema", "discriminator", "projections", "student.optimizer"} <= parts
    assert [name for name, value in found.items() if not torch.equal(value, wanted[name])] == []
    for name in ("log.jsonl", "figures.jsonl"):
        assert [without_time(line) for line in lines(folder / name)] == [
            without_time(line) for line in lines(expected / name)
        ]
    for name in ("student", "best"):
        states = [ganzoo.load(path / name).state_dict() for path in (folder, expected)]
        assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    sheets = [sorted(path.name for path in (run / "samples").iterdir()) for run in (folder, expected)]
    assert sheets[0] == sheets[1]
    results = [json.loads((path / "result.json").read_text()) for path in (folder, expected)]
    assert results[0]["figures"] == results[1]["figures"] and results[0]["best"] == results[1]["best"]


def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)


def die_after_step(step):
    def patch():
        reports.RunLog.step = lambda self, images: die() if images == 4 * step else None

    return patch


def die_saving(count, half):
    """At the `count`-th checkpoint, with half of it written, or in front of its last move."""

    def patch():
        calls, save_file, rename = [], checkpoint.save_file, checkpoint.Path.rename

        def save(tensors, path):
            calls.append(path)
            save_file(tensors, path)
            if half and len(calls) == count:
                os.truncate(path, path.stat().st_size // 2)
                die()

        checkpoint.save_file = save
        checkpoint.Path.rename = lambda self, target: (
            die() if not half and len(calls) == count else rename(self, target)
        )

    return patch


def die_in(owner, name, call=1):
    def patch():
        calls, work = [], getattr(owner, name)

        def cut(*arguments, **options):
            calls.append(name)
            return die() if len(calls) == call else work(*arguments, **options)

        setattr(owner, name, cut)

    return patch


MOMENTS = {
    "before the first checkpoint": die_after_step(2),
    "in the middle of a line of the log": die_after_step(4),
    "after a checkpoint": die_after_step(7),
    "in the first checkpoint": die_saving(1, half=True),
    "in the second checkpoint": die_saving(2, half=True),
    "in front of a checkpoint's last move": die_saving(2, half=False),
    "while measuring": die_in(held_out.HeldOut, "measure"),
    "in the last measurement": die_in(held_out.HeldOut, "measure", call=2),
    "while the student is written": die_in(distillation_run, "student_card"),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS.keys())
def test_a_run_that_is_killed_goes_on_to_the_same_bits(teacher, whole, tmp_path, moment):
    data = changed(teacher, tmp_path / "run")

    def work():
        moment()
        distill(data)

    assert forked(work) == [-signal.SIGKILL]
    assert not (tmp_path / "run" / "result.json").exists()
    assert_same_run(distill(data), whole())


OTHERS = {
    "own mapping": {"inherit_mapping": False, "noise": "const"},
    "accumulate": {"accumulate": 2},
    "images from the disk": {"cache": {"images": 7}},
    "bfloat16": {"precision": "bf16", "teacher_precision": "bf16"},
    "another optimiser": {"optimizer": {"name": "lamb"}, "discriminator_optimizer": {"name": "nadamw"}},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS.keys())
def test_runs_of_every_kind_go_on_to_the_same_bits(teacher, whole, tmp_path, changes):
    data = changed(teacher, tmp_path / "run", **changes)

    def work():
        die_after_step(5)()
        distill(data)

    assert forked(work) == [-signal.SIGKILL]
    assert_same_run(distill(data), whole(**changes))


def test_a_run_that_is_killed_again_and_again_goes_on_to_the_same_bits(teacher, whole, tmp_path):
    data = changed(teacher, tmp_path / "run", checkpoint_kimg=0.004)
    for step in range(2, 9, 2):

        def work(step=step):
            die_after_step(step)()
            distill(data)

        assert forked(work) == [-signal.SIGKILL]
    assert_same_run(distill(data), whole())


def command(data, folder):
    """Work for a process: `ganzoo distill`, composed already, with what it says in files."""

    def work():
        sys.stdout, sys.stderr = ((folder / name).open("w") for name in ("stdout", "stderr"))
        sys.argv = ["ganzoo", "distill"]
        sys.modules["ganzoo.training.compose"] = type(
            "Train", (), {"plan": staticmethod(lambda *a, **o: planned(data))}
        )
        main()

    return work


def planned(data):
    return Plan((Job("run", data, read_settings(data)),), Path(data["out"]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_run_that_is_asked_to_stop_tells_what_it_kept_and_goes_on(teacher, whole, tmp_path, number):
    data = changed(teacher, tmp_path / "run")

    def work():
        step = reports.RunLog.step
        reports.RunLog.step = lambda self, images: (
            os.kill(os.getpid(), number) if images == 16 else step(self, images)
        )
        command(data, tmp_path)()

    assert forked(work) == [130]
    told = (tmp_path / "stderr").read_text().splitlines()
    assert told[-1:] == ["ganzoo: Interrupted: a checkpoint is saved, the same command goes on."]
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["000000003", "000000004"]
    assert_same_run(distill(data), whole())


def test_a_run_that_is_stopped_before_it_learnt_says_so(teacher, tmp_path):
    data = changed(teacher, tmp_path / "run", cache={"folder": str(tmp_path / "images")})

    def work():
        cache.TeacherCache.fill = lambda self, shards, report: os.kill(os.getpid(), signal.SIGINT)
        command(data, tmp_path)()

    assert forked(work) == [130]
    told = (tmp_path / "stderr").read_text()
    assert told.endswith("Interrupted: nothing was learnt yet, what was prepared is kept.\n")


def test_what_is_not_finite_in_the_teacher_ends_in_one_line(tmp_path):
    generator = ganzoo.load(save_teacher(tmp_path / "teacher"))
    with torch.no_grad():
        generator.synthesis.levels[0].const[0, 0, 0, 0] = torch.nan
    ganzoo.save(generator, tmp_path / "teacher")
    data = changed(tmp_path / "teacher", tmp_path / "run")
    assert forked(command(data, tmp_path)) == [2]
    told = (tmp_path / "stderr").read_text().splitlines()
    assert told[-1].startswith("ganzoo: ") and "Traceback" not in "".join(told)
    assert "of phase student is not finite. No checkpoint was written yet" in told[-1]


def test_a_disk_that_fills_up_ends_in_one_line_and_keeps_the_last_checkpoint(teacher, whole, tmp_path):
    data = changed(teacher, tmp_path / "run")

    def work():
        calls, save_file = [], checkpoint.save_file

        def save(tensors, path):
            calls.append(path)
            if len(calls) == 2:
                path.write_bytes(b"half")
                raise OSError(28, "No space left on device")
            save_file(tensors, path)

        checkpoint.save_file = save
        command(data, tmp_path)()

    assert forked(work) == [2]
    told = (tmp_path / "stderr").read_text().splitlines()
    assert told[-1].startswith("ganzoo: ") and "Traceback" not in "".join(told)
    assert "could not be written (No space left on device); the last one, " in told[-1]
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["000000003"]
    assert_same_run(distill(data), whole())


# Several processes

NO_GAN = {"loss": {"gan": OFF}}


def assert_close_runs(folder, expected):
    found, wanted = last_tensors(folder), last_tensors(expected)
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-3, atol=1e-5, msg=name)
    for name in ("log.jsonl", "figures.jsonl"):
        for line, other in zip(lines(folder / name), lines(expected / name), strict=True):
            assert without_time(line) == pytest.approx(without_time(other), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "alone"),
    [({}, {"accumulate": 2}), (NO_GAN, NO_GAN), ({"cache": {"images": 7}}, {"accumulate": 2})],
    ids=["with an adversary", "without one", "from the disk"],
)
def test_two_processes_learn_what_one_does(teacher, whole, tmp_path, changes, alone):
    data = changed(teacher, tmp_path / "run", **merged(changes, {"cache": {"folder": str(tmp_path / "p")}}))
    assert forked(lambda: distill(data), processes=2) == [0, 0]
    kept = {key: value for key, value in changes.items() if key != "loss"}
    assert_close_runs(tmp_path / "run", whole(**merged(kept, alone)))


def test_two_processes_go_on_to_the_same_bits(teacher, tmp_path):
    """One of them is killed; the launcher ends the other."""
    folders = [changed(teacher, tmp_path / name) for name in ("whole", "cut")]

    def work():
        if os.environ["RANK"] == "1":
            die_after_step(5)()
        distill(folders[1])

    assert -signal.SIGKILL in forked(work, processes=2)
    for data in folders:
        assert forked(lambda data=data: distill(data), processes=2) == [0, 0]
    assert_same_run(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "is not empty and holds no run"),
        ({"teacher": "none"}, "Unknown model or recipe: 'none'"),
        ({"label_dim": 2}, "give label_dim=0"),
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
        cache.SHARD = 2
        missing = cache.TeacherCache.missing

        def late(self):
            deadline = time.monotonic() + 20
            while os.environ["RANK"] == "1" and time.monotonic() < deadline:
                if (self.folder / "000000.npy").exists():  # the other one has made its first
                    break
                time.sleep(0.01)
            return missing(self)

        cache.TeacherCache.missing = late
        distill(data)

    assert forked(work, processes=2) == [0, 0]
    assert sorted(path.name for path in tmp_path.glob("p/*/*.npy")) == [
        *("000000.npy", "000000.npy", "000001.npy", "000002.npy", "000003.npy", "000004.npy")
    ]


SWEEP = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
import torch; torch.set_num_threads(1)
from ganzoo.training.jobs import Job, Plan
from ganzoo.training.run import distill
from ganzoo.training.tasks import read_settings
for data in json.loads(sys.argv[2]):
    distill(data)
"""


def test_torchrun_carries_out_one_run_after_the_other(teacher, tmp_path):
    jobs = [changed(teacher, tmp_path / name, kimg=0.008, device="auto") for name in ("one", "two")]
    script = tmp_path / "sweep.py"
    script.write_text(SWEEP)
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "--", str(script)]
    done = subprocess.run(
        [sys.executable, *launcher, json.dumps([str(HERE), str(HERE.parent)]), json.dumps(jobs)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},  # auto finds no accelerator
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("GiB beside the teacher") == 2
    for name in ("one", "two"):
        assert "2 processes" in json.loads((tmp_path / name / "result.json").read_text())["hardware"]
