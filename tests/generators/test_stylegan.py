"""StyleGAN (2019) as an architecture: its published size, and its blocks in every combination."""

import pytest
import torch
import torch.nn.functional as F
from covering import crossed
from helpers import assert_same_image, tiny_config, trained

import ganzoo
from ganzoo.blocks import CONVS, HEADS, UPSAMPLERS
from ganzoo.generators.synthesis import Output
from ganzoo.models import catalogue
from ganzoo.models.factory import config_of

AXES = ("upsampler", "conv", "head", "output", "shared_noise")
COMBINATIONS = crossed(UPSAMPLERS.names(), CONVS.names(), HEADS.names(), ["pixel", "wavelet"], [False, True])


def tiny(**settings):
    return tiny_config(generator="stylegan", **settings)


@pytest.fixture(params=COMBINATIONS, ids=str)
def generator(request):
    return trained(tiny(**dict(zip(AXES, request.param, strict=True))))


@pytest.fixture(scope="module")
def plain():
    return trained(tiny())


def test_the_published_number_of_parameters_at_1024():
    [shown] = catalogue.recipes("stylegan")  # counted anew in a test of the catalogue
    assert shown["parameters"] == 26_219_627


def test_it_lives_in_its_own_recipes():
    for recipe in ("stylegan", "stylegan_idwt", "stylegan_depthwise", "stylegan_wavelet"):
        assert config_of(recipe).architecture == config_of(recipe).family == "stylegan"


def test_every_combination_gives_images_that_the_deploy_form_gives_too(generator):
    z = generator.sample_z(2)
    image = generator(z)
    assert image.shape == (2, 3, 16, 16) and not torch.allclose(image[0], image[1])
    deployed = ganzoo.deploy(generator)
    for n in (1, 2):
        assert_same_image(deployed(z[:n]), image[:n])


def test_every_combination_learns_with_all_its_parameters_and_can_be_differentiated_twice(generator):
    w = generator.mapping(generator.sample_z(2))
    out: Output = generator.synthesis(w)
    loss = sum(prediction.square().mean() for prediction in [out.image, *out.levels])
    (slope,) = torch.autograd.grad(loss, w, create_graph=True)
    (loss + slope.square().sum()).backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_every_combination_comes_back_from_a_folder(generator, tmp_path):
    ganzoo.save(generator, tmp_path)
    loaded, z = ganzoo.load(tmp_path), generator.sample_z(2)
    assert loaded.config == generator.config and torch.equal(loaded(z), generator(z))


def test_every_layer_reads_its_own_row_of_w(plain):
    w = plain.mapping(plain.sample_z(1))
    image = plain.synthesis(w).image
    for row in range(plain.num_ws):
        other = w.clone()
        other[:, row] += 1
        features = list(plain.synthesis.features(other))
        assert not torch.equal(plain.synthesis(other).image, image)
        for level, (a, b) in enumerate(zip(features, plain.synthesis.features(w), strict=True)):
            assert torch.equal(a, b) == (level < row // 2)


def test_features_have_the_style_of_w_and_nothing_else(plain):
    w = plain.mapping(plain.sample_z(2))
    *_, last = plain.synthesis.features(w)
    layer = plain.synthesis.levels[-1].conv
    factor, shift = layer.adain.style(w[:, -1]).chunk(2, dim=1)
    torch.testing.assert_close(last.mean(dim=(2, 3)), shift, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(last.std(dim=(2, 3), unbiased=False), factor.abs(), atol=1e-5, rtol=1e-4)


def test_the_image_of_a_level_is_what_a_smaller_network_would_make(plain):
    out = plain.synthesis(plain.mapping(plain.sample_z(1)))
    assert [x.shape[-1] for x in plain.synthesis.level_images(out.levels)] == [16]
    aux = trained(tiny(head="aux"))
    levels = aux.synthesis(aux.mapping(aux.sample_z(1))).levels
    assert [x.shape[-1] for x in aux.synthesis.level_images(levels)] == [4, 8, 16]


def test_a_level_that_fades_in_is_mixed_with_the_one_below():
    whole = trained(tiny(head="aux"))
    w = whole.mapping(whole.sample_z(1))
    _, below, last = whole.synthesis(w).levels
    fading = ganzoo.create("stylegan", **{**whole.config.to_dict(), "head": {"name": "fade", "alpha": 0.25}})
    state = whole.state_dict()
    fading.load_state_dict({name: state[name] for name in fading.state_dict()})
    expected = 0.25 * last + 0.75 * F.interpolate(below, scale_factor=2)
    assert_same_image(fading.synthesis(w).image, expected)
    with pytest.raises(ValueError, match=r"head\.alpha is 0 to 1; got 2"):
        tiny(head={"name": "fade", "alpha": 2.0}).build_synthesis()


def test_half_precision_makes_nearly_the_same_images(plain):
    z = plain.sample_z(2)
    expected = plain(z)
    halved = trained(tiny()).to(torch.bfloat16)
    got = halved(z.to(torch.bfloat16)).float()
    assert (got - expected).abs().mean() < 0.05 * expected.std()


def test_a_constant_channel_is_no_division_by_zero(plain):
    layer = plain.synthesis.levels[0].input
    w = torch.randn(1, 8, generator=torch.Generator().manual_seed(0))
    for dtype in (torch.float32, torch.float16):
        found = layer.adain.to(dtype)(torch.ones(1, 8, 4, 4, dtype=dtype), w.to(dtype))
        assert found.isfinite().all()
    layer.adain.float()


def test_eps_is_positive():
    with pytest.raises(ValueError, match="eps is positive; got 0"):
        tiny(eps=0.0)


@pytest.mark.slow
def test_it_compiles_without_a_graph_break_and_exports_with_a_free_batch_size():
    torch.compiler.reset()
    generator = trained(tiny(resolution=8))
    z = generator.sample_z(2)
    with torch.no_grad():
        compiled = torch.compile(generator, backend="aot_eager", fullgraph=True)
        assert_same_image(compiled(z), generator(z))
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(generator, (z,), dynamic_shapes={"z": {0: batch}}).module()
    assert_same_image(exported(generator.sample_z(3)), generator(generator.sample_z(3)))


# Noise between architectures


@pytest.mark.parametrize("other", [{}, {"generator": "stylegan2", "head": "skip"}, {"shared_noise": True}])
def test_a_network_borrows_the_noise_of_its_sizes(other):
    lender, borrower = trained(tiny_config(**{"generator": "stylegan", **other})), trained(tiny())
    w = lender.mapping(lender.sample_z(2))
    random = torch.Generator().manual_seed(0)
    lent = lender.synthesis(w, "random", random).noise
    found = borrower.synthesis.borrowed(lent)
    assert [tuple(x.shape) for x in found] == [(2, 1, s, s) for s in (4, 4, 8, 8, 16, 16)]
    assert torch.equal(found[-1], lent[-1])
    assert torch.equal(found[1], [x for x in lent if x.shape[-1] == 4][-1])


def test_a_network_borrows_the_low_end_of_a_larger_one(plain):
    lent = trained(tiny(resolution=32, channels=(8, 8, 8, 8))).synthesis.constant_noise()
    found = plain.synthesis.borrowed(lent)
    assert len(found) == 6 and all(a is b for a, b in zip(found, lent[:6], strict=True))


def test_a_network_borrows_of_one_without_noise_its_own(plain):
    assert all(
        a is b for a, b in zip(plain.synthesis.borrowed([]), plain.synthesis.constant_noise(), strict=True)
    )
