"""The modes of noise."""

import pytest
import torch
from helpers import seeded, styled_layers, tiny, trained


def test_constant_noise_belongs_to_the_weights(generator, w):
    before = generator.synthesis(w).image
    constants = [layer.noise.const for layer in styled_layers(generator)]
    assert torch.equal(before, generator.synthesis(w, constants).image)
    with torch.no_grad():
        constants[-1].neg_()
    assert not torch.allclose(generator.synthesis(w).image, before)


def test_no_noise_is_noise_of_zeros(generator, w):
    out = generator.synthesis(w, "none")
    assert not any(noise.any() for noise in out.noise)
    assert torch.equal(out.image, generator.synthesis(w, out.noise).image)
    assert not torch.allclose(out.image, generator.synthesis(w).image)


def test_random_noise_depends_on_its_generator_alone(generator, w):
    first, again, other = (generator.synthesis(w, "random", *seeded(seed)).image for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_random_noise_differs_from_sample_to_sample(generator, w):
    out = generator.synthesis(w[:1].expand(2, -1, -1), "random", *seeded(1))
    assert not torch.allclose(out.image[0], out.image[1])


def test_a_generator_for_every_sample_makes_its_noise_independent_of_the_batch(generator, w):
    together = generator.synthesis(w, "random", seeded(5, 9))
    for i, seed in enumerate((5, 9)):
        alone = generator.synthesis(w[i : i + 1], "random", seeded(seed))
        assert all(torch.equal(a, b[i : i + 1]) for a, b in zip(alone.noise, together.noise, strict=True))
        torch.testing.assert_close(alone.image[0], together.image[i], atol=1e-5, rtol=1e-5)


def test_random_noise_needs_a_generator(generator, w):
    with pytest.raises(ValueError, match="needs generator="):
        generator.synthesis(w, "random")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_generators_is_refused(generator, w, count):
    with pytest.raises(ValueError, match=f"2 of them, not {count}"):
        generator.synthesis(w, "random", seeded(*range(count)))


def test_an_unknown_noise_mode_is_an_error_that_lists_the_modes(generator, w):
    with pytest.raises(ValueError, match=r"const, random, none, or a list .* 'constant'"):
        generator.synthesis(w, "constant")


@pytest.mark.parametrize("mode", ["const", "none", "random"])
def test_the_noise_that_was_used_can_be_used_again(generator, w, mode):
    out = generator.synthesis(w, mode, *seeded(3))
    again = generator.synthesis(w, out.noise)
    assert torch.equal(out.image, again.image)
    assert all(torch.equal(a, b) for a, b in zip(out.noise, again.noise, strict=True))


def test_the_noise_of_a_bigger_network_is_read_from_its_low_end(generator, w):
    bigger = trained(tiny(resolution=64), seed=1)
    shared = bigger.synthesis(torch.randn(2, bigger.num_ws, 8), "random", *seeded(3)).noise
    out = generator.synthesis(w, shared)
    layers = len(styled_layers(generator))
    assert all(torch.equal(a, b) for a, b in zip(out.noise, shared[:layers], strict=True))
    assert torch.equal(out.image, generator.synthesis(w, shared[:layers]).image)


def test_a_list_with_too_little_noise_is_refused(generator, w):
    noise = generator.synthesis(w).noise
    with pytest.raises(ValueError, match=f"a list of {len(noise)} tensors.* got {len(noise) - 1}"):
        generator.synthesis(w, noise[:-1])


@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (3, 1, 8, 8), (1, 2, 8, 8), (1, 8, 8), (8, 8), (1, 1, 8, 1)])
def test_noise_of_a_wrong_shape_is_refused(generator, w, shape):
    noise = generator.synthesis(w).noise
    noise[1] = torch.zeros(shape)
    with pytest.raises(ValueError, match=r"noise\[1\] has shape \[1 or N, 1, 8, 8\]"):
        generator.synthesis(w, noise)
