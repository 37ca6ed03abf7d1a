"""What the deploy form is, and what it no longer is."""

import pytest
import torch
from covering import thinned
from deploy_helpers import NETWORKS, trained
from helpers import assert_same_image
from torch import nn

import ganzoo
from ganzoo.blocks.demodulation import Demodulation
from ganzoo.ops.equalized import EqualizedLinear
from ganzoo.ops.wavelet import subband_order


def test_the_original_is_untouched(network):
    generator = trained(network)
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    strides = [tensor.stride() for tensor in generator.state_dict().values()]
    deployed = ganzoo.deploy(generator)
    deployed(deployed.sample_z(2))
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
    assert [tensor.stride() for tensor in generator.state_dict().values()] == strides
    assert all(parameter.requires_grad for parameter in generator.parameters())


def test_the_deploy_form_shares_no_memory_with_the_original(network):
    generator = trained(network)
    deployed = ganzoo.deploy(generator)
    z = generator.sample_z(2)
    before = deployed(z)
    with torch.no_grad():
        for tensor in generator.state_dict().values():
            tensor.add_(1)
    assert torch.equal(deployed(z), before)


def test_a_deployed_generator_is_called_like_a_generator(network):
    generator = trained(network, label_dim=2)
    deployed = ganzoo.deploy(generator)
    for name in ("config", "z_dim", "w_dim", "num_ws", "resolution", "img_channels", "label_dim"):
        assert getattr(deployed, name) == getattr(generator, name)
    assert torch.equal(deployed.sample_z(2, seed=3), generator.sample_z(2, seed=3))
    assert torch.equal(deployed.mapping.w_avg, generator.mapping.w_avg)
    assert isinstance(deployed, ganzoo.Generator)


def test_a_deployed_generator_gives_no_levels(network):
    deployed = ganzoo.deploy(trained(network))
    assert deployed.synthesis(torch.randn(1, deployed.num_ws, 8)).levels == []


def test_auxiliary_heads_are_dropped():
    assert list(ganzoo.deploy(trained("mobilestylegan")).synthesis.head.to_image) == ["1"]


@pytest.mark.parametrize("demodulation", ["static", "none"])
def test_a_constant_demodulation_vanishes(network, demodulation):
    deployed = ganzoo.deploy(trained(network, demodulation=demodulation))
    assert not [m for m in deployed.modules() if isinstance(m, Demodulation)]


def test_no_equalised_layer_is_left(network):
    assert not [m for m in ganzoo.deploy(trained(network)).modules() if isinstance(m, EqualizedLinear)]


def test_channels_before_an_inverse_transform_are_sorted_by_subband():
    deployed = ganzoo.deploy(trained("mobilestylegan"))
    assert deployed.synthesis.levels[1].upsample.conv.idwt.sorted
    assert deployed.synthesis.head.to_space is not None


def test_subband_order_puts_every_channels_details_behind_each_other():
    assert subband_order(12).tolist() == [0, 1, 2, 3, 6, 9, 4, 7, 10, 5, 8, 11]


def test_gradients_flow_to_the_styles(network):
    generator = trained(network)
    gradients = []
    for synthesis in (generator.synthesis, ganzoo.deploy(generator).synthesis):
        w = torch.randn(2, generator.num_ws, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
        (gradient,) = torch.autograd.grad(synthesis(w).image.square().mean(), w)
        gradients.append(gradient)
    scale = gradients[0].abs().max()
    assert scale > 0
    assert (gradients[1] - gradients[0]).abs().max() <= 1e-4 * scale


def test_gradients_flow_to_the_latents(network):
    deployed = ganzoo.deploy(trained(network))
    z = deployed.sample_z(1).requires_grad_()
    deployed(z).square().mean().backward()
    assert z.grad.any()


def test_its_weights_need_no_gradient(network):
    deployed = ganzoo.deploy(trained(network))
    assert not any(parameter.requires_grad for parameter in deployed.parameters())
    assert not deployed.training


def test_a_deployed_generator_is_not_deployed_again():
    with pytest.raises(TypeError, match="not one that is deployed"):
        ganzoo.deploy(ganzoo.deploy(trained()))


def test_a_deployed_generator_is_not_saved(tmp_path):
    with pytest.raises(TypeError, match="save the trained generator"):
        ganzoo.save(ganzoo.deploy(trained()), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("thing", [nn.Linear(2, 2), None, "stylegan2"])
def test_only_a_generator_is_deployed(thing):
    with pytest.raises(TypeError, match="deploy takes a Generator"):
        ganzoo.deploy(thing)


COMPILED = ["stylegan2", "mobilestylegan with residual"]  # between them, every block that folds


@pytest.mark.parametrize("network", thinned(NETWORKS, COMPILED))
def test_the_deploy_form_exports(network):
    deployed = ganzoo.deploy(trained(network))
    z = deployed.sample_z(1)
    assert_same_image(torch.export.export(deployed, (z,)).module()(z), deployed(z))


@pytest.mark.parametrize("network", thinned(NETWORKS, COMPILED[1:]))
def test_the_deploy_form_compiles(network):
    torch.compiler.reset()
    deployed = ganzoo.deploy(trained(network))
    z = deployed.sample_z(2)
    with torch.no_grad():
        compiled = torch.compile(deployed, backend="aot_eager", fullgraph=True)
        assert_same_image(compiled(z), deployed(z))
