"""The distance of two sets of features as distributions."""

import math

import pytest
import torch
from loss_helpers import noise

from ganzoo.losses import mmd


def by_hand(x, y):
    """The discrepancy, pair by pair."""

    def squared(a, b):
        return (a - b).square().sum().item()

    others = [squared(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j]
    scale = sum(others) / len(others)

    def kernel(a, b):
        return sum(math.exp(-squared(a, b) / (s * scale)) for s in (0.5, 1.0, 2.0)) / 3

    def mean(one, other):
        return sum(kernel(a, b) for a in one for b in other) / (len(one) * len(other))

    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


@pytest.mark.parametrize("number", [1, 3, 5])
def test_the_loss_is_the_kernels_mean_within_the_sets_less_twice_that_between_them(number):
    x, y = noise(number, 6), noise(4, 6, seed=1) + 0.3
    assert mmd(x, y).item() == pytest.approx(by_hand(x, y))


def test_equal_sets_have_no_distance_in_whatever_order():
    x = noise(5, 6)
    assert abs(mmd(x, x.flip(0)).item()) < 1e-12
    assert mmd(x + 1, x) > 0.1


def test_units_do_not_matter():
    x, y = noise(4, 6), noise(4, 6, seed=1)
    torch.testing.assert_close(mmd(100 * x, 100 * y), mmd(x, y))


def test_gradients_are_those_of_finite_differences():
    assert torch.autograd.gradcheck(lambda x: mmd(x, noise(4, 6, seed=1)), noise(4, 6).requires_grad_())


def test_at_its_least_the_slope_is_finite():
    x = noise(4, 6).requires_grad_()
    mmd(x, x.detach()).backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("shape", [(1, 6), (4, 5)])
def test_too_few_targets_or_another_width_are_refused(shape):
    with pytest.raises(ValueError, match="at least 2 targets, as wide"):
        mmd(noise(4, 6), noise(*shape))
