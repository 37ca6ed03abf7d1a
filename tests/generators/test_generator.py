import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradgradcheck

from ganzoo import create, mix_styles
from ganzoo.config import GeneratorConfig
from ganzoo.factory import build
from ganzoo.generators.generator import MAX_SEED, Generator

MOBILE = {
    "output": "wavelet",
    "upsampler": "idwt",
    "conv": "depthwise",
    "demodulation": "static",
    "head": "aux",
    "activation_gain": 1.0,
}
NETWORKS = {"pixel": {}, "wavelet": MOBILE}  # StyleGAN2 and MobileStyleGAN
TINY_RECIPE = {"resolution": 8, "channel_base": 64, "channel_max": 8, "z_dim": 8, "w_dim": 8}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tiny tensors are quicker on one thread, and ten times quicker where other processes want the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(network="pixel", **settings):
    data = {"resolution": 16, "channel_base": 2**14, "channel_max": 8, "z_dim": 8, "w_dim": 8}
    data["mapping"] = {"name": "mlp", "depth": 1}
    return GeneratorConfig.from_dict({**data, **NETWORKS[network], **settings})


def trained(config, seed=0):
    """A generator whose noise, biases and mean style are not zero, as after training."""
    generator = build(config, seed)
    gaussian = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        generator.mapping.w_avg += torch.randn(config.w_dim, generator=gaussian)
        for name, parameter in generator.synthesis.named_parameters():
            if name.endswith(("strength", "bias")):
                parameter += 0.3 * torch.randn(parameter.shape, generator=gaussian)
    return generator


def seeded(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.fixture(params=NETWORKS)
def network(request):
    return request.param


@pytest.fixture
def generator(network):
    return trained(tiny(network))


@pytest.fixture
def w(generator):
    """Styles of two samples with a different style in every row."""
    shape = [2, generator.num_ws, generator.w_dim]
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


# Shapes

SIZES = [("pixel", 2**n) for n in range(2, 12)] + [("wavelet", 2**n) for n in range(3, 12)]


@pytest.mark.parametrize(("network", "resolution"), SIZES)
def test_pictures_have_the_resolution_and_styles_their_rows(network, resolution):
    config = tiny(network, resolution=resolution)
    with torch.device("meta"):
        generator = Generator(config)
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
def test_pictures_have_as_many_channels_as_asked_for(network, img_channels):
    generator = build(tiny(network, img_channels=img_channels))
    assert generator(generator.sample_z(2)).shape == (2, img_channels, 16, 16)


def test_the_generator_says_what_it_is():
    generator = build(tiny(z_dim=6, w_dim=10, label_dim=2, img_channels=1))
    assert (generator.z_dim, generator.w_dim, generator.label_dim) == (6, 10, 2)
    assert (generator.img_channels, generator.resolution, generator.num_ws) == (1, 16, 6)
    assert not generator.training


def test_a_picture_is_the_synthesis_of_the_mapping(generator):
    z = generator.sample_z(2)
    w = generator.mapping(z, truncation_psi=0.7, truncation_cutoff=3)
    picture = generator(z, truncation_psi=0.7, truncation_cutoff=3, noise="none")
    assert torch.equal(picture, generator.synthesis(w, "none").image)


@pytest.mark.parametrize("shape", [(8,), (2, 7), (2, 1, 8)])
def test_latents_of_a_wrong_shape_are_refused(generator, shape):
    with pytest.raises(ValueError, match=r"z has shape \[N, 8\]"):
        generator(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 8), (2, 5, 8), (2, 7, 8), (2, 6, 7)])
def test_styles_of_a_wrong_shape_are_refused(generator, shape):
    with pytest.raises(ValueError, match=r"w has shape \[N, 6, 8\]"):
        generator.synthesis(torch.zeros(shape))


# Labels


def test_a_label_changes_the_picture():
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


# Truncation


@pytest.mark.parametrize("cutoff", [0, 1, 4, 6, None])
@pytest.mark.parametrize("psi", [-0.5, 0.0, 0.3, 0.7, 1.0, 1.5])
def test_truncation_pulls_the_first_rows_towards_the_mean_style(generator, psi, cutoff):
    mapping, z = generator.mapping, generator.sample_z(2)
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


# Seeds


def test_a_latent_depends_on_its_seed_and_not_on_its_batch(generator):
    assert torch.equal(generator.sample_z(5, seed=3)[2:4], generator.sample_z(2, seed=5))


@pytest.mark.parametrize("seed", [0, 42, MAX_SEED])
def test_a_seeds_latent_is_that_of_numpys_random_state(generator, seed):
    expected = np.random.RandomState(seed).randn(generator.z_dim).astype(np.float32)
    assert np.array_equal(generator.sample_z(1, seed)[0].numpy(), expected)


def test_latents_of_a_list_of_seeds_come_in_its_order(generator):
    rows = [generator.sample_z(1, seed)[0] for seed in (7, 0, 7)]
    assert torch.equal(generator.z_of_seeds([7, 0, 7]), torch.stack(rows))


def test_no_seeds_give_no_latents(generator):
    assert generator.sample_z(0).shape == (0, 8)


@pytest.mark.parametrize(("n", "seed"), [(1, -1), (1, MAX_SEED + 1), (2, MAX_SEED)])
def test_a_seed_out_of_range_is_refused(generator, n, seed):
    with pytest.raises(ValueError, match="from 0 to 4294967295"):
        generator.sample_z(n, seed)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_same_seeds_give_the_same_pictures_in_any_batch(generator, n):
    pictures = generator(generator.sample_z(3))
    torch.testing.assert_close(generator(generator.sample_z(n)), pictures[:n], atol=1e-5, rtol=1e-5)


