"""The images that a network stands for at every level."""

import pytest
import torch
from block_helpers import HEAD_CHANNELS, W_DIM, head, randomized, run_head

from ganzoo.blocks import HEADS

OUTPUTS = ("pixel", "wavelet")


@pytest.fixture(params=[(name, output) for name in HEADS.names() for output in OUTPUTS], ids="-".join)
def network(request):
    return randomized(head(*request.param))


def run(network):
    image, predictions = run_head(network, torch.randn(2, W_DIM))
    return image, [prediction for prediction in predictions if prediction is not None]


def test_the_last_image_is_the_networks(network):
    image, levels = run(network)
    assert torch.equal(network.images(levels)[-1], image)


def test_every_level_that_predicts_has_a_image_of_its_size(network):
    _, levels = run(network)
    factor = 1 if network.idwt is None else 2
    sizes = [4 * 2**level * factor for level in range(len(HEAD_CHANNELS)) if str(level) in network.to_image]
    assert [list(image.shape) for image in network.images(levels)] == [[2, 3, r, r] for r in sizes]


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_skip_heads_images_are_the_images_so_far(output):
    network, w = randomized(head("skip", output)), torch.randn(2, W_DIM)
    image, so_far, levels = None, [], []
    for level, channels in enumerate(HEAD_CHANNELS):
        x = torch.randn(2, channels, 4 * 2**level, 4 * 2**level)
        image, prediction = network(level, x, w, image)
        so_far.append(image)
        levels.append(prediction)
    for got, expected in zip(network.images(levels), so_far, strict=True):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_aux_heads_images_are_the_pixels_of_its_predictions(output):
    network = randomized(head("aux", output))
    _, levels = run(network)
    for got, level in zip(network.images(levels), levels, strict=True):
        assert torch.equal(got, network.pixels(level))


def test_gradients_of_a_skip_heads_last_image_reach_every_prediction():
    network = randomized(head("skip"))
    levels = [level.detach().requires_grad_() for level in run(network)[1]]
    network.images(levels)[-1].square().sum().backward()
    assert all(level.grad.any() for level in levels)


def test_another_number_of_predictions_is_refused(network):
    _, levels = run(network)
    with pytest.raises(ValueError, match=f"predicts at {len(levels)} levels; got {len(levels) + 1}"):
        network.images([*levels, levels[-1]])
