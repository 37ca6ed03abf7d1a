"""Blocks of other packages survive the deployment, folded where they say how."""

import pytest
import torch
import torch.nn.functional as F
from covering import crossed
from deploy_helpers import NETWORKS, assert_deploys, trained
from torch import nn

import ganzoo
from ganzoo.blocks import (
    CONVS,
    DEMODULATIONS,
    HEADS,
    MAPPINGS,
    SHORTCUTS,
    UPSAMPLERS,
    FullConv,
    StyledLayer,
)
from ganzoo.blocks.conv import ModulatedConv
from ganzoo.blocks.demodulation import Demodulation
from ganzoo.blocks.head import AuxHead
from ganzoo.blocks.mapping import MappingNetwork
from ganzoo.blocks.shortcut import Shortcut
from ganzoo.blocks.upsampler import Upsampler
from ganzoo.ops.equalized import EqualizedLinear


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

    def weights(self):
        return (self.weight,)

    def convolve(self, x, weights, bias=None, *, transposed):
        x = torch.einsum("oi,nihw->nohw", weights[0], x)
        if transposed:
            x = F.pad(F.interpolate(x, scale_factor=2.0), (0, 1, 0, 1))
        else:
            x = F.pad(x, (1, 0, 0, 0))[..., :-1]
        return x if bias is None else x + bias[:, None, None]

    def energy(self):
        return self.weight.square()


class NearestUpsampler(Upsampler):
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


class DirectMapping(MappingNetwork):
    """One layer."""

    def __init__(self, *, z_dim: int, w_dim: int, num_ws: int, label_dim: int) -> None:
        super().__init__(z_dim=z_dim, w_dim=w_dim, num_ws=num_ws, label_dim=label_dim)
        self.layer = EqualizedLinear(z_dim, w_dim)

    def w(self, z, label):
        return self.layer(z)


class MeanShortcut(Shortcut):
    """A path that carries the channels' mean."""

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels)

    def forward(self, below, x):
        weights = torch.linspace(0, 1, below.shape[1])[:, None, None]  # tells the channels apart
        return x + F.interpolate((below * weights).mean(dim=1, keepdim=True), scale_factor=2.0)


@pytest.fixture
def third_party(blocks_of_this_test):
    """Registers the blocks above for one test."""
    CONVS.register("shifted")(ShiftedConv)
    UPSAMPLERS.register("interpolated")(NearestUpsampler)
    HEADS.register("negative")(NegativeHead)
    DEMODULATIONS.register("weight")(WeightDemodulation)
    DEMODULATIONS.register("absent")(AbsentDemodulation)
    MAPPINGS.register("direct")(DirectMapping)
    SHORTCUTS.register("mean")(MeanShortcut)


FOREIGN = {
    "shifted": "conv",
    "interpolated": "upsampler",
    "negative": "head",
    "direct": "mapping",
    "weight": "demodulation",
    "absent": "demodulation",
    "mean": "shortcut",
}


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize("case", crossed(NETWORKS, [*FOREIGN], t=1), ids="-".join)
def test_a_block_of_another_package_survives_beside_any_of_ours(case):
    network, block = case
    assert_deploys(trained(network, **{FOREIGN[block]: block}))


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize("upsampler", ["idwt", "conv_transpose"])
def test_all_blocks_of_another_package_survive_together(upsampler):
    assert_deploys(trained(upsampler=upsampler, conv="shifted", head="negative", mapping="direct"))


@pytest.mark.usefixtures("third_party")
def test_a_block_of_another_package_is_saved_and_loaded(tmp_path):
    generator = trained(conv="shifted", upsampler="interpolated", head="negative", mapping="direct")
    ganzoo.save(generator, tmp_path)
    z = generator.sample_z(2)
    assert torch.equal(ganzoo.load(tmp_path)(z), generator(z))


class LoudConv(FullConv):
    """Computes in another way than its base class, whose folded form would give other images."""

    def forward(self, x, w, *, transposed=False):
        return 2 * super().forward(x, w, transposed=transposed)


class CoarseConv(FullConv):
    """Another convolution of the same weights."""

    def convolve(self, x, weights, bias=None, *, transposed):
        if transposed:
            return super().convolve(x, weights, bias, transposed=True)
        return F.conv2d(x, weights[0], bias, padding=2, dilation=2)


@pytest.fixture
def more_convs(third_party):
    CONVS.register("loud")(LoudConv)
    CONVS.register("coarse")(CoarseConv)


@pytest.mark.usefixtures("more_convs")
@pytest.mark.parametrize("conv", ["shifted", "coarse"])
def test_a_convolution_of_another_package_folds_like_ours(network, conv):
    generator = trained(network, conv=conv)
    assert_deploys(generator)
    deployed = ganzoo.deploy(generator)
    assert not [m for m in deployed.modules() if isinstance(m, EqualizedLinear | StyledLayer)]


@pytest.mark.usefixtures("more_convs")
def test_a_convolution_that_overrides_forward_is_not_folded(network):
    generator = trained(network, conv="loud")
    assert_deploys(generator)
    assert [m for m in ganzoo.deploy(generator).modules() if isinstance(m, LoudConv)]
