"""Mapping networks: what every one does, and the options of the fully connected one."""

import pytest
import torch
from block_helpers import NUM_WS, W_DIM, Z_DIM, assert_batch_independent, mapping
from helpers import assert_same_image, tiny_config, trained

import ganzoo
from ganzoo.blocks import MAPPINGS, MappingNetwork
from ganzoo.ops.activation import ACTIVATIONS, bias_act

# Those that give one w for all rows
ALIKE = [name for name, made in MAPPINGS.classes().items() if made.rows is MappingNetwork.rows]


@pytest.mark.parametrize("name", ALIKE)
def test_a_mapping_gives_a_row_for_every_layer(name):
    w = mapping(name)(torch.randn(3, Z_DIM))
    assert w.shape == (3, NUM_WS, W_DIM)
    assert torch.equal(w, w[:, :1].expand_as(w))


@pytest.mark.parametrize("name", ALIKE)
def test_a_mapping_takes_every_sample_by_itself(name):
    assert_batch_independent(mapping(name), torch.randn(3, Z_DIM))


@pytest.mark.parametrize("name", ALIKE)
def test_a_conditional_mapping_heeds_its_label(name):
    block, z, labels = mapping(name, label_dim=3), torch.randn(1, Z_DIM), torch.eye(3)
    assert not torch.allclose(block(z, labels[:1]), block(z, labels[1:2]))


@pytest.mark.parametrize("name", ALIKE)
def test_a_mapping_saves_its_mean_style_which_starts_at_zero(name):
    assert torch.equal(mapping(name).state_dict()["w_avg"], torch.zeros(W_DIM))


@pytest.mark.parametrize("label_dim", [0, 3])
@pytest.mark.parametrize("name", ALIKE)
def test_the_estimated_mean_style_is_that_of_many_samples_and_depends_on_the_seed_alone(name, label_dim):
    block = mapping(name, label_dim)
    mean = block.estimate_w_avg(2000, seed=1)
    assert torch.equal(mean, block.estimate_w_avg(2000, seed=1))
    labels = torch.eye(label_dim)[torch.arange(6000) % label_dim] if label_dim else None
    w = block(torch.randn(6000, Z_DIM, generator=torch.Generator().manual_seed(9)), labels)[:, 0]
    assert ((mean - w.mean(dim=0)).abs() < 0.15 * w.std(dim=0)).all()


# The fully connected one


@pytest.mark.parametrize(
    "options", [{"depth": 0}, {"depth": 65}, {"lr_multiplier": 0.0}, {"lr_multiplier": -1.0}]
)
def test_an_mlp_of_impossible_depth_or_learning_rate_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        mapping({"name": "mlp", **options})


def test_an_mlp_has_as_many_layers_as_its_depth():
    assert len(mapping({"name": "mlp", "depth": 3}).layers) == 3


def test_an_mlp_ignores_the_length_of_z():
    block, z = mapping("mlp"), torch.randn(2, Z_DIM)
    torch.testing.assert_close(block(z), block(7 * z))


def mlp(label_dim=0, **options):
    return mapping({"name": "mlp", **options}, label_dim)


def shapes(block):
    return [tuple(layer.weight.shape) for layer in block.layers]


def test_layer_features_is_the_width_of_all_layers_but_the_last():
    assert shapes(mlp(depth=3, layer_features=11)) == [(11, Z_DIM), (11, 11), (W_DIM, 11)]
    assert shapes(mlp(depth=3)) == [(W_DIM, Z_DIM), (W_DIM, W_DIM), (W_DIM, W_DIM)]


def test_layer_features_leave_an_mlp_of_one_layer_as_it_is():
    assert shapes(mlp(depth=1, layer_features=11)) == [(W_DIM, Z_DIM)]


def test_embed_features_is_the_width_of_the_embedded_label():
    block = mlp(label_dim=3, embed_features=9)
    assert block.embed.weight.shape == (9, 3)
    assert block.layers[0].weight.shape == (W_DIM, Z_DIM + 9)


def test_without_embed_features_the_label_is_embedded_as_wide_as_w():
    assert mlp(label_dim=3).embed.weight.shape == (W_DIM, 3)


def test_an_unconditional_mlp_embeds_nothing():
    block = mlp(embed_features=9)
    assert block.embed is None
    assert block.layers[0].weight.shape == (W_DIM, Z_DIM)


@pytest.mark.parametrize("options", [{"layer_features": 11}, {"embed_features": 9}])
def test_an_mlp_of_other_widths_gives_styles_that_heed_latent_and_label(options):
    block, z, labels = mlp(label_dim=3, **options), torch.randn(2, Z_DIM), torch.eye(3)
    w = block(z, labels[:2])
    assert w.shape == (2, NUM_WS, W_DIM)
    assert not torch.allclose(block(z.flip(0), labels[:2]), w)
    assert not torch.allclose(block(z, labels[1:]), w)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_layer_of_an_mlp_has_the_activation_of_the_option(activation):
    block, z = mlp(depth=2, activation=activation), torch.randn(2, Z_DIM)
    x = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
    for layer in block.layers:
        x = bias_act(layer(x), activation=activation)
    torch.testing.assert_close(block(z)[:, 0], x)


def test_a_label_without_activation_is_normalised_and_put_behind_the_latent():
    block, z, label = mlp(label_dim=3, depth=1, embed_features=9), torch.randn(2, Z_DIM), torch.eye(3)[:2]
    unit = [x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8) for x in (z, block.embed(label))]
    expected = bias_act(block.layers[0](torch.cat(unit, dim=1)))
    torch.testing.assert_close(block(z, label)[:, 0], expected)


@pytest.mark.parametrize("width", [0, -1, 8193, 10**9])
@pytest.mark.parametrize("option", ["layer_features", "embed_features"])
def test_a_width_out_of_range_is_refused(option, width):
    with torch.device("meta"), pytest.raises(ValueError, match="8192"):
        mlp(label_dim=3, **{option: width})


@pytest.mark.parametrize("value", [2.5, "64", True, [4]])
@pytest.mark.parametrize("option", ["layer_features", "embed_features"])
def test_a_width_that_is_no_whole_number_is_refused(option, value):
    with pytest.raises(ValueError, match=f"mapping.{option}"):
        mlp(label_dim=3, **{option: value})


def test_an_unknown_activation_is_refused_with_one_near_match():
    with pytest.raises(ValueError, match=r"Unknown activation: 'lrelo'\. Did you mean 'lrelu'\?"):
        mlp(activation="lrelo")


@pytest.mark.parametrize(
    "options", [{"layer_features": 11}, {"embed_features": 9}, {"activation": "tanh"}], ids=str
)
def test_the_options_are_saved_and_loaded(options, tmp_path):
    mapping = {"name": "mlp", "depth": 2, **options}
    generator = trained(tiny_config(resolution=8, label_dim=3, mapping=mapping))
    ganzoo.save(generator, tmp_path)
    loaded = ganzoo.load(tmp_path)
    assert options.items() <= loaded.config.mapping.items()
    z, label = generator.sample_z(2), torch.eye(3)[:2]
    assert torch.equal(loaded(z, label), generator(z, label))


@pytest.mark.parametrize(
    "options", [{"layer_features": 11}, {"embed_features": 9}, {"activation": "swish"}], ids=str
)
def test_the_options_change_no_deployed_image(options):
    mapping = {"name": "mlp", "depth": 2, **options}
    generator = trained(tiny_config(resolution=8, label_dim=3, mapping=mapping))
    z, label = generator.sample_z(2), torch.eye(3)[:2]
    assert_same_image(ganzoo.deploy(generator)(z, label), generator(z, label))
