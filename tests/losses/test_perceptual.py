"""Distances in feature maps, and what networks are shown."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from loss_helpers import noise
from torch import nn

from ganzoo.features.networks import FeatureInfo, FeatureNetwork
from ganzoo.losses import feature_l1, feature_maps, perceptual
from ganzoo.metrics import distances

DISTANCES = [feature_l1, perceptual]


class TinyNetwork(FeatureNetwork):
    """Two stages of random convolutions in double precision; it keeps what it was shown."""

    def __init__(self):
        super().__init__(FeatureInfo("tiny", "0" * 64, 6, 12, (120.0, 110.0, 100.0), (60.0, 50.0, 40.0)))
        self.convs = nn.ModuleList([nn.Conv2d(3, 5, 3, stride=2), nn.Conv2d(5, 6, 3, padding=1)])
        for i, parameter in enumerate(self.parameters()):
            parameter.data = noise(*parameter.shape, seed=i)
        self.double().eval().requires_grad_(False)

    def maps(self, pixels):
        self.shown = pixels
        first = self.convs[0]((pixels - self.mean) / self.std).tanh()
        return [first, self.convs[1](first).relu()]


NETWORK = TinyNetwork()


def images(n=2, channels=3, side=8, seed=0, scale=1.0):
    return noise(n, channels, side, side, seed=seed, scale=scale)


@pytest.fixture(params=DISTANCES, ids=lambda distance: distance.__name__)
def distance(request):
    return lambda a, b, size=8: request.param(*(feature_maps(NETWORK, x, size) for x in (a, b)))


# What the network is shown


def test_images_of_the_size_that_is_asked_for_are_left_alone(monkeypatch):
    monkeypatch.setattr(F, "interpolate", None)
    given = images()
    feature_maps(NETWORK, given, size=8)
    assert torch.equal(NETWORK.shown, given * 127.5 + 127.5)


@pytest.mark.parametrize(("size", "side"), [(None, 12), (12, 12), (5, 5), (16, 16)])
def test_other_images_are_resized_to_the_size_or_the_networks_own(size, side):
    feature_maps(NETWORK, images(), size)
    assert NETWORK.shown.shape == (2, 3, side, side)


def test_resizing_keeps_the_colour():
    feature_maps(NETWORK, torch.full([1, 3, 8, 8], 0.5, dtype=torch.float64))
    torch.testing.assert_close(NETWORK.shown, torch.full_like(NETWORK.shown, 191.25))


def test_large_images_are_resized_without_aliasing():
    checkerboard = torch.ones(1, 3, 24, 24, dtype=torch.float64)
    checkerboard[..., ::2, ::2] = checkerboard[..., 1::2, 1::2] = -1
    feature_maps(NETWORK, checkerboard, size=8)
    assert NETWORK.shown.std() < 0.1 * 127.5


def test_grey_images_are_shown_in_three_equal_channels():
    feature_maps(NETWORK, images(channels=1), size=8)
    assert torch.equal(NETWORK.shown, (images(channels=1) * 127.5 + 127.5).repeat(1, 3, 1, 1))


def test_what_is_transparent_is_shown_over_white_and_learns():
    given = images(channels=4).requires_grad_()
    maps = feature_maps(NETWORK, given, size=8)
    opacity = 0.5 * given[:, 3:] + 0.5
    expected = opacity * given[:, :3] + (1 - opacity)
    torch.testing.assert_close(NETWORK.shown, expected * 127.5 + 127.5)
    sum(m.square().sum() for m in maps).backward()
    assert (given.grad.abs().amax(dim=(0, 2, 3)) > 0).all()


def test_a_network_without_maps_is_refused():
    info = FeatureInfo("bare", "0" * 64, 6, 12, (120.0,) * 3, (60.0,) * 3)
    with pytest.raises(ValueError, match="'bare' gives no feature maps"):
        feature_maps(FeatureNetwork(info), images())


# Distances


def test_images_are_at_no_distance_from_themselves_and_at_some_from_others(distance):
    assert distance(images(), images()) == 0
    near, far = (distance(images(), images() + step * images(seed=1)) for step in (0.01, 0.1))
    assert near.shape == () and 0 < near < far


def test_the_l1_distance_is_the_mean_of_every_stage_summed_over_the_stages():
    a, b = (feature_maps(NETWORK, images(seed=seed)) for seed in (0, 1))
    expected = F.l1_loss(a[0], b[0]) + F.l1_loss(a[1], b[1])
    torch.testing.assert_close(feature_l1(a, b), expected)


def test_perceptual_is_the_mean_over_places_of_the_squared_distance_of_unit_vectors():
    a, b = ([1 + noise(2, 4, 3, 3, seed=seed)] for seed in (0, 1))
    directions = [x[0] / x[0].square().sum(dim=1, keepdim=True).sqrt() for x in (a, b)]
    cosines = (directions[0] * directions[1]).sum(dim=1)
    torch.testing.assert_close(perceptual(a, b), (2 - 2 * cosines).mean())


@pytest.mark.parametrize("side", [8, 12])
def test_perceptual_is_the_figure_of_pairs_for_images_in_range(side):
    a, b = (images(side=side, seed=seed, scale=0.1) for seed in (0, 1))
    expected = distances.perceptual(NETWORK, a, b).mean()
    torch.testing.assert_close(perceptual(feature_maps(NETWORK, a), feature_maps(NETWORK, b)), expected)


# Gradients


@pytest.mark.parametrize("size", [6, 8])
def test_gradients_are_those_of_finite_differences(distance, size):
    given, target = images(n=1, side=6).requires_grad_(), images(n=1, side=6, seed=1)
    assert torch.autograd.gradcheck(lambda x: distance(x, target, size), given, eps=1e-6)


def test_images_out_of_range_have_gradients_everywhere(distance):
    given = (3 + images().abs()).requires_grad_()
    distance(given, images(seed=1), size=None).backward()
    assert given.grad.ne(0).all()


def test_maps_of_the_target_that_are_made_without_gradients_serve_every_distance():
    with torch.no_grad():
        target_maps = feature_maps(NETWORK, images(seed=1))
    given = images().requires_grad_()
    maps = feature_maps(NETWORK, given)
    (feature_l1(maps, target_maps) + perceptual(maps, target_maps)).backward()
    assert given.grad.any() and not any(x.requires_grad for x in target_maps)


# Refusals


@pytest.mark.parametrize("function", DISTANCES)
@pytest.mark.parametrize("shapes", [[(1, 4, 3, 3)], [(2, 4, 3, 3)] * 2, [(2, 4, 3, 2)], []], ids=str)
def test_maps_of_other_shapes_are_refused(function, shapes):
    with pytest.raises(ValueError, match="shapes of their targets"):
        function([noise(2, 4, 3, 3)], [noise(*shape) for shape in shapes])


@pytest.mark.parametrize("function", DISTANCES)
def test_no_maps_are_refused(function):
    with pytest.raises(ValueError, match="shapes of their targets"):
        function([], [])


@pytest.mark.processes
def test_losses_need_no_library_of_figures():
    code = "import sys, ganzoo.losses; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"timm", "accelerate", "torch_fidelity", "scipy"} & set(loaded.split())
