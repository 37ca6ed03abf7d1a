import json
from dataclasses import FrozenInstanceError, fields

import pytest

from ganzoo.blocks import GENERATOR_KINDS, KINDS
from ganzoo.generators.config import MAX_LABELS, MAX_WIDTH, GeneratorConfig
from ganzoo.models.recipes import compose, list_recipes

HUGE = pytest.param(10**400, id="huge")
SMALL = {"resolution": 16, "channels": [8, 8, 8]}


def config(**settings):
    return GeneratorConfig.from_dict({**SMALL, **settings})


def sized(resolution, output="pixel", **settings):
    data = {"resolution": resolution, "output": output, "channel_base": 64, "channel_max": 8}
    return GeneratorConfig.from_dict({**data, **settings})


# There and back


@pytest.mark.parametrize("recipe", list_recipes())
def test_from_dict_takes_back_what_to_dict_gives(recipe):
    config = GeneratorConfig.from_dict(compose(recipe))
    assert GeneratorConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("recipe", list_recipes())
def test_a_config_survives_json(recipe):
    config = GeneratorConfig.from_dict(compose(recipe))
    assert GeneratorConfig.from_dict(json.loads(json.dumps(config.to_dict(), allow_nan=False))) == config


@pytest.mark.parametrize("recipe", list_recipes())
def test_to_dict_spells_out_every_field_and_every_option(recipe):
    config = GeneratorConfig.from_dict(compose(recipe))
    data = config.to_dict()
    assert set(data) == {"generator", *(field.name for field in fields(config))}
    for kind in GENERATOR_KINDS.keys() & data.keys():
        registry = GENERATOR_KINDS[kind]
        assert set(data[kind]) == {"name", *registry.options(data[kind]["name"])}


def test_to_dict_is_a_copy():
    config_ = config()
    config_.to_dict()["mapping"]["depth"] = 3
    assert config_.mapping["depth"] == 8


def test_a_config_is_frozen():
    with pytest.raises(FrozenInstanceError):
        config().resolution = 32


def test_options_that_are_not_given_are_the_papers():
    data = config().to_dict()
    assert data["mapping"] == {
        "name": "mlp",
        "depth": 8,
        "lr_multiplier": 0.01,
        "activation": "lrelu",
        "layer_features": None,
        "embed_features": None,
    }
    assert (data["upsampler"]["name"], data["conv"]["name"]) == ("conv_transpose", "full")
    assert (data["demodulation"]["name"], data["head"]["name"]) == ("style", "skip")
    assert data["shortcut"] == {"name": "none"}


# Resolution and widths


@pytest.mark.parametrize("resolution", [4, 8, 64, 2048])
def test_a_pixel_network_has_a_level_for_every_resolution_from_four(resolution):
    assert len(sized(resolution).channels) == resolution.bit_length() - 2


@pytest.mark.parametrize("resolution", [8, 64, 2048])
def test_a_wavelet_network_has_a_level_less(resolution):
    assert len(sized(resolution, "wavelet").channels) == resolution.bit_length() - 3


@pytest.mark.parametrize("output", ["pixel", "wavelet"])
@pytest.mark.parametrize(("resolution", "num_ws"), [(8, 4), (64, 10), (1024, 18), (2048, 20)])
def test_num_ws_depends_on_the_resolution_alone(resolution, num_ws, output):
    assert sized(resolution, output).num_ws == num_ws


@pytest.mark.parametrize("resolution", [0, 1, 2, 6, 1000, 4096, -8, 16.0, "16", True, None])
def test_a_resolution_that_is_no_power_of_two_from_4_to_2048_is_refused(resolution):
    with pytest.raises(ValueError, match="resolution is a power of two from 4 to 2048"):
        sized(resolution)


@pytest.mark.parametrize("resolution", [[512, 320], (320, 512), "512x320"])
def test_images_that_are_not_square_are_refused_with_the_reason(resolution):
    with pytest.raises(ValueError, match=r"power of two .*one for both sides of a square; got .*512"):
        sized(resolution)
    with pytest.raises(ValueError, match="one for both sides of a square"):
        GeneratorConfig.from_dict({"resolution": resolution, "channels": [8, 8]})


def test_subbands_need_a_resolution_of_8():
    with pytest.raises(ValueError, match="from 8 to 2048"):
        sized(4, "wavelet")


