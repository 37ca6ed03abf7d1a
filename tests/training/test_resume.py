"""Runs that are cut off anywhere go on to the same bits."""

import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from covering import thinned
from resume_helpers import assert_same_run, changed, die, die_after_step
from training_helpers import (
    forked,
    save_teacher,
)

import ganzoo
import ganzoo.training.cache as images
import ganzoo.training.checkpoint as checkpoint
from ganzoo.cli import main
from ganzoo.training import distillation_run, held_out, reports
from ganzoo.training.jobs import Job, Plan
from ganzoo.training.run import distill
from ganzoo.training.tasks import read_settings


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
    "after a checkpoint": die_after_step(6),
    "in the first checkpoint": die_saving(1, half=True),
    "in the second checkpoint": die_saving(2, half=True),
    "in front of a checkpoint's last move": die_saving(2, half=False),
    "while measuring": die_in(held_out.HeldOut, "measure"),
    "in the last measurement": die_in(held_out.HeldOut, "measure", call=2),
    "while the student is written": die_in(distillation_run, "student_card"),
}


# Each of these is like one that runs always: a step further on, or a checkpoint or a measurement before.
ALIKE = {"after a checkpoint", "in the first checkpoint", "while measuring"}
# These are so in other tests: of a run that is killed again and again, and of checkpoints alone.
ALIKE |= {"in the middle of a line of the log", "in front of a checkpoint's last move"}


@pytest.mark.parametrize("moment", thinned(MOMENTS, MOMENTS.keys() - ALIKE))
@pytest.mark.processes
def test_a_run_that_is_killed_goes_on_to_the_same_bits(teacher, whole, tmp_path, moment):
    expected = whole()
    data = changed(teacher, tmp_path / "run")

    def work():
        MOMENTS[moment]()
        distill(data)

    assert forked(work) == [-signal.SIGKILL]
    assert not (tmp_path / "run" / "result.json").exists()
    assert_same_run(distill(data), expected)


OTHERS = {
    "own mapping": {"inherit_mapping": False, "noise": "const"},
    "accumulate": {"accumulate": 2},
    "images from the disk": {"cache": {"images": 7}},
    "bfloat16": {"precision": "bf16", "teacher_precision": "bf16"},
    "a warm start": {
        "init": "teacher",
        "init_head": 3,
        "freeze": ["synthesis.levels.0.const"],
        "lr_scale": {"synthesis.levels": 0.1},
    },
    "another optimiser": {"optimizer": {"name": "lamb"}, "discriminator_optimizer": {"name": "nadamw"}},
}


# All of them in one run; one by one, with `-m slow`.
KINDS = {"all": {key: value for changes in OTHERS.values() for key, value in changes.items()}, **OTHERS}


@pytest.mark.parametrize("kind", thinned(KINDS, ["all"]))
def test_runs_of_every_kind_go_on_to_the_same_bits(teacher, whole, tmp_path, kind):
    expected = whole(**KINDS[kind])
    data = changed(teacher, tmp_path / "run", **KINDS[kind])

    def work():
        die_after_step(5)()
        distill(data)

    assert forked(work) == [-signal.SIGKILL]
    assert_same_run(distill(data), expected)


@pytest.mark.processes
def test_a_run_that_is_killed_again_and_again_goes_on_to_the_same_bits(teacher, whole, tmp_path):
    expected = whole()
    data = changed(teacher, tmp_path / "run", checkpoint_kimg=0.004)
    for step in (2, 4):

        def work(step=step):
            die_after_step(step)()
            distill(data)

        assert forked(work) == [-signal.SIGKILL]
    assert_same_run(distill(data), expected)


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


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGINT],
    ids=["SIGTERM", "Ctrl-C"],
)
def test_a_run_that_is_asked_to_stop_tells_what_it_kept_and_goes_on(teacher, whole, tmp_path, number):
    expected = whole()
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
    assert_same_run(distill(data), expected)


def test_a_run_that_is_stopped_before_it_learnt_says_so(teacher, tmp_path):
    data = changed(teacher, tmp_path / "run", cache={"folder": str(tmp_path / "images")})

    def work():
        images.TeacherCache.fill = lambda self, shards, report: os.kill(os.getpid(), signal.SIGINT)
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
    expected = whole()
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
    assert_same_run(distill(data), expected)
