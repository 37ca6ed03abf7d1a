"""Normalisations: what every one does, and the statistics of each."""

import pytest
import torch
from block_helpers import IN, W_DIM, assert_batch_independent, norm, randomized
from helpers import assert_same_image

from ganzoo.blocks import NORMS
from ganzoo.blocks.norm import row_on_grid


def features(n=3, seed=0):
    return torch.randn(n, IN, 5, 4, generator=torch.Generator().manual_seed(seed)) * 3 + 1


def condition(n=3):
    return torch.randn(n, W_DIM, generator=torch.Generator().manual_seed(1))


PSI = torch.tensor([0.25, 0.5, 1.0])


def with_statistics(block):
    """The block with parameters and statistics that no new one has."""
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, buffer in randomized(block).named_buffers():
            if name.startswith(("mean", "variance")):
                buffer.copy_(torch.rand(buffer.shape, generator=random) + 0.5)
    return block.eval()


# Every normalisation


@pytest.mark.parametrize("name", NORMS.names())
@pytest.mark.parametrize("condition_dim", [0, W_DIM])
def test_the_folded_form_gives_the_same_features(name, condition_dim):
    block = with_statistics(norm(name, condition_dim))
    inputs = features(), condition() if condition_dim else None, PSI
    expected = block(*inputs)
    assert_same_image(block.folded()(*inputs), expected)


@pytest.mark.parametrize("name", NORMS.names())
def test_the_deployed_form_of_a_new_one_has_no_singular_values_left(name):
    folded = with_statistics(norm(name)).folded()
    assert not [key for key in folded.state_dict() if key.endswith(".u")]


@pytest.mark.parametrize("name", NORMS.names())
def test_in_eval_mode_a_sample_does_not_depend_on_the_others(name):
    assert_batch_independent(with_statistics(norm(name)), features(), condition(), PSI)


@pytest.mark.parametrize("name", NORMS.names())
def test_gain_and_bias_are_linear_in_the_condition(name):
    block, x, c = with_statistics(norm(name)), features(), condition()
    at_zero = block(x, torch.zeros_like(c), PSI)
    twice = block(x, 2 * c, PSI) - at_zero
    torch.testing.assert_close(twice, 2 * (block(x, c, PSI) - at_zero), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NORMS.names())
def test_an_eps_of_zero_is_refused(name):
    with pytest.raises(ValueError, match=r"norm\.eps is positive"):
        norm(name, eps=0.0)


# The batch's


def test_in_train_mode_the_features_have_mean_0_and_variance_1():
    x = norm("batch", 0).train()(features(), None)
    torch.testing.assert_close(x.mean(dim=(0, 2, 3)), torch.zeros(IN), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.var(dim=(0, 2, 3), correction=0), torch.ones(IN), atol=1e-4, rtol=0)


@pytest.mark.parametrize("biased", [False, True])
def test_a_tenth_of_the_batchs_statistics_is_stored(biased):
    block, x = norm("batch", 0, biased=biased).train(), features()
    block(x, None)
    torch.testing.assert_close(block.mean, 0.1 * x.mean(dim=(0, 2, 3)))
    variance = x.var(dim=(0, 2, 3), correction=0 if biased else 1)
    torch.testing.assert_close(block.variance, 0.9 + 0.1 * variance)


def test_followed_evenly_the_stored_statistics_are_the_means_of_all_batches():
    block, batches = norm("batch", 0).train(), [features(seed=seed) for seed in range(3)]
    for number, x in enumerate(batches, 1):
        block.follow(1 / number)
        block(x, None)
    torch.testing.assert_close(block.mean, sum(x.mean(dim=(0, 2, 3)) for x in batches) / 3)
    block.follow(None)
    assert block.momentum == 0.1


def test_in_eval_mode_nothing_is_stored():
    block = norm("batch", 0).eval()
    block(features(), None)
    assert torch.equal(block.mean, torch.zeros(IN))


def test_statistics_of_each_image_are_its_own_in_train_mode():
    x = norm("instance", 0).train()(features(), None)
    torch.testing.assert_close(x.mean(dim=(2, 3)), torch.zeros(3, IN), atol=1e-5, rtol=0)


# By truncation


def rows_taken(psi, stats=51):
    """Of tables whose row i holds i, the mean that a truncation gets."""
    block = norm("by_truncation", 0, stats=stats)
    block.means.copy_(torch.arange(float(stats))[:, None].expand_as(block.means))
    mean, _ = block.statistics(torch.tensor([psi]))
    return mean[0, 0].item()


def original(psi, stats=51):
    """The same as huggingface/pytorch-pretrained-BigGAN divides and weighs, in float64."""
    place = psi / (1.0 / (stats - 1))
    row, rest = int(place), place - int(place)
    return row * rest + (row + 1) * (1 - rest) if rest else float(row)


def test_golden_truncations_take_the_rows_that_the_original_took():
    assert rows_taken(0.4) == 20
    assert rows_taken(0.43) == pytest.approx(21.5, abs=1e-4)
    assert rows_taken(0.58) == 28
    assert rows_taken(1.0) == 50


@pytest.mark.parametrize("stats", [2, 5, 11, 21, 26, 51, 101])
def test_every_truncation_of_the_grid_takes_the_originals_row(stats):
    for k in range(stats):
        psi = round(k / (stats - 1), 6)
        assert rows_taken(psi, stats) == pytest.approx(min(original(psi, stats), stats - 1), abs=1e-3)


def test_between_two_rows_the_nearer_one_counts_less():
    for psi in (0.011, 0.205, 0.333, 0.999):
        assert rows_taken(psi) == pytest.approx(original(psi), abs=1e-3)


def test_truncations_beyond_the_grid_take_its_ends():
    assert (rows_taken(-0.5), rows_taken(1.5)) == (0, 50)


def test_without_a_truncation_there_are_no_statistics():
    with pytest.raises(ValueError, match="depend on the truncation"):
        norm("by_truncation", 0)(features(), None)


def test_a_row_stays_within_the_table():
    assert all(0 <= row_on_grid(k, steps) <= steps for steps in (1, 2, 7, 50, 99) for k in range(steps + 1))
