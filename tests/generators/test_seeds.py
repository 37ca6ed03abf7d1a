"""Latents of seeds, and randomness that is not passed in."""

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from helpers import TINY_RECIPE, seeded, tiny
from scipy.stats import truncnorm

from ganzoo import create
from ganzoo.generators.generator import MAX_SEED
from ganzoo.models.factory import build

# Seeds


def test_a_latent_depends_on_its_seed_and_not_on_its_batch(generator):
    assert torch.equal(generator.sample_z(5, seed=3)[2:4], generator.sample_z(2, seed=5))


@pytest.mark.parametrize("seed", [0, 42, MAX_SEED])
def test_a_seeds_latent_is_that_of_numpys_random_state(generator, seed):
    expected = np.random.RandomState(seed).randn(generator.z_dim).astype(np.float32)
    assert np.array_equal(generator.sample_z(1, seed)[0].numpy(), expected)


def test_a_limited_latent_is_that_of_scipys_truncated_normal(generator):
    z = generator.sample_z([5], limit=1.5)
    drawn = truncnorm.rvs(-1.5, 1.5, size=(1, generator.z_dim), random_state=np.random.RandomState(5))
    np.testing.assert_allclose(z.numpy(), drawn, rtol=1e-5, atol=1e-6)
    assert z.abs().max() <= 1.5


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_leaves_no_number_is_refused(generator, limit):
    with pytest.raises(ValueError, match="limit is a positive number"):
        generator.sample_z(1, limit=limit)


def test_latents_of_a_list_of_seeds_come_in_its_order(generator):
    rows = [generator.sample_z(1, seed)[0] for seed in (7, 0, 7)]
    assert torch.equal(generator.sample_z([7, 0, 7]), torch.stack(rows))


def test_no_seeds_give_no_latents(generator):
    assert generator.sample_z(0).shape == (0, 8)


@pytest.mark.parametrize(("n", "seed"), [(1, -1), (1, MAX_SEED + 1), (2, MAX_SEED)])
def test_a_seed_out_of_range_is_refused(generator, n, seed):
    with pytest.raises(ValueError, match="from 0 to 4294967295"):
        generator.sample_z(n, seed)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_same_seeds_give_the_same_images_in_any_batch(generator, n):
    images = generator(generator.sample_z(3))
    torch.testing.assert_close(generator(generator.sample_z(n)), images[:n], atol=1e-5, rtol=1e-5)


def test_the_same_call_gives_the_same_image_twice(generator):
    z = generator.sample_z(2)
    assert torch.equal(generator(z), generator(z))


# Randomness that is not passed in


@pytest.mark.parametrize("recipe", ["stylegan2", "mobilestylegan"])
def test_no_global_random_state_is_moved(recipe):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    generator = create(recipe, **TINY_RECIPE)
    z = generator.sample_z(2, seed=4)
    for noise in ("const", "none", "random"):
        generator(z, noise=noise, generator=seeded(0)[0])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert random.getstate() == before[2]


def states(*generators):
    return [{key: tensor.tolist() for key, tensor in g.state_dict().items()} for g in generators]


@pytest.mark.parametrize("recipe", ["stylegan2", "mobilestylegan"])
def test_no_global_random_state_is_read(recipe):
    made = []
    with torch.random.fork_rng(devices=[]):
        for seed in (1, 2):
            torch.manual_seed(seed)
            made.append(create(recipe, **TINY_RECIPE))
    first, second = states(*made)
    assert first == second


def test_another_seed_builds_other_weights():
    first, second = states(build(tiny(), seed=0), build(tiny(), seed=1))
    assert first != second


def test_threads_create_the_same_generator_and_leave_the_defaults_alone():
    def make(_):
        generator = create("mobilestylegan", **TINY_RECIPE)
        return states(generator)[0], torch.empty(0).device.type, torch.empty(0).dtype

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(make, range(8)))
    assert all(other == made[0] for other in made)
    assert made[0][1:] == (torch.empty(0).device.type, torch.empty(0).dtype) == ("cpu", torch.float32)


def test_the_default_device_does_not_matter():
    expected = states(create("stylegan2", **TINY_RECIPE))
    with torch.device("meta"):
        generator = create("stylegan2", **TINY_RECIPE)
    assert states(generator) == expected


def test_a_generator_is_float32_whatever_the_default_dtype_is():
    expected = states(create("stylegan2", **TINY_RECIPE))
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        generator = create("stylegan2", **TINY_RECIPE)
    finally:
        torch.set_default_dtype(dtype)
    assert {tensor.dtype for tensor in generator.state_dict().values()} == {torch.float32}
    assert states(generator) == expected
