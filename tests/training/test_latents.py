"""Random numbers of training: a function of the run's seed and an image's number, and of nothing else."""

import json
import sys

import numpy as np
import pytest
import torch
from helpers import tiny_config, trained
from processes import started

from ganzoo.generators.generator import mix_styles
from ganzoo.training.latents import (
    HELD_OUT,
    NOT_MIXED,
    Purpose,
    latents,
    noise_sources,
    stream,
    uniform,
    w_of,
)


def drawn(numbers, seed=3, **changes):
    options = {"z_dim": 4, "label_dim": 5, "num_ws": 6, "mixing": 0.5, **changes}
    return latents(numbers, seed=seed, **options)


def numbers_of(numbers):
    """All random numbers of some images, in a list an image."""
    batch = drawn(numbers)
    noise = [torch.randn(3, generator=source) for source in noise_sources(numbers, seed=3)]
    rows = [batch.z, batch.z2, batch.label, batch.crossover[:, None], torch.stack(noise)]
    rows += [uniform(numbers, seed=3, purpose=p, count=2) for p in Purpose if p.name.startswith("AUGMENT")]
    return torch.cat([row.double() for row in rows], dim=1).tolist()


def tell_numbers():
    print(json.dumps(numbers_of([int(number) for number in sys.argv[1:]])))


MANY = [5, 0, 17, 2**40, HELD_OUT, HELD_OUT + 499]


def test_a_image_is_the_same_in_any_batch_and_order():
    together = numbers_of(MANY)
    assert numbers_of(MANY[::-1]) == together[::-1]
    assert [numbers_of([number])[0] for number in MANY] == together
    assert len({tuple(row) for row in together}) == len(MANY)


@pytest.mark.processes
def test_a_image_is_the_same_in_another_process_whatever_was_drawn_before(tmp_path):
    torch.manual_seed(99)
    np.random.seed(99)
    here = numbers_of(MANY)
    with started(tmp_path, tell_numbers, *MANY) as process:
        status, there, err = process.finish()
    assert status == 0, err
    assert json.loads(there) == here


def test_no_global_random_state_is_read_or_moved():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    numbers_of(MANY)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_random_numbers_are_for_and_the_seed_tell_streams_apart():
    firsts = {stream(seed, purpose, 7).random() for seed in (0, 1, 2**32 - 1) for purpose in Purpose}
    assert len(firsts) == 3 * len(Purpose)


def test_streams_of_neighbours_do_not_overlap():
    values = [tuple(stream(0, Purpose.LATENT, number).random(64)) for number in (0, 1, 2, HELD_OUT)]
    assert len({value for row in values for value in row}) == 4 * 64


def test_held_out_images_are_none_that_are_learnt_from():
    learnt = {tuple(row) for row in drawn(range(200)).z.tolist()}
    assert not learnt & {tuple(row) for row in drawn(range(HELD_OUT, HELD_OUT + 200)).z.tolist()}


def test_latents_are_normal_and_labels_uniform():
    batch = drawn(range(4000))
    assert batch.z.mean().abs() < 0.03 and (batch.z.std() - 1).abs() < 0.03
    assert torch.equal(batch.label.sum(dim=1), torch.ones(4000))
    assert (batch.label.mean(dim=0) - 0.2).abs().max() < 0.03
    assert drawn([0], label_dim=0).label is None


@pytest.mark.parametrize("mixing", [0.0, 0.3, 1.0])
def test_styles_mix_at_the_share_asked_for_within_the_rows(mixing):
    crossover = drawn(range(4000), mixing=mixing).crossover
    mixed = crossover[crossover != NOT_MIXED]
    assert abs(len(mixed) / 4000 - mixing) <= 0.03 * (0 < mixing < 1)
    if mixing:
        assert set(mixed.tolist()) == set(range(1, 6))


def test_one_row_cannot_mix():
    assert (drawn(range(50), num_ws=1, mixing=1.0).crossover == NOT_MIXED).all()


def test_the_share_of_mixing_leaves_the_first_latent_as_it_is():
    assert torch.equal(drawn(range(50), mixing=0.5).z, drawn(range(50), mixing=0.0).z)


@pytest.mark.parametrize("psi", [1.0, 0.5])
def test_styles_cross_where_the_batch_says(psi):
    generator = trained(tiny_config(label_dim=5))
    batch = drawn(range(12), z_dim=8, num_ws=4)
    found = w_of(generator, batch, psi)
    first, second = (generator.mapping(z, batch.label, psi) for z in (batch.z, batch.z2))
    for i, crossover in enumerate(batch.crossover.tolist()):
        expected = mix_styles(first[i : i + 1], second[i : i + 1], min(crossover, generator.num_ws))
        torch.testing.assert_close(found[i : i + 1], expected, rtol=0, atol=1e-6)
    assert 0 < (batch.crossover < NOT_MIXED).sum() < 12


def test_uniform_numbers_are_rows_of_the_images():
    found = uniform([3, 1], seed=0, purpose=Purpose.AUGMENT_REAL, count=4)
    assert found.shape == (2, 4) and found.dtype == torch.float32
    assert found.min() >= 0 and found.max() < 1
    assert uniform([3, 1], seed=0, purpose=Purpose.AUGMENT_REAL, count=0).shape == (2, 0)
