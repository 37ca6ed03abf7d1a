"""Overrides of a recipe's settings."""

import math

import pytest
from factory_helpers import TINY, message, tiny

from ganzoo.models.factory import create


def test_a_string_picks_another_block():
    generator = tiny(conv="full", upsampler="conv_transpose")
    assert generator.config.conv["name"] == "full"
    assert generator.config.upsampler["name"] == "conv_transpose"


def test_a_mapping_sets_options_and_leaves_the_others():
    config = tiny(mapping={"depth": 2}).config
    assert config.mapping == {**tiny().config.mapping, "depth": 2}


def test_a_mapping_with_a_name_picks_another_block_and_sets_its_options():
    config = tiny(conv={"name": "full", "kernel_size": 5}).config
    assert config.conv == {"name": "full", "kernel_size": 5}


def test_a_scalar_sets_a_field():
    assert tiny(activation="relu", clamp=256).config.clamp == 256.0


def test_channels_take_the_place_of_channel_base_and_channel_max():
    config = create("stylegan2", resolution=16, channels=[4, 8, 12], z_dim=4, w_dim=4).config
    assert config.channels == (4, 8, 12)


@pytest.mark.parametrize(
    ("overrides", "hint"),
    [
        ({"resolutoin": 16}, "Did you mean 'resolution'?"),
        ({"resolution": 17}, "power of two"),
        ({"resolution": "16"}, "resolution"),
        ({"resolution": True}, "resolution"),
        ({"z_dim": 0}, "z_dim"),
        ({"z_dim": 1 << 40}, "z_dim"),
        ({"channel_max": 10**12}, "channel_max"),
        ({"channels": [8, 8, 8, 8, 8]}, "channels"),
        ({"channels": [8, 8], "channel_base": 64}, "not both"),
        ({"output": "sound"}, "Choose from: pixel, wavelet"),
        ({"activation": "lrelo"}, "Did you mean 'lrelu'?"),
        ({"clamp": -1.0}, "clamp"),
        ({"clamp": math.nan}, "clamp"),
        ({"conv": "depthwyse"}, "Did you mean 'depthwise'?"),
        ({"conv": {"name": "depthwyse"}}, "Did you mean 'depthwise'?"),
        ({"conv": {"kernel_sise": 3}}, "Did you mean 'kernel_size'?"),
        ({"conv": {"kernel_size": 4}}, "kernel_size"),
        ({"conv": {"kernel_size": "3"}}, "kernel_size"),
        ({"conv": {"in_channels": 3}}, "in_channels"),
        ({"conv": {"_target_": "os.system"}}, "_target_"),
        ({"conv": 3}, "conv"),
        ({"conv": None}, "conv"),
        ({"conv": ["full"]}, "conv"),
        ({"conv": {"name": ["full"]}}, "conv"),
        ({"mapping": {"depth": 10_000}}, "depth"),
        ({"shortcut": "residul"}, "Did you mean 'residual'?"),
        ({"discriminator": "residual"}, "Unknown setting of a generator: 'discriminator'"),
        ({"_target_": "os.system"}, "_target_"),
        ({"defaults": []}, "defaults"),
    ],
    ids=str,
)
def test_what_a_recipe_does_not_know_is_refused(overrides, hint):
    assert hint in message("mobilestylegan", **{**TINY, **overrides})


def test_overrides_are_not_changed():
    mapping = {"depth": 2}
    tiny(mapping=mapping)
    assert mapping == {"depth": 2}
