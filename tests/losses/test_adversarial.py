"""Losses of a generator and a discriminator, and the penalty on the discriminator's slope."""

import math

import pytest
import torch
from loss_helpers import noise

from ganzoo.losses import (
    ADVERSARIAL,
    hinge_discriminator,
    linear_generator,
    logistic_discriminator,
    nonsaturating_generator,
    r1_penalty,
    slope_penalty,
    wasserstein_discriminator,
)


def test_without_an_opinion_every_image_costs_the_logarithm_of_two():
    zero = torch.zeros(3, 1)
    assert nonsaturating_generator(zero).item() == pytest.approx(math.log(2))
    assert logistic_discriminator(zero, zero).item() == pytest.approx(2 * math.log(2))


def test_the_generator_is_paid_for_high_logits():
    cost = [nonsaturating_generator(torch.full([3, 1], logit)).item() for logit in (-5.0, 0.0, 5.0)]
    assert cost == pytest.approx([5 + math.log1p(math.exp(-5)), math.log(2), math.log1p(math.exp(-5))])


def test_the_discriminator_is_paid_for_high_logits_of_real_images_and_low_ones_of_fakes():
    high, low = torch.full([3, 1], 4.0), torch.full([2, 1], -4.0)
    assert logistic_discriminator(high, low).item() == pytest.approx(2 * math.log1p(math.exp(-4)), rel=1e-4)
    assert logistic_discriminator(low, high) > 8


def test_the_hinge_is_indifferent_beyond_one():
    real, fake = torch.tensor([[2.0], [0.5], [-1.0]]), torch.tensor([[-3.0], [0.25]])
    assert hinge_discriminator(real, fake).item() == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 1.25) / 2)
    assert linear_generator(fake).item() == pytest.approx((3.0 - 0.25) / 2)


def test_both_sides_of_a_game_have_their_loss():
    assert ADVERSARIAL["logistic"].generator is nonsaturating_generator
    assert ADVERSARIAL["logistic"].discriminator is logistic_discriminator
    assert ADVERSARIAL["hinge"].generator is linear_generator
    assert ADVERSARIAL["hinge"].discriminator is hinge_discriminator
    assert ADVERSARIAL["wasserstein"].generator is linear_generator
    assert ADVERSARIAL["wasserstein"].discriminator is wasserstein_discriminator


def test_the_wasserstein_loss_is_the_difference_of_the_means():
    real, fake = torch.tensor([[2.0], [0.5]]), torch.tensor([[-3.0], [0.0]])
    assert wasserstein_discriminator(real, fake).item() == pytest.approx(-1.5 - 1.25)


def test_a_slope_of_one_costs_nothing():
    weight = noise(3, 2, 2)
    images = noise(5, 3, 2, 2, seed=1).requires_grad_()
    for length in (1.0, 3.0):
        scaled = (length * weight / weight.norm()).requires_grad_()
        penalty = slope_penalty((images * scaled).sum(dim=(1, 2, 3)), images)
        assert penalty.item() == pytest.approx((length - 1) ** 2, abs=1e-9)
        (slope,) = torch.autograd.grad(penalty, scaled)
        torch.testing.assert_close(slope, 2 * (length - 1) * weight / weight.norm(), atol=1e-6, rtol=1e-5)


def test_a_constant_discriminator_has_a_finite_slope():
    weight, images = torch.zeros(3, requires_grad=True), noise(2, 3).float().requires_grad_()
    penalty = slope_penalty((images * weight).sum(dim=1), images)
    penalty.backward()
    assert penalty.item() == pytest.approx(1.0, abs=1e-5) and torch.isfinite(weight.grad).all()


def test_logits_of_any_size_have_finite_losses():
    huge = torch.tensor([[1e4], [-1e4]])
    assert nonsaturating_generator(huge).isfinite() and logistic_discriminator(huge, huge).isfinite()


def test_the_penalty_of_a_linear_discriminator_is_the_squared_norm_of_its_weights():
    weight = noise(3, 2, 2).requires_grad_()
    images = noise(5, 3, 2, 2, seed=1).requires_grad_()
    penalty = r1_penalty((images * weight).sum(dim=(1, 2, 3)), images)
    torch.testing.assert_close(penalty, weight.square().sum())
    (slope,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(slope, 2 * weight)


def test_the_penalty_is_a_mean_over_the_samples():
    images = noise(2, 1, 2, 2).requires_grad_()
    penalty = r1_penalty(images.square().sum(dim=(1, 2, 3)) / 2, images)
    torch.testing.assert_close(penalty, images.square().sum(dim=(1, 2, 3)).mean())


def test_images_that_did_not_require_gradients_are_refused():
    weight = noise(3).requires_grad_()
    images = noise(2, 3)
    logits = (images * weight).sum(dim=1)
    for given in images, images.clone().requires_grad_():  # too late: the logits do not know of them
        for penalty in (r1_penalty, slope_penalty):
            with pytest.raises(ValueError, match="requires_grad_"):
                penalty(logits, given)
    with torch.no_grad(), pytest.raises(ValueError, match="requires_grad_"):
        r1_penalty(logits.detach(), images.requires_grad_())
