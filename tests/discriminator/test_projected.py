"""The projected discriminator: what it sees, what learns of it, and what it says."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import ganzoo
from ganzoo.blocks.projected import SpectralConv
from ganzoo.generators.discriminator import DiscriminatorConfig
from ganzoo.models.factory import build
from ganzoo.system.images import to_rgb

WIDTHS = (3, 5, 4)


class Eyes(nn.Module):
    """Three random convolutions at the strides 4, 8 and 16."""

    def __init__(self):
        super().__init__()
        random = torch.Generator().manual_seed(0)
        widths = zip((3, *WIDTHS), WIDTHS, (4, 2, 2), strict=False)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, k, stride=k) for a, b, k in widths)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=random))
        self.eval().requires_grad_(False)

    def maps(self, pixels):
        x, found = pixels / 127.5 - 1, []
        for conv in self.convs:
            x = conv(x).tanh()
            found.append(x)
        return found


def projected(resolution=32, *, label_dim=0, img_channels=3, eyes=True, seed=0, **options):
    options = {"maps": WIDTHS, "size": 64, "width": 4, **options}
    config = DiscriminatorConfig.from_dict(
        {
            "resolution": resolution,
            "channel_base": 64,
            "channel_max": 8,
            "label_dim": label_dim,
            "img_channels": img_channels,
            "discriminator": {"name": "projected", **options},
        }
    )
    network = build(config, seed)
    if eyes:
        network.look_through(Eyes())
    return network


def pictures(n=4, channels=3, side=32):
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


LABELS = torch.eye(3)[[0, 1, 2, 0]]


@pytest.mark.parametrize("separable", [True, False])
def test_every_place_of_every_scale_gets_a_logit(separable):
    logits = projected(separable=separable)(pictures())
    assert logits.shape == (4, 25 + 25 + 25)  # 32, 16 and 8 pixels, brought to 8, then to 5
    assert torch.isfinite(logits).all() and len(logits.unique()) == logits.numel()


def test_at_the_papers_size_there_are_as_many_convolutions_as_in_the_paper():
    network = projected(resolution=256, eyes=False, maps=[24, 40, 112, 320], size=None, width=64).network
    assert [len(level.downs) for level in network.levels] == [4, 3, 2, 1]
    widths = [[down.weight.shape[0] for down in level.downs] for level in network.levels]
    assert widths == [[64, 128, 256, 512], [128, 256, 512], [256, 512], [512]]
    assert [level.out.weight.shape[1:] for level in network.levels] == [(512, 4, 4)] * 4
    mixed = [conv.weight.shape[:2] for conv in network.across_channels]
    assert mixed == [(64, 24), (128, 40), (256, 112), (512, 320)]
    assert [conv.weight.shape[:2] for conv in network.across_scales] == [
        (64, 64),
        (64, 128),
        (128, 256),
        (256, 512),
    ]


@pytest.mark.parametrize(("resolution", "size"), [(32, 224), (224 + 32, 256), (512, 512)])
def test_images_are_seen_at_224_pixels_or_more(resolution, size):
    assert projected(resolution=resolution, eyes=False, size=None).network.size == size


def test_the_projection_is_that_of_the_paper():
    """Added from coarse to fine, doubled, and then mixed."""
    network = projected().network
    images = pictures()
    maps = network.seen.maps(F.interpolate(images, size=(64, 64), mode="bilinear") * 127.5 + 127.5)
    below = None
    for i in (2, 1, 0):
        across = network.across_channels[i], network.across_scales[i]
        x = F.conv2d(maps[i], across[0].weight, across[0].bias)
        x = x if below is None else x + below
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        below = F.conv2d(x, across[1].weight, across[1].bias)
        torch.testing.assert_close(network.projected(images)[i], below, atol=1e-4, rtol=1e-4)


def test_only_the_small_discriminators_learn():
    network = projected(label_dim=3)
    images = pictures().requires_grad_()
    network(images, LABELS).square().mean().backward()
    assert images.grad.any()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
    names = {name for name, _ in network.named_parameters()}
    assert names and all(name.startswith("network.levels.") for name in names)
    assert not any(p.requires_grad or p.grad is not None for p in network.seen.parameters())


def test_the_feature_network_is_not_saved_and_the_projection_is(tmp_path):
    network = projected()
    names = set(network.state_dict())
    assert not any("convs" in name for name in names)
    assert {"network.across_channels.0.weight", "network.across_scales.2.bias"} <= names
    ganzoo.save(network, tmp_path)
    loaded = ganzoo.load(tmp_path)
    assert loaded.features == "efficientnet_lite0" and loaded.seen is None
    loaded.look_through(network.seen)
    assert torch.equal(loaded(pictures()), network(pictures()))


def test_another_seed_is_another_projection():
    first, again, other = (projected(seed=seed).network.across_scales[1].weight for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_forward_pass_changes_nothing_and_a_step_follows_the_weights():
    network = projected()
    before = copy.deepcopy(network.state_dict())
    network.train()(pictures())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    network.after_step()
    changed = {n.rpartition(".")[2] for n, x in network.state_dict().items() if not torch.equal(x, before[n])}
    assert changed == {"left", "right"}


@pytest.mark.parametrize("groups", [1, 6])
def test_weights_are_divided_by_their_largest_singular_value(groups):
    conv = SpectralConv(6, 6, 3, padding=1, groups=groups)
    with torch.no_grad():
        conv.weight.normal_()
        conv.iterate(200)
    expected = conv.weight / torch.linalg.matrix_norm(conv.weight.flatten(1), ord=2)
    x = torch.randn(2, 6, 5, 5)
    torch.testing.assert_close(conv(x), F.conv2d(x, expected, padding=1, groups=groups))


def test_the_slope_is_that_of_the_normalised_weight():
    conv = SpectralConv(2, 3, 1).double()
    conv.iterate(500)
    x = torch.randn(1, 2, 2, 2, dtype=torch.double)
    (slope,) = torch.autograd.grad(conv(x).square().sum(), conv.weight)
    weight = conv.weight.detach().clone().requires_grad_()
    exact = F.conv2d(x, weight / torch.linalg.matrix_norm(weight.flatten(1), ord=2)).square().sum()
    torch.testing.assert_close(slope, torch.autograd.grad(exact, weight)[0])


def test_a_conditional_logit_is_the_product_with_the_embedded_label():
    network = projected(label_dim=3)
    level, seen = network.network.levels[0], {}
    level.out.register_forward_hook(lambda module, inputs, out: seen.update(x=out))
    logits = network(pictures(), LABELS)[:, :25]
    embed = level.embed
    rows = F.leaky_relu(F.linear(embed.table[[0, 1, 2, 0]], embed.weight, embed.bias), 0.2)
    expected = torch.einsum("nchw,nc->nhw", seen["x"], rows).flatten(1) / math.sqrt(64)
    torch.testing.assert_close(logits, expected)
    assert not torch.allclose(logits, network(pictures(), LABELS.roll(1, dims=0))[:, :25])


@pytest.mark.parametrize("channels", [1, 4])
def test_images_of_other_channels_are_seen_in_color(channels):
    images = pictures(channels=channels)
    own = projected(img_channels=channels)
    assert torch.equal(own(images), projected()(to_rgb(images)))


def test_half_precision_gives_nearly_the_same_logits():
    network, images = projected(separable=False), pictures().requires_grad_()
    expected = network(images)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(images)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.1, rtol=0.1)
    found.float().mean().backward()
    assert torch.isfinite(images.grad).all()


@pytest.mark.parametrize("size", [32, 96])
def test_other_sizes_are_seen(size):
    logits = projected(size=size)(pictures())
    assert logits.shape[0] == 4 and torch.isfinite(logits).all()


def test_larger_images_are_shrunk_without_aliases():
    images = pictures(side=64)
    small = F.interpolate(images, size=(32, 32), mode="bilinear", antialias=True)
    torch.testing.assert_close(projected(64, size=32)(images), projected(32, size=32)(small))


@pytest.mark.parametrize("number", [1, 2])
def test_a_batch_of_any_number_is_judged(number):
    assert torch.isfinite(projected(size=32)(pictures(number))).all()


def test_without_its_network_it_says_what_to_do():
    with pytest.raises(ValueError, match=r"look_through with what load_features\('efficientnet_lite0'\)"):
        projected(eyes=False)(pictures())


def test_maps_of_other_widths_are_named():
    with pytest.raises(ValueError, match=r"have the widths \[3, 5, 4\]"):
        projected(maps=[3, 5, 6])(pictures())


@pytest.mark.parametrize(
    "options", [{"size": 60}, {"size": 0}, {"size": 4096}, {"width": 0}, {"maps": []}, {"maps": [0]}], ids=str
)
def test_an_option_out_of_range_is_refused(options):
    with pytest.raises(ValueError, match=rf"discriminator\.{next(iter(options))}"):
        projected(**options)


def test_it_gives_no_hidden_features():
    with pytest.raises(ValueError, match="gives no hidden features"):
        projected().hidden(pictures(), 1)


def test_images_of_two_channels_are_refused():
    with pytest.raises(ValueError, match="these have 2"):
        projected(img_channels=2)


def test_a_discriminator_of_images_takes_no_network():
    config = DiscriminatorConfig.from_dict({"resolution": 8, "channels": [4, 4]})
    network = build(config)
    assert network.features is None and network.seen is None
    with pytest.raises(ValueError, match="judges images"):
        network.look_through(Eyes())
    network.after_step()
