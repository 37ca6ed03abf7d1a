"""Runs with everything that has a state, ways to end them, and what makes two of them the same."""

import json
import os
import signal

import torch
from safetensors.torch import load_file
from training_helpers import lines, merged, run_data

import ganzoo
from ganzoo.training import reports

# Six steps of all that has a state: checkpoints after the third and the fifth, whose figures are measured.
EVERYTHING = {
    "kimg": 0.024,
    "checkpoint_kimg": 0.012,
    "log_kimg": 0.008,
    "eval_every": 0.020,
    "sample_kimg": 0.016,
    "noise": "random",
    "style_mixing": 0.5,
    "loss": {"teacher_features": {"weight": 1.0}, "gan": {"start_kimg": 0.004, "warmup_kimg": 0.008}},
}


def changed(source, out, **changes):
    """Settings of a run with everything, and changes to them."""
    return run_data(source, out, **merged(EVERYTHING, changes))


def last_tensors(folder):
    return load_file(sorted((folder / "checkpoints").iterdir())[-1] / "state.safetensors")


def without_time(line):
    return {key: value for key, value in line.items() if key not in ("images_per_second", "waiting")}


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