@pytest.mark.parametrize("output", ["pixel", "wavelet"])
def test_a_wrong_number_of_channels_is_refused(output):
    right = 3 if output == "pixel" else 2
    config(output=output, channels=[8] * right)
    for wrong in (0, right - 1, right + 1):
        with pytest.raises(ValueError, match=f"{right} of them"):
            config(output=output, channels=[8] * wrong)


@pytest.mark.parametrize("width", [0, -1, MAX_WIDTH + 1, HUGE])
def test_a_width_of_nothing_or_too_much_is_refused(width):
    with pytest.raises(ValueError, match="width"):
        config(channels=[8, 8, width])


def test_channel_base_and_channel_max_give_the_widths():
    assert sized(64, channel_base=128, channel_max=12).channels == (12, 12, 8, 4, 2)


def test_a_width_is_at_least_one():
    assert sized(64, channel_base=8).channels == (2, 1, 1, 1, 1)


@pytest.mark.parametrize(
    "extra", [{"channel_base": 64}, {"channel_max": 8}, {"channel_base": 64, "channel_max": 8}]
)
def test_channels_and_channel_base_together_are_refused(extra):
    with pytest.raises(ValueError, match="not both"):
        config(**extra)


@pytest.mark.parametrize("given", [{}, {"channel_base": 64}, {"channel_max": 8}])
def test_a_config_without_widths_is_refused(given):
    with pytest.raises(ValueError, match="needs channels"):
        GeneratorConfig.from_dict({"resolution": 16, **given})


@pytest.mark.parametrize("value", [0, -4, 2.5, "64", True, HUGE])
@pytest.mark.parametrize("key", ["channel_base", "channel_max"])
def test_a_channel_base_or_channel_max_out_of_range_is_refused(key, value):
    with pytest.raises(ValueError, match=key):
        sized(16, **{key: value})


# Everything else


def test_a_config_without_a_resolution_is_refused():
    with pytest.raises(ValueError, match="needs a resolution"):
        GeneratorConfig.from_dict({"channels": [8]})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("channels", 8),
        ("channels", [8, 8, True]),
        ("channels", [8, 8, 8.0]),
        ("channels", "888"),
        ("output", "fourier"),
        ("output", None),
        ("z_dim", 0),
        ("z_dim", True),
        ("z_dim", MAX_WIDTH + 1),
        ("w_dim", 0),
        ("w_dim", 512.0),
        ("w_dim", MAX_WIDTH + 1),
        ("label_dim", -1),
        ("label_dim", MAX_LABELS + 1),
        ("img_channels", 0),
        ("img_channels", 65),
        ("activation", "gelu"),
        ("activation", 3),
        ("activation_gain", float("nan")),
        ("activation_gain", 0.0),
        ("activation_gain", True),
        ("activation_gain", "1"),
        ("clamp", -1.0),
        ("clamp", float("inf")),
        pytest.param("clamp", 10**400, id="clamp-huge"),
    ],
)
def test_a_value_out_of_range_or_of_the_wrong_type_is_refused(key, value):
    with pytest.raises(ValueError, match=key):
        config(**{key: value})


def test_an_unknown_key_is_an_error_that_lists_what_exists_and_one_near_match():
    with pytest.raises(ValueError, match=r"'resolutoin'.*Did you mean 'resolution'\?.*channel_base.*z_dim"):
        config(resolutoin=32)


OWN_KINDS = [kind for kind in GENERATOR_KINDS if hasattr(config(), kind)]


@pytest.mark.parametrize("kind", OWN_KINDS)
def test_an_unknown_block_is_refused(kind):
    with pytest.raises(ValueError, match=f"Unknown {kind}: 'nothing'"):
        config(**{kind: "nothing"})


@pytest.mark.parametrize("kind", OWN_KINDS)
def test_an_unknown_option_of_a_block_is_refused(kind):
    name = GENERATOR_KINDS[kind].names()[0]
    with pytest.raises(ValueError, match="'_target_'"):
        config(**{kind: {"name": name, "_target_": "os.system"}})


def test_a_discriminator_is_no_part_of_a_generator():
    assert set(KINDS) - set(GENERATOR_KINDS) == {"discriminator", "augment"}
    with pytest.raises(ValueError, match="Unknown setting of a generator: 'discriminator'"):
        config(discriminator="residual")


def test_a_config_that_was_written_before_there_were_shortcuts_has_none():
    data = config().to_dict()
    del data["shortcut"]
    assert GeneratorConfig.from_dict(data) == config()
