"""The deploy form makes the images of the trained generator."""

import math

import pytest
import torch
from covering import crossed
from deploy_helpers import NETWORKS, assert_deploys, trained
from helpers import assert_same_image

import ganzoo
from ganzoo.ops.activation import ACTIVATIONS


@pytest.mark.parametrize("case", crossed(NETWORKS, [0.3, 2.0, 256.0], t=1), ids=str)
def test_a_clamp_survives(case):
    network, clamp = case
    assert_deploys(trained(network, clamp=clamp))


@pytest.mark.parametrize("case", crossed(NETWORKS, ACTIVATIONS, [None, 0.5, math.sqrt(3)], t=1), ids=str)
def test_an_activation_and_its_gain_survive(case):
    network, activation, gain = case
    assert_deploys(trained(network, activation=activation, activation_gain=gain))


@pytest.mark.parametrize("activation", ["lrelu", "swish"])
def test_a_clamp_after_a_gain_survives(network, activation):
    assert_deploys(trained(network, activation=activation, activation_gain=2.0, clamp=0.5))


@pytest.mark.parametrize("width", [4, 8, 20, 36])
def test_any_width_of_subbands_survives(width):
    assert_deploys(trained("stylegan2 with idwt", channels=[width, 2 * width, 5]))


@pytest.mark.parametrize("case", crossed(NETWORKS, ["full", "depthwise"], [1, 3, 5], t=1), ids=str)
def test_a_kernel_size_survives(case):
    network, conv, kernel_size = case
    assert_deploys(trained(network, conv={"name": conv, "kernel_size": kernel_size}))


def test_the_taps_of_the_filters_survive():
    taps = [1.0, 2.0, 4.0, 1.0, 0.5]
    upsampler, head = {"name": "conv_transpose", "taps": taps}, {"name": "skip", "taps": taps}
    assert_deploys(trained(upsampler=upsampler, head=head))


@pytest.mark.parametrize("img_channels", [1, 4])
def test_a_number_of_channels_survives(network, img_channels):
    assert_deploys(trained(network, img_channels=img_channels))


def test_the_lowest_resolution_survives():
    assert_deploys(trained(resolution=4, channels=[6]))
    assert_deploys(trained("mobilestylegan", resolution=8, channels=[6]))


def test_labels_survive(network):
    generator = trained(network, label_dim=3)
    z, label = generator.sample_z(2), torch.eye(3)[1:]
    assert_same_image(ganzoo.deploy(generator)(z, label), generator(z, label))


def test_truncation_survives(network):
    generator, truncation = trained(network), {"truncation_psi": 0.5, "truncation_cutoff": 3}
    z = generator.sample_z(2)
    assert_same_image(ganzoo.deploy(generator)(z, **truncation), generator(z, **truncation))


@pytest.mark.parametrize("noise", ["const", "none", "random"])
def test_noise_survives(network, noise):
    generator = trained(network)
    w = torch.randn(2, generator.num_ws, 8)
    out, deployed = (
        synthesis(w, noise, torch.Generator().manual_seed(2))
        for synthesis in (generator.synthesis, ganzoo.deploy(generator).synthesis)
    )
    assert_same_image(deployed.image, out.image)
    assert all(torch.equal(a, b) for a, b in zip(deployed.noise, out.noise, strict=True))


def test_noise_of_the_trained_generator_serves_the_deployed_one(network):
    generator = trained(network)
    w = torch.randn(2, generator.num_ws, 8)
    out = generator.synthesis(w, "random", torch.Generator().manual_seed(2))
    assert_same_image(ganzoo.deploy(generator).synthesis(w, out.noise).image, out.image)


def test_double_precision_survives(network):
    generator = trained(network).double()
    z = generator.sample_z(2).double()
    torch.testing.assert_close(ganzoo.deploy(generator)(z), generator(z))


def test_a_deployed_generator_makes_the_same_image_twice(network):
    deployed = ganzoo.deploy(trained(network))
    z = deployed.sample_z(1)
    assert torch.equal(deployed(z), deployed(z))


@pytest.mark.gpu
def test_a_gpu_makes_the_same_images(network):
    generator = trained(network).to("cuda")
    z = generator.sample_z(2).to("cuda")
    torch.testing.assert_close(ganzoo.deploy(generator)(z), generator(z), atol=1e-3, rtol=1e-3)
