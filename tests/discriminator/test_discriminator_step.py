"""Training steps of the discriminator: the quick ways give what the plain ones give."""

import math

import pytest
import torch
import torch.nn.functional as F
from discriminator_helpers import ARCHITECTURES, discriminator, make_images

from ganzoo.blocks import discriminator as block
from ganzoo.ops.activation import ACTIVATIONS, bias_act


def gradients(network, images):
    """Of the logistic loss and the gradient penalty together."""
    images = images.clone().requires_grad_()
    network.zero_grad()
    logits = network(images)
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    (F.softplus(-logits).mean() + slope.square().sum(dim=(1, 2, 3)).mean()).backward()
    return [parameter.grad for parameter in network.parameters()]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_gradients_are_those_of_plain_convolutions(architecture, monkeypatch):
    network = discriminator(architecture=architecture).double()
    (images,) = make_images(network)
    quick = gradients(network, images.double())
    monkeypatch.setattr(block, "conv2d", F.conv2d)
    torch.testing.assert_close(quick, gradients(network, images.double()))


def test_the_layout_of_the_images_does_not_matter():
    network = discriminator().double()
    (images,) = make_images(network)
    last = images.double().to(memory_format=torch.channels_last)
    torch.testing.assert_close(gradients(network, images.double()), gradients(network, last))


@pytest.mark.parametrize(("last", "layout"), [(True, torch.channels_last), (False, torch.contiguous_format)])
def test_the_features_are_in_the_layout_that_suits_the_processor(last, layout, monkeypatch):
    monkeypatch.setattr(block, "CHANNELS_LAST", last)
    network = discriminator()
    seen = []
    for level in network.network.levels.values():
        level.register_forward_hook(lambda module, inputs, output: seen.append(output))
    network(*make_images(network))
    assert seen and all(x.is_contiguous(memory_format=layout) for x in seen)


def test_autocast_reaches_the_gradient_penalty():
    network = discriminator()
    (images,) = make_images(network)
    expected = gradients(network, images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = gradients(network, images)
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == torch.float32 and (a - b).norm() < 0.1 * b.norm()


@pytest.mark.parametrize("clamp", [None, 0.5])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gain_of_a_layer_is_on_its_output(activation, clamp):
    layer = block.ConvLayer(3, 4, 3, activation=activation, clamp=clamp)
    torch.nn.init.normal_(layer.bias)
    x = 2 * torch.randn(2, 3, 5, 5)
    plain = bias_act(
        F.conv2d(x, layer.weight / math.sqrt(27), padding=1), layer.bias, activation=activation, clamp=clamp
    )
    torch.testing.assert_close(layer(x), plain)
    torch.testing.assert_close(layer(x, gain=0.7), 0.7 * plain)
