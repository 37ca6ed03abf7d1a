"""Shapes, labels, precisions and devices of a generator."""

import pytest
import torch
from covering import thinned
from helpers import seeded, styled_layers, tiny, trained
from torch import nn
from torch.autograd import gradgradcheck

from ganzoo.generators.generator import Generator
from ganzoo.models.factory import build

# Shapes


SIZES = [("pixel", 2**n) for n in range(2, 12)] + [("wavelet", 2**n) for n in range(3, 12)]
ALWAYS = [SIZES[0], ("pixel", 32), ("pixel", 1024), ("wavelet", 8), ("wavelet", 64), ("wavelet", 512)]


@pytest.mark.parametrize("size", thinned(SIZES, ALWAYS), ids=str)
def test_images_have_the_resolution_and_styles_their_rows(size):
    network, resolution = size
    config = tiny(network, resolution=resolution)
    with torch.device("meta"):
        generator = Generator.from_config(config)
        w = generator.mapping(torch.empty(2, 8))
        out = generator.synthesis(w)
    assert generator.num_ws == 2 * resolution.bit_length() - 4
    assert w.shape == (2, generator.num_ws, 8)
    assert out.image.shape == (2, 3, resolution, resolution)
    channels, levels = (3 if network == "pixel" else 12), len(config.channels)
    sizes = [4 * 2**level for level in range(levels)]
    assert [level.shape for level in out.levels] == [(2, channels, r, r) for r in sizes]
    per_layer = [4, *(r for r in sizes[1:] for _ in range(2))]
    assert [noise.shape for noise in out.noise] == [(1, 1, r, r) for r in per_layer]


@pytest.mark.parametrize("img_channels", [1, 4])
def test_images_have_as_many_channels_as_asked_for(network, img_channels):
    generator = build(tiny(network, img_channels=img_channels))
    assert generator(generator.sample_z(2)).shape == (2, img_channels, 16, 16)


def test_the_generator_says_what_it_is():
    generator = build(tiny(z_dim=6, w_dim=10, label_dim=2, img_channels=1))
    assert (generator.z_dim, generator.w_dim, generator.label_dim) == (6, 10, 2)
    assert (generator.img_channels, generator.resolution, generator.num_ws) == (1, 16, 6)
    assert not generator.training


def test_a_image_is_the_synthesis_of_the_mapping(generator):
    z = generator.sample_z(2)
    w = generator.mapping(z, truncation_psi=0.7, truncation_cutoff=3)
    image = generator(z, truncation_psi=0.7, truncation_cutoff=3, noise="none")
    assert torch.equal(image, generator.synthesis(w, "none").image)


@pytest.mark.parametrize("shape", [(8,), (2, 7), (2, 1, 8)])
def test_latents_of_a_wrong_shape_are_refused(generator, shape):
    with pytest.raises(ValueError, match=r"z has shape \[N, 8\]"):
        generator(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 8), (2, 5, 8), (2, 7, 8), (2, 6, 7)])
def test_styles_of_a_wrong_shape_are_refused(generator, shape):
    with pytest.raises(ValueError, match=r"w has shape \[N, 6, 8\]"):
        generator.synthesis(torch.zeros(shape))


def test_a_head_that_gives_no_image_is_an_error(generator, w):
    class Blind(nn.Module):
        def forward(self, level, x, w, image):
            return None, None

    generator.synthesis.head = Blind()
    with pytest.raises(RuntimeError, match="Blind gave no image"):
        generator.synthesis(w)


# Labels


def test_a_label_changes_the_image():
    generator = build(tiny(label_dim=3))
    z, labels = generator.sample_z(1), torch.eye(3)
    assert not torch.allclose(generator(z, labels[:1]), generator(z, labels[1:2]))


def test_a_conditional_network_needs_a_label():
    generator = build(tiny(label_dim=3))
    with pytest.raises(ValueError, match=r"needs a label \[N, 3\]"):
        generator(generator.sample_z(2))


def test_an_unconditional_network_takes_no_label(generator):
    with pytest.raises(ValueError, match="takes no label"):
        generator(generator.sample_z(2), torch.zeros(2, 3))


@pytest.mark.parametrize("shape", [(2, 4), (1, 3), (3,), (2, 3, 1)])
def test_a_label_of_a_wrong_shape_is_refused(shape):
    generator = build(tiny(label_dim=3))
    with pytest.raises(ValueError, match=r"label has shape \[2, 3\]"):
        generator(generator.sample_z(2), torch.zeros(shape))


# Derivatives, dtypes, devices


def test_a_path_length_penalty_reaches_the_weights(generator, w):
    w = w.requires_grad_()
    image = generator.synthesis(w).image
    (slope,) = torch.autograd.grad((image * torch.randn_like(image)).sum(), w, create_graph=True)
    slope.square().sum().backward()
    weight = styled_layers(generator)[1].conv.conv.modulation.weight
    assert torch.isfinite(weight.grad).all() and weight.grad.any()


@pytest.mark.parametrize("activation", ["lrelu", "swish"])
def test_images_have_second_derivatives_with_respect_to_styles(network, activation):
    config = tiny(network, resolution=8, channel_max=4, w_dim=3, activation=activation)
    synthesis = trained(config).synthesis.double()
    w = torch.randn(1, config.num_ws, 3, dtype=torch.float64, requires_grad=True)
    assert gradgradcheck(lambda w: synthesis(w).image.mean(dim=(2, 3)), w)


def test_a_generator_in_double_precision_gives_the_same_images(generator):
    z = generator.sample_z(2)
    expected = generator(z)
    image = generator.double()(z.double())
    assert image.dtype == torch.float64
    torch.testing.assert_close(image.float(), expected, atol=1e-4, rtol=1e-4)


def test_a_generator_in_bfloat16_gives_images_in_bfloat16(generator):
    assert generator.to(torch.bfloat16)(generator.sample_z(2).bfloat16()).dtype == torch.bfloat16


def test_a_generator_moves_to_another_device_whole(generator, w):
    moved = generator.to("meta")
    assert all(tensor.is_meta for tensor in [*moved.parameters(), *moved.buffers()])
    assert moved(torch.empty(2, 8, device="meta")).is_meta


def test_noise_given_in_another_precision_is_converted(generator, w):
    noise = [tensor.double() for tensor in generator.synthesis(w).noise]
    assert generator.synthesis(w, noise).image.dtype == torch.float32


@pytest.mark.gpu
def test_a_gpu_gives_the_same_images_for_the_same_seeds(generator):
    z = generator.sample_z(3)
    expected = generator(z, noise="random", generator=seeded(1, 2, 3))
    moved = generator.to("cuda")
    image = moved(z.to("cuda"), noise="random", generator=seeded(1, 2, 3)).cpu()
    torch.testing.assert_close(image, expected, atol=1e-3, rtol=1e-3)
