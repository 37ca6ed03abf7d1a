"""Similarities between the samples of a batch."""

import math

import pytest
import torch
from loss_helpers import noise

from ganzoo.losses import offset_relation, relation


def features(n=4, dim=6, seed=0):
    return noise(n, dim, seed=seed)


def by_hand(a, b, temperature, moved=None):
    """The divergence, number by number."""

    def attention(x, i):
        others = x if moved is None else moved[0 if x is a else 1]
        cosines = [torch.dot(x[i], other).item() / (x[i].norm() * other.norm()).item() for other in others]
        weights = [math.exp(cosine / temperature) for cosine in cosines]
        return [weight / sum(weights) for weight in weights]

    rows = [zip(attention(b, i), attention(a, i), strict=True) for i in range(len(a))]
    return sum(q * math.log(q / p) for row in rows for q, p in row) / len(a)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_loss_is_the_mean_divergence_of_the_rows_of_similarities(temperature):
    a, b = features(), features(dim=9, seed=1)
    assert relation(a, b, temperature).item() == pytest.approx(by_hand(a, b, temperature))
    assert relation(b, a, temperature).item() == pytest.approx(by_hand(b, a, temperature))


def test_lengths_and_rotations_do_not_matter():
    a = features()
    rotation, _ = torch.linalg.qr(noise(6, 6, seed=1))
    lengths = 1 + noise(4, 1, seed=2).square()
    assert abs(relation(lengths * a @ rotation, a).item()) < 1e-12
    assert relation(features(seed=3), a) > 1e-4


def test_two_samples_have_a_relation():
    target = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert relation(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), target) > 0.1


def test_feature_maps_are_flattened():
    a, b = noise(4, 2, 3, 5), noise(4, 7, 2, 2, seed=1)
    assert torch.equal(relation(a, b), relation(a.flatten(1), b.flatten(1)))


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_gradients_are_those_of_finite_differences(temperature):
    given = features().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: relation(x, features(seed=1), temperature), given)


def test_a_step_against_the_gradient_brings_the_relations_closer():
    given, target = features().requires_grad_(), features(seed=1)
    before = relation(given, target)
    (slope,) = torch.autograd.grad(before, given)
    assert 0 < relation(given - slope, target) < before


def test_one_sample_has_no_relation():
    with pytest.raises(ValueError, match="at least 2 samples"):
        relation(features(1), features(1))


def test_other_numbers_of_samples_are_refused():
    with pytest.raises(ValueError, match="4 and 3"):
        relation(features(4), features(3))


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature is positive"):
        relation(features(), features(), temperature)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_offset_form_compares_samples_with_moved_ones(temperature):
    a, b = features(), features(dim=9, seed=1)
    moved = features(seed=2), features(dim=9, seed=3)
    found = offset_relation(a, moved[0], b, moved[1], temperature)
    assert found.item() == pytest.approx(by_hand(a, b, temperature, moved))
    torch.testing.assert_close(offset_relation(a, a, b, b, temperature), relation(a, b, temperature))


def test_samples_and_moved_ones_are_as_many():
    with pytest.raises(ValueError, match=r"all as many; got \[4, 3, 4, 4\]"):
        offset_relation(features(), features(3), features(), features())
