"""Importance of channels: each measure against its formula, worked out another way."""

import pytest
import torch
from combinations import BASES, settings
from helpers import tiny_config, trained

CONST = "synthesis.levels.0.const"
KINDS = ["weights", "response", "saliency"]


@pytest.fixture(params=BASES, ids="-".join)
def generator(request):
    return trained(tiny_config(**settings(request.param)))


def scores(generator, kind, **options):
    return generator.config.channel_scores(generator, kind, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_every_channel_of_every_place_has_a_score(generator, kind):
    found = scores(generator, kind, samples=2)
    assert len(found) == 2 * len(generator.config.channels)
    for name, values in found.items():
        assert values.shape == (generator.config.channels[int(name.split(".")[2])],), name
        assert (values > 0).all() and not values.requires_grad


def test_weights_sum_the_norms_of_the_kernels_that_read_a_channel_in_the_style_of_the_mean_w():
    generator = trained(tiny_config())  # full convolutions, transposed ones, a head at every level
    w = generator.mapping.w_avg
    above = generator.synthesis.levels[1].upsample.conv.conv
    head = generator.synthesis.head.to_image["0"].conv
    expected = torch.zeros(8)
    for conv in (above, head):
        style = conv.modulation(w).abs() * conv.scale
        for c in range(8):
            expected[c] += style[c] * sum(kernel[c].norm() for kernel in conv.weight)
    torch.testing.assert_close(scores(generator, "weights")["synthesis.levels.0"], expected)


def test_the_weights_of_a_subband_are_those_of_the_channel_that_it_makes():
    generator = trained(tiny_config(**settings(BASES[1]), channels=(8, 12)))
    w = generator.mapping.w_avg
    upsample = generator.synthesis.levels[1].upsample.conv
    head = generator.synthesis.head.to_image["0"].conv.input_norms(w)
    found = scores(generator, "weights")["synthesis.levels.0"] - head
    made = upsample.conv.input_norms(w)
    for c, channel in enumerate([0, 1, 0, 0, 0, 1, 1, 1]):  # LL, LL, then LH, HL, HH of each
        torch.testing.assert_close(found[c], made[channel] * upsample.modulation(w)[c].abs())


def test_response_is_the_mean_change_of_the_features_when_w_moves_by_five(generator):
    random = torch.Generator().manual_seed(4)
    expected = [torch.zeros(width) for width in generator.config.channels]
    for seed in (4, 5):
        direction = torch.randn(generator.w_dim, generator=random)
        w = generator.mapping(generator.sample_z(1, seed))
        moved = w + 5 * direction / direction.norm()
        pairs = zip(generator.synthesis.features(w), generator.synthesis.features(moved), strict=True)
        for total, (a, b) in zip(expected, pairs, strict=True):
            total += (b - a).abs().mean(dim=(0, 2, 3))
    found = scores(generator, "response", samples=2, seed=4)
    for level, values in enumerate(expected):
        torch.testing.assert_close(found[f"synthesis.levels.{level}"], values)


def test_response_looks_at_no_more_levels_than_it_is_asked_for(generator):
    whole = scores(generator, "response", samples=1)
    found = scores(generator, "response", samples=1, levels=1)
    assert [*found] == [CONST, "synthesis.levels.0"]
    assert torch.equal(found[CONST], whole[CONST])


def test_saliency_is_the_gradient_of_a_channel_s_strength(generator):
    """By finite differences, in double precision."""
    generator = generator.double()
    found = scores(generator, "saliency", samples=1, seed=2)
    w = generator.mapping(generator.sample_z(1, 2))
    random = torch.Generator().manual_seed(2)
    signs = torch.randint(2, (1, 3, 16, 16), generator=random).double() * 2 - 1
    for name, module in [
        ("synthesis.levels.0", generator.synthesis.levels[0]),
        ("synthesis.levels.1.upsample", generator.synthesis.levels[1].upsample),
    ]:
        sums = []
        for factor in (1 + 1e-5, 1 - 1e-5):
            mask = torch.ones(len(found[name]), 1, 1).double()
            mask[3] = factor
            handle = module.register_forward_hook(lambda m, a, x, mask=mask: x * mask)
            sums.append((generator.synthesis(w).image * signs).sum())
            handle.remove()
        torch.testing.assert_close(found[name][3], ((sums[0] - sums[1]) / 2e-5).abs())


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_scores_and_leaves_the_network_as_it_was(generator, kind):
    z = generator.sample_z(2)
    image = generator(z)
    first, again = (scores(generator, kind, samples=2, seed=3) for _ in range(2))
    other = scores(generator, kind, samples=2, seed=4)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert kind == "weights" or not torch.equal(first["synthesis.levels.0"], other["synthesis.levels.0"])
    assert torch.equal(generator(z), image)
    assert all(parameter.grad is None for parameter in generator.parameters())


def test_a_conditional_network_has_scores():
    generator = trained(tiny_config(label_dim=3))
    assert scores(generator, "response", samples=2)["synthesis.levels.0"].shape == (8,)


@pytest.mark.parametrize("kind", ["weigths", ""])
def test_an_unknown_importance_is_refused(kind):
    with pytest.raises(ValueError, match="response"):
        scores(trained(tiny_config()), kind)


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="samples"):
        scores(trained(tiny_config()), "response", samples=0)


def test_an_architecture_that_says_nothing_has_no_scores(second_architecture):
    assert scores(trained(second_architecture.WavesConfig()), "response") == {}
