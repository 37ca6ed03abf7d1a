"""Rows of w: truncation, which layer reads which row, and mixing."""

import pytest
import torch
from helpers import styled_layers, tiny, trained

from ganzoo import mix_styles
from ganzoo.models.factory import build

# Truncation


@pytest.mark.parametrize("cutoff", [0, 1, 4, 6, None])
def test_truncation_pulls_the_first_rows_towards_the_mean_style(generator, cutoff):
    mapping, z = generator.mapping, generator.sample_z(2)
    for psi in (-0.5, 0.0, 0.3, 0.7, 1.0, 1.5):
        expected = mapping(z).clone()
        expected[:, :cutoff] = mapping.w_avg + psi * (expected[:, :cutoff] - mapping.w_avg)
        torch.testing.assert_close(mapping(z, None, psi, cutoff), expected)


def test_a_psi_of_zero_gives_the_mean_style(generator):
    w = generator.mapping(generator.sample_z(2), truncation_psi=0.0)
    assert torch.equal(w, generator.mapping.w_avg.expand_as(w))


@pytest.mark.parametrize("cutoff", [-1, 7])
def test_a_cutoff_out_of_range_is_refused(generator, cutoff):
    with pytest.raises(ValueError, match="truncation_cutoff is 0 to 6"):
        generator(generator.sample_z(1), truncation_psi=0.5, truncation_cutoff=cutoff)


# Rows of w


def rows_that_matter(generator, w):
    image = generator.synthesis(w)
    rows = []
    for row in range(generator.num_ws):
        other = w.clone()
        other[:, row] += 1
        changed = generator.synthesis(other)
        pairs = zip([image.image, *image.levels], [changed.image, *changed.levels], strict=True)
        if not all(torch.equal(a, b) for a, b in pairs):
            rows.append(row)
    return rows


def test_every_row_matters_to_a_pixel_network():
    generator = trained(tiny("pixel"))
    assert rows_that_matter(generator, torch.randn(1, 6, 8)) == [0, 1, 2, 3, 4, 5]


def test_a_wavelet_network_ignores_the_rows_of_the_level_that_it_lacks():
    generator = trained(tiny("wavelet"))
    assert rows_that_matter(generator, torch.randn(1, 6, 8)) == [0, 1, 2, 3]


@pytest.mark.parametrize("head", ["skip", "aux"])
def test_a_levels_head_and_the_next_levels_first_layer_share_a_row(network, head):
    generator = build(tiny(network, head=head))
    read = {}

    def record(name):
        return lambda module, inputs: read.update({name: inputs[1][0, 0].item()})

    for i, layer in enumerate(styled_layers(generator)):
        layer.register_forward_pre_hook(record(f"layer {i}"))
    for level, to_image in generator.synthesis.head.to_image.items():
        to_image.register_forward_pre_hook(record(f"head {level}"))
    generator.synthesis(torch.arange(6.0)[None, :, None].expand(1, 6, 8))
    expected = {"layer 0": 0, "layer 1": 1, "layer 2": 2, "head 0": 1, "head 1": 3}
    if network == "pixel":
        expected |= {"layer 3": 3, "layer 4": 4, "head 2": 5}
    assert read == expected


def test_teacher_and_student_have_the_same_rows():
    assert build(tiny("pixel")).num_ws == build(tiny("wavelet")).num_ws


@pytest.mark.parametrize("crossover", [0, 2, 6])
def test_mixed_styles_change_over_at_the_crossover(crossover):
    w1, w2 = torch.zeros(2, 6, 8), torch.ones(2, 6, 8)
    assert mix_styles(w1, w2, crossover)[:, :, 0].tolist() == [[0] * crossover + [1] * (6 - crossover)] * 2


@pytest.mark.parametrize("crossover", [-1, 7])
def test_a_crossover_out_of_range_is_refused(crossover):
    with pytest.raises(ValueError, match="crossover is 0 to 6"):
        mix_styles(torch.zeros(2, 6, 8), torch.ones(2, 6, 8), crossover)


@pytest.mark.parametrize("shape", [(1, 6, 8), (2, 5, 8), (2, 8)])
def test_styles_of_different_shapes_are_not_mixed(shape):
    with pytest.raises(ValueError, match="one shape"):
        mix_styles(torch.zeros(2, 6, 8), torch.zeros(shape), 1)
