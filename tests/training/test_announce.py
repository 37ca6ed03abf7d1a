"""What a run will cost is told before it starts, and finding out changes nothing."""

from datetime import datetime

import pytest
import torch
from covering import thinned
from training_helpers import OFF, make_task, make_teacher, result_of, run_data, run_settings, student_config

import ganzoo
import ganzoo.training.announce as module
from ganzoo.training.announce import network_lines, time_lines
from ganzoo.training.checkpoint import checkpoints, load_checkpoint
from ganzoo.training.run import distill
from ganzoo.training.trial import Speed, measure_speed

SIZES = {"MiB": 2**20, "GiB": 2**30}
KINDS = {
    "an adversary and its penalty": {},
    "features of the teacher": {"loss": {"gan": OFF, "teacher_features": {"weight": 1.0}}},
    "images from the disk": {"cache": {"images": 6}, "loss": {"gan": OFF}},
}


@pytest.mark.parametrize("kind", thinned(KINDS, KINDS.keys() - {"features of the teacher"}))
def test_a_run_whose_speed_was_measured_gives_the_same_bits(teacher, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(module, "measure_speed", measure_speed)  # and not what is remembered of another run
    changes = {"kimg": 0.012, **KINDS[kind]}
    measured = distill(run_data(teacher, tmp_path / "measured", **changes))
    monkeypatch.setattr(module, "measure_speed", lambda *arguments: Speed(1.0, 1.0, 1.0))
    alone = distill(run_data(teacher, tmp_path / "alone", **changes))
    tensors = [load_checkpoint(checkpoints(folder / "checkpoints")[-1])[0] for folder in (measured, alone)]
    assert tensors[0].keys() == tensors[1].keys()
    assert all(torch.equal(value, tensors[1][name]) for name, value in tensors[0].items())


def test_the_measurement_leaves_no_gradient_behind():
    task = make_task(run_settings())
    speed = measure_speed(task, task.settings, 4)
    assert min(speed.teacher, speed.learning, speed.student) > 0
    assert all(p.grad is None for m in task.modules.values() for p in m.parameters())


def size(text, what):
    number, unit = text.partition(f"{what} ")[2].split()[:2]
    return float(number) * SIZES[unit.strip(".,")]


@pytest.mark.parametrize("name", thinned(["adam", "sgd", "lamb"], ["adam", "sgd"]))
def test_sizes_on_disk_are_those_of_the_files(teacher, tmp_path, capsys, name):
    data = run_data(teacher, tmp_path / "run", kimg=0.004, optimizer={"name": name, "betas": (0.0, 0.99)})
    folder = distill(data)
    [told] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Disk: ")]
    tensors, _ = load_checkpoint(checkpoints(folder / "checkpoints")[-1])
    # Without the headers of the files, which are long beside networks as small as these.
    assert size(told, "a checkpoint") == pytest.approx(sum(x.nbytes for x in tensors.values()), rel=0.03)
    student = ganzoo.load(folder / "student").state_dict()
    assert size(told, "the student") == pytest.approx(sum(x.nbytes for x in student.values()), rel=0.03)
    assert "(2 are kept)" in told


def test_all_of_the_cost_is_told_before_a_run(teacher, tmp_path, capsys):
    folder = distill(run_data(teacher, tmp_path / "run", kimg=0.004))
    told = capsys.readouterr().err.splitlines()
    starts = ("Student of 16 x 16: ", "Teacher of 16 x 16: ", "Memory: ", "Disk: ", "Measuring", "Speed: ")
    assert [line.startswith(start) for line, start in zip(told, starts, strict=False)] == [True] * 6
    assert "GiB beside the teacher, of " in told[2] and "0.004 kimg end in about " in told[5]
    assert result_of(folder)["kimg"] == 0.004


def test_a_student_that_costs_more_than_its_teacher_is_told_with_both_costs():
    teacher = make_teacher().config
    assert len(network_lines(student_config(), teacher)) == 2
    for own in ({"channels": (64, 64)}, {"mapping": {"name": "mlp", "depth": 8}, "channels": (32, 32)}):
        *costs, warning = network_lines(student_config(**own), teacher)
        assert warning.startswith("Warning: the student is dearer than its teacher: ")
        for line in costs:
            parameters, macs = line.partition(": ")[2].removesuffix(" MACs.").split(" parameters, ")
            assert parameters in warning and macs in warning


def lines_of(speed, left=1_000_000, missing=0, processes=1, **changes):
    settings = run_settings(eval_every=0.0, held_out={"num": 500}, kimg=left / 1000, **changes)
    now = datetime(2026, 1, 1)
    return time_lines(speed, settings, processes, left=left, missing=missing, now=now)


def test_the_end_of_a_long_run_is_told_with_what_shortens_it():
    told, shorter = lines_of(Speed(2.0, 4.8, 0.1))
    assert told.startswith("Speed: 0.147 images/s. 1000 kimg end in about 79 days, 2026-03-20 16:54")
    assert "loss.gan.weight=0, cache.images=8192" in shorter and "Ctrl-C" in shorter


def test_images_that_are_made_once_cost_no_time_later():
    [told] = lines_of(Speed(2.0, 0.1, 0.1), left=10_000, missing=3_600, cache={"images": 3_600})
    assert told.startswith("Speed: 10 images/s. 10 kimg end in about 2 h 17 min")
    assert told.endswith(": the teacher's images 2 h, learning 16 min 40 s, measuring 50 s.")


def test_processes_share_the_work():
    [told] = lines_of(Speed(0.5, 0.5, 0.0), left=1_000, processes=4)
    assert "Speed: 4 images/s. 1 kimg end in about 4 min 10 s" in told
