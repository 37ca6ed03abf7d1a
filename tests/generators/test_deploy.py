import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import ganzoo
from ganzoo.blocks import CONVS, DEMODULATIONS, HEADS, KINDS, MAPPINGS, UPSAMPLERS
from ganzoo.blocks.conv import ModulatedConv
from ganzoo.blocks.demodulation import Demodulation
from ganzoo.blocks.head import AuxHead
from ganzoo.blocks.mapping import Mapping
from ganzoo.config import GeneratorConfig
from ganzoo.factory import build
from ganzoo.generators.deploy import subband_order
from ganzoo.ops.activation import ACTIVATIONS
from ganzoo.ops.equalized import EqualizedLinear

MOBILE = {
    "output": "wavelet",
    "upsampler": "idwt",
    "conv": "depthwise",
    "demodulation": "static",
    "head": "aux",
    "activation_gain": 1.0,
}
NETWORKS = {
    "stylegan2": {},
    "mobilestylegan": MOBILE,
    "stylegan2 with idwt": {"upsampler": "idwt"},
    "mobilestylegan with skip": {**MOBILE, "head": "skip"},
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tiny tensors are quicker on one thread, and ten times quicker where other processes want the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(network="stylegan2", seed=0, **settings):
    """A generator with no parameter left at 0 or 1, where it would hide a fault."""
    data = {**NETWORKS[network], "resolution": 16, "z_dim": 8, "w_dim": 8, **settings}
    data.setdefault("mapping", {"name": "mlp", "depth": 1})
    data.setdefault("channels", [8, 12, 16] if data.get("output", "pixel") == "pixel" else [8, 12])
    generator = build(GeneratorConfig.from_dict(data), seed)
    gaussian = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        generator.mapping.w_avg += torch.randn(8, generator=gaussian)
        for name, parameter in generator.named_parameters():
            if name.endswith(("strength", "bias", "style_inv")):
                parameter += 0.3 * torch.randn(parameter.shape, generator=gaussian)
    return generator


def assert_same_picture(got, expected):
    assert got.shape == expected.shape
    error = (got - expected).abs().max().item()
    assert error <= 1e-5 * max(1.0, expected.abs().max().item())


def assert_deploys(generator):
    deployed = ganzoo.deploy(generator)
    for n in (1, 3):
        z = generator.sample_z(n)
        assert_same_picture(deployed(z), generator(z))


@pytest.fixture(params=NETWORKS)
def network(request):
    return request.param


# The same pictures


@pytest.mark.parametrize("clamp", [0.3, 2.0, 256.0])
def test_a_clamp_survives(network, clamp):
    assert_deploys(trained(network, clamp=clamp))


@pytest.mark.parametrize("gain", [None, 0.5, math.sqrt(3)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_and_its_gain_survive(network, activation, gain):
    assert_deploys(trained(network, activation=activation, activation_gain=gain))


@pytest.mark.parametrize("activation", ["lrelu", "swish"])
def test_a_clamp_after_a_gain_survives(network, activation):
    assert_deploys(trained(network, activation=activation, activation_gain=2.0, clamp=0.5))


@pytest.mark.parametrize("width", [4, 8, 20, 36])
def test_any_width_of_subbands_survives(width):
    assert_deploys(trained("stylegan2 with idwt", channels=[width, 2 * width, 5]))


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("conv", ["full", "depthwise"])
def test_a_kernel_size_survives(network, conv, kernel_size):
    assert_deploys(trained(network, conv={"name": conv, "kernel_size": kernel_size}))


def test_the_taps_of_the_filters_survive():
    taps = [1.0, 2.0, 4.0, 1.0, 0.5]
    upsampler, head = {"name": "conv_transpose", "taps": taps}, {"name": "skip", "taps": taps}
    assert_deploys(trained(upsampler=upsampler, head=head))


@pytest.mark.parametrize("img_channels", [1, 4])
def test_a_number_of_channels_survives(network, img_channels):
    assert_deploys(trained(network, img_channels=img_channels))


def test_the_lowest_resolution_survives():
    assert_deploys(trained(resolution=4, channels=[6]))
    assert_deploys(trained("mobilestylegan", resolution=8, channels=[6]))


def test_labels_survive(network):
    generator = trained(network, label_dim=3)
    z, label = generator.sample_z(2), torch.eye(3)[1:]
    assert_same_picture(ganzoo.deploy(generator)(z, label), generator(z, label))


def test_truncation_survives(network):
    generator, truncation = trained(network), {"truncation_psi": 0.5, "truncation_cutoff": 3}
    z = generator.sample_z(2)
    assert_same_picture(ganzoo.deploy(generator)(z, **truncation), generator(z, **truncation))


@pytest.mark.parametrize("noise", ["const", "none", "random"])
def test_noise_survives(network, noise):
    generator = trained(network)
    w = torch.randn(2, generator.num_ws, 8)
    out, deployed = (
        synthesis(w, noise, torch.Generator().manual_seed(2))
        for synthesis in (generator.synthesis, ganzoo.deploy(generator).synthesis)
    )
    assert_same_picture(deployed.image, out.image)
    assert all(torch.equal(a, b) for a, b in zip(deployed.noise, out.noise, strict=True))


def test_noise_of_the_trained_generator_serves_the_deployed_one(network):
    generator = trained(network)
    w = torch.randn(2, generator.num_ws, 8)
    out = generator.synthesis(w, "random", torch.Generator().manual_seed(2))
    assert_same_picture(ganzoo.deploy(generator).synthesis(w, out.noise).image, out.image)


def test_double_precision_survives(network):
    generator = trained(network).double()
    z = generator.sample_z(2).double()
    torch.testing.assert_close(ganzoo.deploy(generator)(z), generator(z))


def test_a_deployed_generator_makes_the_same_picture_twice(network):
    deployed = ganzoo.deploy(trained(network))
    z = deployed.sample_z(1)
    assert torch.equal(deployed(z), deployed(z))


@pytest.mark.gpu
def test_a_gpu_makes_the_same_pictures(network):
    generator = trained(network).to("cuda")
    z = generator.sample_z(2).to("cuda")
    torch.testing.assert_close(ganzoo.deploy(generator)(z), generator(z), atol=1e-3, rtol=1e-3)


# What the deploy form is


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
    assert deployed.synthesis.layers[1].idwt.sorted
    assert deployed.synthesis.head.idwt.sorted


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
    with pytest.raises(TypeError, match="not DeployedGenerator"):
        ganzoo.deploy(ganzoo.deploy(trained()))


def test_a_deployed_generator_is_not_saved(tmp_path):
    with pytest.raises(TypeError, match="save the trained generator"):
        ganzoo.save(ganzoo.deploy(trained()), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("thing", [nn.Linear(2, 2), None, "stylegan2"])
def test_only_a_generator_is_deployed(thing):
    with pytest.raises(TypeError, match="deploy takes a Generator"):
        ganzoo.deploy(thing)


def test_the_deploy_form_exports(network):
    deployed = ganzoo.deploy(trained(network))
    z = deployed.sample_z(1)
    assert_same_picture(torch.export.export(deployed, (z,)).module()(z), deployed(z))


def test_the_deploy_form_compiles(network):
    torch.compiler.reset()
    deployed = ganzoo.deploy(trained(network))
    z = deployed.sample_z(2)
    with torch.no_grad():
        compiled = torch.compile(deployed, backend="aot_eager", fullgraph=True)
        assert_same_picture(compiled(z), deployed(z))


# Blocks of other packages


class ShiftedConv(ModulatedConv):
    """A convolution that this package does not know: one weight for every pair of channels, moved a pixel."""

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        demodulation: nn.Module,
        kernel_size: int = 3,
    ) -> None:
        super().__init__(
            in_channels=in_channels, out_channels=out_channels, w_dim=w_dim, demodulation=demodulation
        )
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        nn.init.normal_(self.weight, generator=generator)

    def convolve(self, x, *, transposed):
        x = torch.einsum("oi,nihw->nohw", self.weight, x)
        if transposed:
            return F.pad(F.interpolate(x, scale_factor=2.0), (0, 1, 0, 1))
        return F.pad(x, (1, 0, 0, 0))[..., :-1]

    def energy(self):
        return self.weight.square()


class NearestUpsampler(nn.Module):
    """Every pixel four times, then the level's convolution."""

    def __init__(self, *, in_channels: int, out_channels: int, w_dim: int, make_conv: object) -> None:
        super().__init__()
        self.conv = make_conv(in_channels, out_channels)

    def forward(self, x, w):
        return self.conv(F.interpolate(x, scale_factor=2.0), w)


class NegativeHead(AuxHead):
    """The last prediction with its colours turned round."""

    def pixels(self, prediction):
        return -super().pixels(prediction)


class WeightDemodulation(Demodulation):
    """Factors from the weights alone."""

    def __init__(self, *, in_channels: int) -> None:
        super().__init__()

    def forward(self, energy, style):
        return torch.rsqrt(energy.sum(dim=1) + 0.5)[None]


class AbsentDemodulation(Demodulation):
    """No factors, by another class than this package's."""

    def __init__(self, *, in_channels: int) -> None:
        super().__init__()

    def forward(self, energy, style):
        return None


class DirectMapping(Mapping):
    """One layer."""

    def __init__(self, *, z_dim: int, w_dim: int, num_ws: int, label_dim: int) -> None:
        super().__init__(z_dim=z_dim, w_dim=w_dim, num_ws=num_ws, label_dim=label_dim)
        self.layer = EqualizedLinear(z_dim, w_dim)

    def styles(self, z, label):
        return self.layer(z)


@pytest.fixture
def third_party():
    """Registers the blocks above for one test."""
    before = {kind: dict(registry._classes) for kind, registry in KINDS.items()}
    CONVS.register("shifted")(ShiftedConv)
    UPSAMPLERS.register("nearest")(NearestUpsampler)
    HEADS.register("negative")(NegativeHead)
    DEMODULATIONS.register("weight")(WeightDemodulation)
    DEMODULATIONS.register("absent")(AbsentDemodulation)
    MAPPINGS.register("direct")(DirectMapping)
    yield
    for kind, registry in KINDS.items():
        for name in set(registry._classes) - set(before[kind]):
            del registry._classes[name]


FOREIGN = [
    {"conv": "shifted"},
    {"upsampler": "nearest"},
    {"head": "negative"},
    {"mapping": "direct"},
    {"demodulation": "weight"},
    {"demodulation": "absent"},
]


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize("block", FOREIGN, ids=lambda block: next(iter(block.values())))
def test_a_block_of_another_package_survives_beside_any_of_ours(network, block):
    assert_deploys(trained(network, **block))


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize("upsampler", ["idwt", "conv_transpose"])
def test_all_blocks_of_another_package_survive_together(upsampler):
    assert_deploys(trained(upsampler=upsampler, conv="shifted", head="negative", mapping="direct"))


@pytest.mark.usefixtures("third_party")
def test_a_block_of_another_package_is_saved_and_loaded(tmp_path):
    generator = trained(conv="shifted", upsampler="nearest", head="negative", mapping="direct")
    ganzoo.save(generator, tmp_path)
    z = generator.sample_z(2)
    assert torch.equal(ganzoo.load(tmp_path)(z), generator(z))
