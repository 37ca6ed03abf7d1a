"""A StyleGAN3 learns by the loop of all others; what it measures is averaged over a step's parts."""

import copy
import dataclasses

import pytest
import torch
from adversarial_helpers import settings_of, task_of, write_pictures

from ganzoo import blocks
from ganzoo.training.adversarial import DISCRIMINATOR
from ganzoo.training.blur import BlurSettings, blurred

NETWORK = {
    "generator": {
        "generator": "stylegan3",
        "resolution": 8,
        "channels": [4, 4, 4],
        "margin_size": 2,
        "z_dim": 4,
        "w_dim": 4,
        "magnitude_decay": 0.9,
    }
}


@pytest.fixture
def task(tmp_path):
    data = write_pictures(tmp_path / "pictures")
    return task_of(settings_of(data, **NETWORK, style_mixing=0.0, path_length={"weight": 0.0}))


def magnitudes(task):
    return torch.stack([layer.magnitude_ema for layer in task.generator.synthesis.layers])


def terms_of(task, positions):
    [phase] = [phase for phase in task.phases(0.0) if phase.name == DISCRIMINATOR]
    return task.loss(phase, task.batch(positions), 0.0)[1]


def test_running_means_follow_the_discriminators_phase(task):
    before = magnitudes(task).clone()
    terms = terms_of(task, range(4))
    assert torch.equal(magnitudes(task), before)
    task.after_step(terms, 0.0)
    assert torch.equal(magnitudes(task), terms["observed/magnitudes"]) and (magnitudes(task) != before).all()


def test_the_mean_over_parts_of_a_batch_is_that_of_the_batch(task):
    first = task.generator.synthesis.layers[0].magnitude_ema
    halves = [terms_of(task, part)["observed/magnitudes"][0] for part in (range(2), range(2, 4))]
    whole = terms_of(task, range(4))["observed/magnitudes"][0]
    torch.testing.assert_close(sum(halves) / 2, whole)
    assert first == 1


def test_the_generators_phase_moves_nothing(task):
    before = copy.deepcopy(task.generator.state_dict())
    [phase] = [phase for phase in task.phases(0.0) if phase.name == "generator"]
    loss, terms = task.loss(phase, task.batch(range(4)), 0.0)
    loss.backward()
    assert not any(name.startswith("observed") for name in terms)
    assert all(torch.equal(tensor, before[name]) for name, tensor in task.generator.state_dict().items())


# The blur, which fades


def test_a_blur_halves_the_amplitude_at_its_width():
    spot = torch.zeros(1, 1, 25, 25)
    spot[..., 12, 12] = 1
    seen = blurred(spot, 3.0)[0, 0]
    assert seen[12, 15] == pytest.approx(seen[12, 12].item() / 2) and seen.sum() == pytest.approx(1)
    assert blurred(spot, 0.3) is spot


def test_the_blur_fades_evenly():
    blur = BlurSettings(sigma=10.0, kimg=200.0)
    assert [blur.at(kimg) for kimg in (0, 50, 200, 300)] == [10.0, 7.5, 0.0, 0.0]
    assert BlurSettings().at(0) == 0


def test_both_sides_and_the_penalty_see_blurred_images(task, monkeypatch):
    blur = BlurSettings(sigma=1.0, kimg=1.0)
    task.settings = dataclasses.replace(task.settings, blur=blur)
    task.augment = blocks.NoAugment()
    seen = []
    judge = task.discriminator.forward
    monkeypatch.setattr(task.discriminator, "forward", lambda x, label: seen.append(x) or judge(x, label))
    batch = task.batch(range(2))
    for phase in task.phases(0.0):
        task.loss(phase, batch, 0.5)
    of_generator, fake, real, of_penalty = seen
    torch.testing.assert_close(real, blurred(batch.real, 0.5))
    assert torch.equal(of_penalty, real) and torch.equal(fake, blurred(batch.fake, 0.5))
    assert not torch.equal(real, batch.real) and of_generator.shape == real.shape
