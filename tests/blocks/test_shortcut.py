"""Shortcuts around the convolutions of a level, and what a generator does with them."""

import math

import pytest
import torch
import torch.nn.functional as F
from block_helpers import IN, OUT, assert_batch_independent, randomized, shortcut
from helpers import tiny_config, trained

from ganzoo.blocks import SHORTCUTS
from ganzoo.models.cost import costs


def features(n=2):
    """What enters a level and what its convolutions made of it."""
    return torch.randn(n, IN, 4, 3), torch.randn(n, OUT, 8, 6)


@pytest.mark.parametrize("name", SHORTCUTS.names())
def test_a_shortcut_keeps_the_shape_of_the_convolutions(name):
    below, x = features()
    assert shortcut(name)(below, x).shape == x.shape


@pytest.mark.parametrize("name", SHORTCUTS.names())
def test_a_shortcut_takes_every_sample_by_itself(name):
    assert_batch_independent(randomized(shortcut(name)), *features(3))


@pytest.mark.parametrize("name", SHORTCUTS.names())
def test_what_the_convolutions_made_passes_a_shortcut(name):
    below, x = features()
    block = shortcut(name)
    assert not torch.allclose(block(below, 2 * x), block(below, x))


@pytest.mark.parametrize("name", SHORTCUTS.names())
def test_a_shortcut_leaves_its_inputs_as_they_were(name):
    below, x = features()
    copies = below.clone(), x.clone()
    shortcut(name)(below, x)
    assert torch.equal(below, copies[0]) and torch.equal(x, copies[1])


def test_no_shortcut_is_no_path_and_has_no_weights():
    below, x = features()
    assert torch.equal(shortcut("none")(below, x), x)
    assert not shortcut("none").state_dict()


def test_a_residual_shortcut_projects_upsamples_adds_and_scales_by_the_root_of_a_half():
    block, (below, x) = shortcut("residual"), features()
    projected = F.conv2d(below, block.weight / math.sqrt(IN))
    expected = (block.upsample(projected) + x) * math.sqrt(0.5)
    torch.testing.assert_close(block(below, x), expected)


def test_a_residual_shortcut_keeps_unit_variance():
    block = shortcut({"name": "residual", "taps": [1.0, 1.0]}, in_channels=64, out_channels=64)
    out = block(torch.randn(4, 64, 8, 8), torch.randn(4, 64, 16, 16))
    assert out.std().item() == pytest.approx(1, abs=0.1)


def test_a_residual_shortcut_upsamples_a_constant_to_a_constant():
    block = shortcut("residual")
    out = block(torch.ones(1, IN, 6, 6), torch.zeros(1, OUT, 12, 12))[..., 2:-2, 2:-2]
    torch.testing.assert_close(out, out[..., :1, :1].expand_as(out))


@pytest.mark.parametrize("taps", [[1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 3.0, 3.0, 1.0], [1.0] * 7])
def test_a_residual_shortcut_doubles_the_size_with_any_taps(taps):
    below, x = features()
    assert shortcut({"name": "residual", "taps": taps})(below, x).shape == x.shape


@pytest.mark.parametrize("taps", [[], [1.0, -1.0], [1.0] * 33])
def test_taps_that_are_no_filter_are_refused(taps):
    with pytest.raises(ValueError, match=r"taps|sum"):
        shortcut({"name": "residual", "taps": taps})


# In a generator


def test_a_generator_has_a_shortcut_for_every_level_but_the_first():
    synthesis = trained(tiny_config(shortcut="residual")).synthesis
    shortcuts = [level.shortcut for level in synthesis.levels[1:]]
    assert [tuple(block.weight.shape) for block in shortcuts] == [(12, 8, 1, 1), (16, 12, 1, 1)]


def test_a_shortcut_leads_from_below_a_level_to_its_head():
    generator = trained(tiny_config(shortcut="residual", head="single"))
    synthesis = generator.synthesis
    shortcuts = [level.shortcut for level in synthesis.levels[1:]]
    seen = []
    shortcuts[1].register_forward_hook(lambda module, inputs, out: seen.append((*inputs, out)))
    shortcuts[0].register_forward_hook(lambda module, inputs, out: seen.append((*inputs, out)))
    synthesis.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    synthesis(torch.randn(1, generator.num_ws, generator.w_dim))
    head0, (below1, _, out1), head1, (below2, _, out2), head2 = seen
    assert below1 is head0 and below2 is head1 is out1 and head2 is out2


def test_a_generator_without_shortcut_saves_no_weights_of_one():
    generator = trained(tiny_config())
    assert not [name for name in generator.state_dict() if "shortcut" in name]


def test_a_shortcut_costs_its_convolution_and_its_filter():
    plain, residual = (
        costs(tiny_config(resolution=8, channels=[4, 6], shortcut=name), deployed=False)["synthesis"]
        for name in ("none", "residual")
    )
    assert residual.parameters - plain.parameters == 4 * 6
    assert residual.macs - plain.macs == 4 * 6 * 4 * 4 + 6 * 8 * 8 * 16
