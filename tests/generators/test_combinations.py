"""Every combination of blocks makes, learns, saves, deploys, compiles and exports.

Those in which any three blocks meet run always, or every block, where a test takes long; the
others with `-m slow`. A new block joins by itself.
"""

import pytest
import torch
from combinations import BASES, COMBINATIONS, ONES, TRIPLES, settings
from covering import thinned
from helpers import assert_same_image, tiny_config, trained

import ganzoo

SHORTCUT = [combination for combination in COMBINATIONS if combination[-1] != "none"]


def tiny(combination, **others):
    return tiny_config(**settings(combination), **others)


@pytest.fixture(params=thinned(COMBINATIONS, TRIPLES), ids="-".join)
def generator(request):
    return trained(tiny(request.param))


def two_levels(combination):
    """A generator with one upsampler, which is quick to trace."""
    return trained(tiny(combination, resolution=8 if "pixel" in combination else 16))


def test_every_combination_gives_images(generator):
    image = generator(generator.sample_z(2))
    assert image.shape == (2, 3, 16, 16)
    assert torch.isfinite(image).all()
    assert not torch.allclose(image[0], image[1])


def test_every_combination_gives_every_parameter_a_gradient(generator):
    out = generator.synthesis(generator.mapping(generator.sample_z(2)))
    sum(prediction.square().mean() for prediction in [out.image, *out.levels]).backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_every_combination_can_be_differentiated_twice(generator):
    w = generator.mapping(generator.sample_z(2)).detach().requires_grad_()
    image = generator.synthesis(w).image
    (slope,) = torch.autograd.grad((image * torch.linspace(-1, 1, 16)).sum(), w, create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), w)
    assert torch.isfinite(second).all() and second.any()


def test_every_combination_is_saved_and_loaded_bit_for_bit(generator, tmp_path):
    z = generator.sample_z(2)
    ganzoo.save(generator, tmp_path)
    loaded = ganzoo.load(tmp_path)
    assert loaded.config == generator.config
    assert torch.equal(loaded(z), generator(z))


@pytest.mark.parametrize("n", [1, 3])
def test_every_combination_deploys_to_the_same_images(generator, n):
    z = generator.sample_z(n)
    assert_same_image(ganzoo.deploy(generator)(z), generator(z))


@pytest.mark.parametrize("combination", thinned(SHORTCUT, TRIPLES), ids="-".join)
def test_every_combination_with_a_shortcut_gives_other_images_than_without(combination):
    generator = trained(tiny(combination))
    z = generator.sample_z(2)
    image = generator(z)
    assert torch.isfinite(image).all() and image.shape == (2, 3, 16, 16)
    assert not torch.allclose(image, trained(tiny((*combination[:-1], "none")))(z))


@pytest.mark.parametrize("combination", thinned(COMBINATIONS, ONES), ids="-".join)
def test_every_combination_compiles_without_a_graph_break(combination):
    torch.compiler.reset()  # the combinations share code: without this, the ninth would run uncompiled
    generator = two_levels(combination)
    z = generator.sample_z(2)
    with torch.no_grad():
        compiled = torch.compile(generator, backend="aot_eager", fullgraph=True)
        assert_same_image(compiled(z), generator(z))


@pytest.mark.parametrize("combination", thinned(COMBINATIONS, ONES), ids="-".join)
def test_every_combination_exports_with_a_free_batch_size(combination):
    generator = two_levels(combination)
    batch = torch.export.Dim("batch", min=1, max=64)
    z = generator.sample_z(2)
    exported = torch.export.export(generator, (z,), dynamic_shapes={"z": {0: batch}}).module()
    for n in (1, 3):
        assert_same_image(exported(generator.sample_z(n)), generator(generator.sample_z(n)))


EXTREMES = [*BASES, (*BASES[0][:-1], "residual")]


# StyleGAN2 with a shortcut is all of it without one; MobileStyleGAN's compiler takes twice as long.
@pytest.mark.parametrize("combination", thinned(EXTREMES, EXTREMES[2:]), ids="-".join)
def test_a_compiled_network_has_the_same_gradients(combination):
    torch.compiler.reset()
    generator = two_levels(combination)
    z = generator.sample_z(2)
    gradients = []
    for module in (generator, torch.compile(generator, backend="aot_eager", fullgraph=True)):
        generator.zero_grad()
        module(z).square().mean().backward()
        gradients.append({n: p.grad.clone() for n, p in generator.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("combination", EXTREMES, ids="-".join)
def test_the_default_compiler_gives_the_same_images(combination):
    torch.compiler.reset()
    generator = trained(tiny(combination))
    z = generator.sample_z(2)
    with torch.no_grad():
        assert_same_image(torch.compile(generator)(z), generator(z))
