"""The discriminator in its three forms: calls, gradients, widths, options."""

import math

import pytest
import torch
import torch.nn.functional as F
from covering import crossed
from discriminator_helpers import (
    ARCHITECTURES,
    DEVIATIONS,
    LABELS,
    NETWORKS,
    config,
    discriminator,
    make_images,
)

import ganzoo
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.empty import empty
from ganzoo.ops.activation import ACTIVATIONS


@pytest.fixture(params=NETWORKS, ids=str)
def network(request):
    architecture, label_dim, deviation = request.param
    return discriminator(architecture=architecture, label_dim=label_dim, **DEVIATIONS[deviation])


@pytest.fixture(params=ARCHITECTURES)
def architecture(request):
    return request.param


# Every form


def test_a_discriminator_gives_a_logit_for_every_image(network):
    logits = network(*make_images(network))
    assert logits.shape == (4, 1)
    assert torch.isfinite(logits).all()
    assert len(logits.unique()) == 4


def test_the_gradient_penalty_gives_every_weight_before_the_bias_a_gradient(network):
    images, *label = make_images(network)
    images.requires_grad_()
    logits = network(images, *label)
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    assert slope.any()
    (F.softplus(-logits).mean() + slope.square().sum(dim=(1, 2, 3)).mean()).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.any(), key


def test_the_gradient_penalty_alone_can_be_minimised(network):
    images, *label = make_images(network)
    images.requires_grad_()
    (slope,) = torch.autograd.grad(network(images, *label).sum(), images, create_graph=True)
    slope.square().sum().backward()
    last = network.network.out.weight
    assert torch.isfinite(last.grad).all() and last.grad.any()


def test_a_saved_discriminator_loads_bit_for_bit(network, tmp_path):
    ganzoo.save(network, tmp_path)
    loaded = ganzoo.load(tmp_path)
    assert type(loaded) is Discriminator and loaded.config == network.config
    assert loaded.state_dict().keys() == network.state_dict().keys()
    for key, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor), key
    inputs = make_images(network)
    assert torch.equal(loaded(*inputs), network(*inputs))


@pytest.mark.parametrize("case", crossed(ARCHITECTURES, LABELS, t=1), ids=str)
def test_a_discriminator_compiles_without_a_graph_break(case):
    torch.compiler.reset()
    architecture, label_dim = case
    network = discriminator(architecture=architecture, label_dim=label_dim, resolution=8, channels=[8, 12])
    inputs = make_images(network)
    with torch.no_grad():
        compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(*inputs), network(*inputs))


@pytest.mark.parametrize("case", crossed(ARCHITECTURES, LABELS, t=1), ids=str)
def test_a_discriminator_exports(case):
    architecture, label_dim = case
    network = discriminator(architecture=architecture, label_dim=label_dim, resolution=8, channels=[8, 12])
    inputs = make_images(network)
    exported = torch.export.export(network, inputs).module()
    torch.testing.assert_close(exported(*inputs), network(*inputs))


# Sizes


def test_the_discriminator_of_1024_has_the_published_number_of_parameters():
    published = DiscriminatorConfig.from_dict({"resolution": 1024, "channel_base": 32768, "channel_max": 512})
    assert sum(p.numel() for p in empty(published).parameters()) == 29_012_513


@pytest.mark.parametrize("resolution", [4, 8, 32])
def test_a_discriminator_takes_any_resolution(architecture, resolution):
    levels = resolution.bit_length() - 2
    network = discriminator(architecture=architecture, resolution=resolution, channels=[4] * levels)
    assert network(*make_images(network)).shape == (4, 1)


@pytest.mark.parametrize("img_channels", [1, 4])
def test_a_discriminator_takes_other_numbers_of_channels(architecture, img_channels):
    network = discriminator(architecture=architecture, img_channels=img_channels)
    assert network(*make_images(network)).shape == (4, 1)


@pytest.mark.parametrize("taps", [[1.0], [1.0, 1.0], [1.0, 2.0, 1.0], [1.0] * 7], ids=len)
def test_any_filter_halves_the_size(architecture, taps):
    network = discriminator(architecture=architecture, taps=taps)
    assert network(*make_images(network)).shape == (4, 1)


def test_the_skip_form_sees_the_image_at_every_level_the_others_at_the_last():
    levels = {a: set(discriminator(architecture=a).network.from_image) for a in ARCHITECTURES}
    assert levels == {"resnet": {"2"}, "skip": {"0", "1", "2"}, "orig": {"2"}}


def test_the_resnet_form_alone_has_paths_around_its_levels():
    names = {a: discriminator(architecture=a).state_dict() for a in ARCHITECTURES}
    paths = {a: any(".shortcut." in name for name in keys) for a, keys in names.items()}
    assert paths == {"resnet": True, "skip": False, "orig": False}


# What the options do


def test_a_conditional_logit_is_the_projection_of_the_features_on_the_mapped_label():
    network = discriminator(label_dim=3, projection_dim=5)
    images, label = make_images(network)
    seen = {}
    network.network.out.register_forward_hook(lambda module, inputs, out: seen.update(features=out))
    logits = network(images, label)
    mapped = network.network.mapping(label)
    assert mapped.shape == (4, 5)
    expected = (seen["features"] * mapped).sum(dim=1, keepdim=True) / math.sqrt(5)
    torch.testing.assert_close(logits, expected)


@pytest.mark.parametrize("mapping_depth", [0, 1, 3])
def test_a_conditional_discriminator_heeds_its_label(architecture, mapping_depth):
    network = discriminator(architecture=architecture, label_dim=3, mapping_depth=mapping_depth)
    images, label = make_images(network)
    assert len(network.network.mapping.layers) == mapping_depth
    assert not torch.allclose(network(images, label), network(images, label.roll(1, dims=1)))