def test_the_same_call_gives_the_same_picture_twice(generator):
    z = generator.sample_z(2)
    assert torch.equal(generator(z), generator(z))


# Randomness that is not passed in


@pytest.mark.parametrize("recipe", ["stylegan2", "mobilestylegan"])
def test_no_global_random_state_is_moved(recipe):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    generator = create(recipe, **TINY_RECIPE)
    z = generator.sample_z(2, seed=4)
    for noise in ("const", "none", "random"):
        generator(z, noise=noise, generator=seeded(0)[0])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert random.getstate() == before[2]


def states(*generators):
    return [{key: tensor.tolist() for key, tensor in g.state_dict().items()} for g in generators]


@pytest.mark.parametrize("recipe", ["stylegan2", "mobilestylegan"])
def test_no_global_random_state_is_read(recipe):
    made = []
    with torch.random.fork_rng(devices=[]):
        for seed in (1, 2):
            torch.manual_seed(seed)
            made.append(create(recipe, **TINY_RECIPE))
    first, second = states(*made)
    assert first == second


def test_another_seed_builds_other_weights():
    first, second = states(build(tiny(), seed=0), build(tiny(), seed=1))
    assert first != second


def test_threads_create_the_same_generator_and_leave_the_defaults_alone():
    def make(_):
        generator = create("mobilestylegan", **TINY_RECIPE)
        return states(generator)[0], torch.empty(0).device.type, torch.empty(0).dtype

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(make, range(8)))
    assert all(other == made[0] for other in made)
    assert made[0][1:] == (torch.empty(0).device.type, torch.empty(0).dtype) == ("cpu", torch.float32)


def test_the_default_device_does_not_matter():
    expected = states(create("stylegan2", **TINY_RECIPE))
    with torch.device("meta"):
        generator = create("stylegan2", **TINY_RECIPE)
    assert states(generator) == expected


def test_a_generator_is_float32_whatever_the_default_dtype_is():
    expected = states(create("stylegan2", **TINY_RECIPE))
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        generator = create("stylegan2", **TINY_RECIPE)
    finally:
        torch.set_default_dtype(dtype)
    assert {tensor.dtype for tensor in generator.state_dict().values()} == {torch.float32}
    assert states(generator) == expected


# Noise


def test_constant_noise_belongs_to_the_weights(generator, w):
    before = generator.synthesis(w).image
    constants = [layer.noise.const for layer in generator.synthesis.layers]
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
    layers = len(generator.synthesis.layers)
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


# Rows of w


def rows_that_matter(generator, w):
    picture = generator.synthesis(w)
    rows = []
    for row in range(generator.num_ws):
        other = w.clone()
        other[:, row] += 1
        changed = generator.synthesis(other)
        pairs = zip([picture.image, *picture.levels], [changed.image, *changed.levels], strict=True)
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

    for i, layer in enumerate(generator.synthesis.layers):
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


# Derivatives, dtypes, devices


def test_a_path_length_penalty_reaches_the_weights(generator, w):
    w = w.requires_grad_()
    image = generator.synthesis(w).image
    (slope,) = torch.autograd.grad((image * torch.randn_like(image)).sum(), w, create_graph=True)
    slope.square().sum().backward()
    weight = generator.synthesis.layers[1].conv.conv.modulation.weight
    assert torch.isfinite(weight.grad).all() and weight.grad.any()


@pytest.mark.parametrize("activation", ["lrelu", "swish"])
def test_pictures_have_second_derivatives_with_respect_to_styles(network, activation):
    config = tiny(network, resolution=8, channel_max=4, w_dim=3, activation=activation)
    synthesis = trained(config).synthesis.double()
    w = torch.randn(1, config.num_ws, 3, dtype=torch.float64, requires_grad=True)
    assert gradgradcheck(lambda w: synthesis(w).image.mean(dim=(2, 3)), w)


def test_a_generator_in_double_precision_gives_the_same_pictures(generator):
    z = generator.sample_z(2)
    expected = generator(z)
    picture = generator.double()(z.double())
    assert picture.dtype == torch.float64
    torch.testing.assert_close(picture.float(), expected, atol=1e-4, rtol=1e-4)


def test_a_generator_in_bfloat16_gives_pictures_in_bfloat16(generator):
    assert generator.to(torch.bfloat16)(generator.sample_z(2).bfloat16()).dtype == torch.bfloat16


def test_a_generator_moves_to_another_device_whole(generator, w):
    moved = generator.to("meta")
    assert all(tensor.is_meta for tensor in [*moved.parameters(), *moved.buffers()])
    assert moved(torch.empty(2, 8, device="meta")).is_meta


def test_noise_given_in_another_precision_is_converted(generator, w):
    noise = [tensor.double() for tensor in generator.synthesis(w).noise]
    assert generator.synthesis(w, noise).image.dtype == torch.float32


@pytest.mark.gpu
def test_a_gpu_gives_the_same_pictures_for_the_same_seeds(generator):
    z = generator.sample_z(3)
    expected = generator(z, noise="random", generator=seeded(1, 2, 3))
    moved = generator.to("cuda")
    picture = moved(z.to("cuda"), noise="random", generator=seeded(1, 2, 3)).cpu()
    torch.testing.assert_close(picture, expected, atol=1e-3, rtol=1e-3)


def test_a_head_that_gives_no_picture_is_an_error(generator, w):
    class Blind(nn.Module):
        def forward(self, level, x, w, image):
            return None, None

    generator.synthesis.head = Blind()
    with pytest.raises(RuntimeError, match="Blind gave no picture"):
        generator.synthesis(w)
