"""Projection against StyleGAN2-ADA's own projector: its schedule, its noise, and a run of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import ganzoo
from ganzoo.projection.descent import descend
from ganzoo.projection.noise import noise_regularisation, normalise_noise
from ganzoo.projection.schedule import Schedule
from ganzoo.projection.statistics import w_statistics

GOLDEN = Path(__file__).parents[1] / "golden" / "projection"
SCHEDULES = json.loads((GOLDEN / "schedule.json").read_text())["schedules"]


def arrays(name):
    return {
        key: torch.from_numpy(array)
        for key, array in np.load(GOLDEN / f"{name}.npz").items()
        if array.dtype.kind != "U"
    }


@pytest.mark.parametrize("golden", SCHEDULES, ids=[str(golden["steps"]) for golden in SCHEDULES])
def test_learning_rate_and_noise_of_w_are_those_of_the_original(golden):
    schedule, steps = Schedule(), range(0, golden["steps"], golden["every"])
    rates = [schedule.learning_rate(step, golden["steps"]) for step in steps]
    noise = [schedule.noise(step, golden["steps"]) for step in steps]
    assert rates == pytest.approx(golden["lr"], abs=1e-9)
    assert noise == pytest.approx(golden["w_noise"], abs=1e-9)


@pytest.fixture(scope="module")
def regularisation():
    golden = arrays("noise_regularisation")
    count = sum(key.startswith("noise_") for key in golden)
    return golden, [golden[f"noise_{i}"][None, None].clone().requires_grad_() for i in range(count)]


def test_the_noise_of_every_layer_is_regularised_as_by_the_original(regularisation):
    golden, maps = regularisation
    for i, noise in enumerate(maps):
        assert noise_regularisation([noise]).item() == pytest.approx(
            golden[f"reg_noise_{i}"].item(), abs=1e-5
        )
    total = noise_regularisation(maps)
    total.backward()
    assert total.item() == pytest.approx(golden["reg_total"].item(), abs=1e-5)
    for i, noise in enumerate(maps):
        torch.testing.assert_close(noise.grad[0, 0], golden[f"grad_noise_{i}"], atol=1e-5, rtol=0)


def test_noise_is_normalised_as_by_the_original(regularisation):
    golden, maps = regularisation
    own = [noise.detach().clone() for noise in maps]
    normalise_noise(own)
    for i, noise in enumerate(own):
        torch.testing.assert_close(noise[0, 0], golden[f"normalised_noise_{i}"], atol=1e-5, rtol=0)


def test_samples_are_regularised_and_normalised_each_by_itself(regularisation):
    both = torch.cat(
        [regularisation[1][3].detach(), torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))]
    )
    apart = sum(noise_regularisation([x[None]]) for x in both)
    assert noise_regularisation([both]).item() == pytest.approx(apart.item())
    normalise_noise([both])
    torch.testing.assert_close(both.var(dim=(1, 2, 3), unbiased=False), torch.ones(2))


def test_a_run_of_the_original_is_reproduced():
    golden = arrays("proj_skip_16_run")
    generator = ganzoo.convert(GOLDEN / "proj_skip_16.pkl")
    statistics = w_statistics(generator, int(golden["w_avg_samples"]))
    torch.testing.assert_close(statistics.mean, golden["w_avg"][0, 0], atol=1e-5, rtol=0)
    assert statistics.deviation == pytest.approx(golden["w_std"].item(), rel=1e-5)

    def features(images):
        return F.avg_pool2d(images * 127.5 + 127.5, int(golden["pool"])).flatten(1) / 64

    target = F.avg_pool2d(golden["target"][None].float(), int(golden["pool"])).flatten(1) / 64
    torch.testing.assert_close(target, golden["features_target"])
    draws = iter(golden["w_noise_draws"])
    steps = descend(
        generator,
        lambda images: (features(images) - target).square().sum(dim=1),
        statistics.mean.expand(1, 1, -1),
        statistics,
        int(golden["num_steps"]),
        schedule=Schedule(),
        noise=[value[None, None].clone() for key, value in golden.items() if key.startswith("noise_init")],
        draw=lambda w: next(draws)[None],
    )
    for step, distance, w in zip(steps, golden["dist"], golden["w_out"], strict=True):
        assert step.distances.item() == pytest.approx(distance.item(), rel=1e-4)
        torch.testing.assert_close(step.w[0, 0], w, atol=1e-4, rtol=0)