def test_without_mapping_layers_the_features_meet_the_normalised_embedding():
    network = discriminator(label_dim=3, mapping_depth=0)
    mapping, label = network.network.mapping, torch.eye(3)
    embedded = mapping.embed(label)
    expected = embedded / (embedded.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    torch.testing.assert_close(mapping(label), expected)


def test_the_options_of_the_labels_mapping_are_its_widths():
    network = discriminator(
        label_dim=3, mapping_depth=3, mapping_features=7, embed_features=5, projection_dim=9
    )
    mapping = network.network.mapping
    assert mapping.embed.weight.shape == (5, 3)
    assert [tuple(layer.weight.shape) for layer in mapping.layers] == [(7, 5), (7, 7), (9, 7)]
    assert network.network.out.weight.shape == (9, 8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_any_activation_gives_finite_logits(activation):
    network = discriminator(activation=activation)
    assert torch.isfinite(network(*make_images(network))).all()


def test_the_activation_changes_the_logits():
    inputs = make_images(discriminator())
    assert not torch.allclose(discriminator(activation="relu")(*inputs), discriminator()(*inputs))


def test_a_clamp_limits_every_convolution_but_what_joins_at_the_end():
    network = discriminator(architecture="skip", clamp=0.125)
    largest = {}

    def note(key):
        return lambda module, inputs, out: largest.update({key: out.abs().max().item()})

    for key, module in network.network.named_modules():
        if type(module).__name__ == "ConvLayer":
            module.register_forward_hook(note(key))
    images = 100 * make_images(network)[0]
    network(images)
    assert largest.pop("from_image.0") > 1
    assert set(largest.values()) == {0.125} and len(largest) == 7


def test_a_level_of_the_resnet_form_is_the_scaled_sum_of_both_paths():
    level = discriminator().network.levels["2"]
    x = torch.randn(2, 6, 16, 16)
    expected = (level.shortcut(x) + level.conv1(level.conv0(x))) * math.sqrt(0.5)
    torch.testing.assert_close(level(x), expected)
    assert level(x).shape == (2, 12, 8, 8)


def test_hidden_features_are_those_that_the_logit_is_made_of(architecture):
    network = discriminator(architecture=architecture)
    images, seen = make_images(network)[0], {}
    network.network.conv.register_forward_hook(lambda module, inputs, out: seen.update(x=inputs[0]))
    network(images)
    assert torch.equal(network.hidden(images, 2), seen["x"][:, :8])
    assert network.hidden(images, 1).shape == (4, 12, 8, 8)


@pytest.mark.parametrize("levels", [0, 3])
def test_there_are_no_more_hidden_features_than_levels(levels):
    network = discriminator()
    with pytest.raises(ValueError, match="from 1 to 2"):
        network.hidden(make_images(network)[0], levels)


# Refusals

BAD_OPTIONS = {
    "architecture": ["fancy", None],
    "activation": ["lrelo"],
    "clamp": [0.0, -1.0, float("nan")],
    "taps": [[], [1.0, -1.0], [1.0] * 33],
    "mbstd_group_size": [0, -1, 2.5],
    "mbstd_num_channels": [3, -1, 9],
    "projection_dim": [0, -1, 10**9],
    "mapping_depth": [-1, 65],
    "mapping_lr_multiplier": [0.0, -1.0],
    "mapping_activation": ["lrelo"],
    "mapping_features": [0, -1, 10**9],
    "embed_features": [0, -1, 8193, 10**9],
    "_target_": ["os.system"],
    "resolution_": [8],
}


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in BAD_OPTIONS.items() for value in values]
)
def test_an_option_out_of_range_is_refused_before_memory_is_taken(option, value):
    with pytest.raises(ValueError, match=r"\w"):
        empty(config(**{"label_dim": 3, "mapping_depth": 2, option: value}))


def test_without_mapping_layers_the_embedding_is_as_wide_as_the_projection():
    with pytest.raises(ValueError, match="embed_features"):
        empty(config(label_dim=3, mapping_depth=0, projection_dim=5, embed_features=7))


@pytest.mark.parametrize(
    "shape", [[4, 3, 8, 8], [4, 3, 16, 8], [4, 1, 16, 16], [3, 16, 16], [1, 4, 3, 16, 16], [4]], ids=str
)
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="Images have shape"):
        discriminator()(torch.zeros(shape))


@pytest.mark.parametrize("shape", [[4, 2], [3, 3], [4], [4, 3, 1]], ids=str)
def test_labels_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"label has shape \[4, 3\]"):
        discriminator(label_dim=3)(torch.zeros(4, 3, 16, 16), torch.zeros(shape))


def test_a_missing_label_is_refused():
    with pytest.raises(ValueError, match=r"needs a label \[N, 3\]"):
        discriminator(label_dim=3)(torch.zeros(4, 3, 16, 16))


def test_a_label_that_nobody_asked_for_is_refused():
    with pytest.raises(ValueError, match="takes no label"):
        discriminator()(torch.zeros(4, 3, 16, 16), torch.zeros(4, 3))


def test_a_discriminator_is_in_eval_mode_and_trainable():
    network = discriminator()
    assert not network.training
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_double_precision_is_the_callers_choice(architecture):
    network = discriminator(architecture=architecture)
    expected = network(*make_images(network))
    got = network.double()(make_images(network)[0].double())
    assert got.dtype == torch.float64
    torch.testing.assert_close(got.float(), expected, atol=1e-4, rtol=1e-4)
