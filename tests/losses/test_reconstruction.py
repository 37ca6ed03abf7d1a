"""Distances of images from their targets at every level."""

import pytest
import torch
from loss_helpers import noise

from ganzoo.losses import reconstruction
from ganzoo.ops.wavelet import dwt

SIZES = (4, 8, 16)


def make_images(n=2, channels=3):
    return [noise(n, channels, size, size, seed=size) for size in SIZES]


def test_a_image_is_at_no_distance_from_itself():
    [*_, target] = make_images()
    assert all(term == 0 for term in reconstruction([target], target).values())


def test_the_terms_are_mean_differences_of_pixels_and_of_haar_coefficients():
    [*_, a], b = make_images(), noise(2, 3, 16, 16, seed=1)
    terms = reconstruction([a], b)
    for name, x, y in ("pixel", a, b), ("subband", dwt(a), dwt(b)):
        torch.testing.assert_close(terms[f"{name}_l1"], (x - y).abs().mean())
        torch.testing.assert_close(terms[f"{name}_l2"], (x - y).square().mean())


def test_the_terms_are_summed_over_the_levels():
    target = noise(2, 3, 16, 16, seed=1)
    together = reconstruction(make_images(), target)
    for name, term in together.items():
        torch.testing.assert_close(term, sum(reconstruction([p], target)[name] for p in make_images()))


def test_the_target_of_a_smaller_level_keeps_its_corners():
    target = noise(1, 1, 16, 16)
    small = torch.zeros(1, 1, 2, 2, dtype=target.dtype)
    corners = target[..., ::15, ::15]
    assert reconstruction([corners], target)["pixel_l1"] < 1e-12
    torch.testing.assert_close(reconstruction([small], target)["pixel_l1"], corners.abs().mean())


def test_the_gradients_of_all_terms_are_those_of_finite_differences():
    target = noise(1, 1, 8, 8, seed=1)
    levels = [noise(1, 1, size, size, seed=size).requires_grad_() for size in (4, 8)]
    assert torch.autograd.gradcheck(
        lambda *levels: tuple(reconstruction(levels, target).values()), levels, eps=1e-6
    )


@pytest.mark.parametrize(("n", "channels"), [(1, 3), (2, 1)])
def test_a_target_of_other_samples_or_channels_is_refused(n, channels):
    with pytest.raises(ValueError, match="do not match a target"):
        reconstruction(make_images(n, channels), noise(2, 3, 16, 16))


def test_no_images_and_odd_ones_are_refused():
    with pytest.raises(ValueError, match="at least one level"):
        reconstruction([], noise(2, 3, 16, 16))
    with pytest.raises(ValueError, match="even height"):
        reconstruction([noise(2, 3, 5, 5)], noise(2, 3, 16, 16))
