"""How much memory a run takes is told within a factor of 1.5."""

import pytest
import timm
import torch
from covering import thinned
from torch.profiler import ProfilerActivity, profile
from training_helpers import ALONE, OFF, make_task, make_teacher, run_settings, student_config

from ganzoo.features.networks import _of_timm
from ganzoo.training.loop import Trainer
from ganzoo.training.memory import available_bytes, estimate_bytes

SMALL = {"resolution": 32, "output": "wavelet", "channels": [32, 32, 32]}
STYLEGAN2 = {
    "resolution": 32,
    "channels": [32, 32, 32, 32],
    "output": "pixel",
    "upsampler": "conv_transpose",
    "conv": "full",
    "demodulation": "style",
    "head": "skip",
    "activation_gain": None,
}
NO_GAN = {"loss": {"gan": OFF}}
CASES = {
    "no adversary": (SMALL, NO_GAN),
    "an adversary": (SMALL, {"loss": {"r1": {"weight": 0.0}}}),
    "a penalty": (SMALL, {"loss": {"r1": {"interval": 1}}}),
    "parts": (SMALL, {"accumulate": 2}),
    "stylegan2": (STYLEGAN2, NO_GAN),
    "mostly weights": ({**SMALL, "channels": [256, 256, 256]}, {**NO_GAN, "batch_size": 1}),
    "a wide adversary": (SMALL, {"discriminator_channel_max": 96}),
    "bfloat16": (SMALL, {"precision": "bf16"}),
    "bfloat16 without adversary": (SMALL, {**NO_GAN, "precision": "bf16"}),
    "a projected adversary": (
        SMALL,
        {"discriminator": {"name": "projected", "size": 64}, "loss": {"r1": {"weight": 0.0}}},
    ),
    "features": (SMALL, {"loss": {"gan": OFF, "feature_l1": {"weight": 1.0}}, "features": {"size": 64}}),
}


def features():
    """The network of the perceptual terms, whose weights do not matter here."""
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    return _of_timm("efficientnet_lite0", model).eval().requires_grad_(False)


def peak(work):
    """Bytes that are allocated while `work` is at its largest, beside those from before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        work()
    events = [event for event in found.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = largest = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        largest = max(largest, now)
    return largest


# bfloat16 is slow on most CPUs, and is there without an adversary; a penalty comes with an adversary, and a
# network of features with the projected one.
ALIKE = {"bfloat16", "an adversary", "a wide adversary", "features"}


@pytest.mark.parametrize("case", thinned(CASES, CASES.keys() - ALIKE))
def test_the_estimate_is_near_what_a_step_takes(tmp_path, case):
    student, changes = CASES[case]
    changes = {"batch_size": 8, "discriminator_channel_max": 32, **changes}
    settings = run_settings(student_config(**student), **changes)
    network = features() if settings.loss.feature_l1.weight else None
    task = make_task(settings, make_teacher(resolution=32, channels=(8, 8, 8, 8)), network)
    judged = features() if settings.uses_gan and task.discriminator.features else None
    if judged is not None:
        task.discriminator.look_through(judged)
    trainer = Trainer(task, task.settings, ALONE, tmp_path)
    trainer._step()
    trainer.step = 0  # with the penalty
    held = sum(value.nbytes for value in trainer._tensors().values())
    taken = held + peak(trainer._step)
    assert 1 / 1.5 < estimate_bytes(task.settings, 1, network, judged) / taken < 1.5


def test_more_processes_and_parts_take_less_each():
    settings = run_settings(student_config(**SMALL), batch_size=16)
    whole = estimate_bytes(settings)
    assert estimate_bytes(settings, 2) < 0.6 * whole
    parts = run_settings(student_config(**SMALL), batch_size=16, accumulate=2)
    assert estimate_bytes(parts) == estimate_bytes(settings, 2)


def test_free_memory_is_told():
    assert available_bytes(torch.device("cpu")) > 2**20


def test_what_cannot_be_told_is_none(monkeypatch):
    def fail(*arguments, **options):
        raise OSError

    monkeypatch.setattr("builtins.open", fail)
    assert available_bytes(torch.device("cpu")) is None
