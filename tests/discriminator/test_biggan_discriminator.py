"""The discriminators of BigGAN and BigGAN-deep: shapes, gradients, modes, options, saved and loaded."""

import pytest
import torch

import ganzoo
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.models.factory import build
from ganzoo.ops.attention import SelfAttention
from ganzoo.ops.spectral import SpectralLayer

CASES = {
    "plain": {},
    "flat": {"last_side": 8, "flat": [12, 16], "attention": [0, 2]},
    "deep": {"deep": True, "depth": 2, "attention": [1]},
    "narrow middle": {"wide": False},
    "not normalised": {"spectral": False, "initial": "normal"},
}


def discriminator(*, label_dim=3, img_channels=3, channels=(16, 16, 12, 8), **options):
    config = DiscriminatorConfig.from_dict(
        {
            "resolution": 32,
            "channels": list(channels),
            "label_dim": label_dim,
            "img_channels": img_channels,
            "discriminator": {"name": "biggan", **options},
        }
    )
    network = build(config)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, SelfAttention):
                module.gamma.fill_(0.5)
    return network


def made(network, n=4):
    random = torch.Generator().manual_seed(1)
    images = torch.randn(n, network.img_channels, 32, 32, generator=random)
    label = torch.eye(network.label_dim)[torch.arange(n) % network.label_dim] if network.label_dim else None
    return images, label


@pytest.fixture(params=CASES)
def network(request):
    return discriminator(**CASES[request.param])


@pytest.mark.parametrize("label_dim", [0, 3])
@pytest.mark.parametrize("img_channels", [1, 4])
def test_every_image_gets_a_logit_of_its_own(label_dim, img_channels):
    network = discriminator(label_dim=label_dim, img_channels=img_channels)
    logits = network(*made(network))
    assert logits.shape == (4, 1) and len(logits.unique()) == 4


def test_a_logit_depends_on_its_image_alone(network):
    images, label = made(network)
    torch.testing.assert_close(network(images[1:2], label[1:2]), network(images, label)[1:2])


def test_every_weight_learns(network):
    images, label = made(network)
    network.train()(images, label).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_the_label_meets_the_features_as_an_inner_product():
    network = discriminator()
    images, _ = made(network, 1)
    with torch.no_grad():
        of_classes = [network(images, torch.eye(3)[i : i + 1]) for i in range(3)]
        mixed = network(images, torch.tensor([[0.2, 0.3, 0.5]]))
    expected = 0.2 * of_classes[0] + 0.3 * of_classes[1] + 0.5 * of_classes[2]
    torch.testing.assert_close(mixed, expected)
    assert len({x.item() for x in of_classes}) == 3


def test_power_vectors_follow_in_train_mode_alone(network):
    images, label = made(network)
    with torch.no_grad():  # whose rows are orthonormal at first: all singular values are 1
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    vectors = [m.u for m in network.modules() if isinstance(m, SpectralLayer) and m.u is not None]
    before = [u.clone() for u in vectors]
    with torch.no_grad():
        network(images, label)
        assert all(torch.equal(*pair) for pair in zip(vectors, before, strict=True))
        network.train()(images, label)
    assert not any(torch.equal(a, b) for a, b in zip(vectors, before, strict=True) if len(a) > 1)


def test_hidden_features_are_those_of_so_many_levels():
    network = discriminator(last_side=8, flat=[12])
    images, _ = made(network, 1)
    assert [network.hidden(images, n).shape[1:] for n in (1, 2, 3)] == [(12, 16, 16), (16, 8, 8), (12, 8, 8)]
    with pytest.raises(ValueError, match="levels is a whole number from 1 to 3"):
        network.hidden(images, 4)


def test_a_saved_discriminator_loads_as_it_was(network, tmp_path):
    ganzoo.save(network, tmp_path)
    loaded = ganzoo.load(tmp_path)
    assert type(loaded) is Discriminator and loaded.config == network.config
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    torch.testing.assert_close(loaded(*made(network)), network(*made(network)))


def test_a_penalty_on_its_slope_can_be_minimised(network):
    images, label = made(network, 2)
    images.requires_grad_()
    (slope,) = torch.autograd.grad(network(images, label).sum(), images, create_graph=True)
    slope.square().sum().backward()
    assert network.network.out.weight.grad.any()


def test_a_deep_block_keeps_the_channels_it_has_and_adds_the_others():
    network = discriminator(label_dim=0, deep=True, spectral=False)
    block = network.network.levels[0][0]
    for name in ("conv3", "shortcut"):
        torch.nn.init.zeros_(getattr(block, name).weight)
    x = torch.randn(1, 8, 4, 4)
    torch.testing.assert_close(block(x)[:, :8], torch.nn.functional.avg_pool2d(x, 2))
    assert not block(x)[:, 8:].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"last_side": 6}, "last_side is a power of two from 4 to 16; got 6"),
        ({"last_side": 32}, "last_side is a power of two from 4 to 16; got 32"),
        ({"last_side": 0}, "last_side is a power of two from 4 to 16; got 0"),
        ({"flat": [0]}, "flat holds widths of at least 1"),
        ({"attention": [3]}, r"attention holds numbers of levels, 0 to 2; got \[3\]"),
        ({"depth": 0}, r"discriminator.depth"),
        ({"deep": True, "channels": (8, 12, 16, 8)}, "no narrower .* from 16 to 12 channels"),
        ({"initial": "orthogonl"}, "orthogonal"),
    ],
)
def test_an_option_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        discriminator(**options)
