"""State dicts of NVIDIA's PyTorch networks, whose settings are assumed or given."""

import pytest
import torch
from foreign_names import prefixed, saved, state
from golden_helpers import GOLDEN

import ganzoo
from ganzoo.converters.conversion import convert_with_account

NAMES = ["ada_uncond_skip_32", "ada_cond_skip_32", "ada_resnet_32", "sg3repo_stylegan2_32"]
# Settings of the golden files that are not the defaults.
SETTINGS = {
    ("ada_cond_skip_32", "G_ema"): {"clamp": None},
    ("ada_cond_skip_32", "D"): {"clamp": None},
    ("ada_resnet_32", "D"): {"group_size": 2},
}
UNCONDITIONAL = GOLDEN / "nvidia_pkl" / "ada_uncond_skip_32.pkl"


def tensors(name, key):
    return state(GOLDEN / "nvidia_pkl" / f"{name}.pkl", key)


@pytest.mark.parametrize("key", ["G_ema", "D"])
@pytest.mark.parametrize("name", NAMES)
def test_a_state_dict_gives_the_network_of_its_snapshot_bit_for_bit(tmp_path, name, key):
    path = saved(tmp_path / "a.pt", {key: prefixed("_orig_mod.", tensors(name, key))})
    part = "discriminator" if key == "D" else "generator_ema"
    found = convert_with_account(path, assume=SETTINGS.get((name, key)))
    plain = ganzoo.convert(GOLDEN / "nvidia_pkl" / f"{name}.pkl", part)
    assert found.part == part and found.module.config == plain.config
    for tensor, expected in zip(found.module.state_dict().values(), plain.state_dict().values(), strict=True):
        assert torch.equal(tensor, expected)
    label = torch.eye(plain.label_dim)[:2] if plain.label_dim else None
    with torch.inference_mode():
        x = torch.ones(2, 3, 32, 32) if key == "D" else plain.sample_z(2, seed=1)
        assert torch.equal(found.module(x, label), plain(x, label))


def test_what_is_assumed_is_told(tmp_path):
    path = saved(tmp_path / "a.pt", tensors("ada_uncond_skip_32", "G_ema"))
    found = convert_with_account(path, assume={"clamp": 64})
    assert found.assumed == {
        "activation": "lrelu",
        "clamp": "64 (as told)",
        "mapping_activation": "lrelu",
        "lr_multiplier": "0.01",
    }
    assert found.module.config.clamp == 64
    assert convert_with_account(path).assumed["clamp"] == "256"
    assert convert_with_account(UNCONDITIONAL).assumed == {}


def test_given_settings_are_the_networks(tmp_path):
    path = saved(tmp_path / "a.pt", tensors("ada_uncond_skip_32", "G_ema"))
    given = {"activation": "relu", "clamp": None, "mapping_activation": "elu", "lr_multiplier": 1}
    config = ganzoo.convert(path, assume=given).config
    assert (config.activation, config.clamp) == ("relu", None)
    assert (config.mapping["activation"], config.mapping["lr_multiplier"]) == ("elu", 1.0)


MISTAKES = {
    "unknown": ({"clam": 1}, "'clam'. Did you mean 'clamp'"),
    "activation": ({"activation": "lrelo"}, "'lrelo'. Did you mean 'lrelu'"),
    "clamp": ({"clamp": -1}, "clamp is a number above 0; got -1"),
    "text": ({"lr_multiplier": "x"}, "lr_multiplier is a number above 0; got 'x'"),
    "none": ({"lr_multiplier": None}, "lr_multiplier is a number above 0; got None"),
    "of a discriminator": ({"group_size": 2}, "'group_size'"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_setting_out_of_range_is_told(tmp_path, case):
    assume, words = MISTAKES[case]
    path = saved(tmp_path / "a.pt", tensors("ada_uncond_skip_32", "G_ema"))
    with pytest.raises(ValueError, match=words):
        ganzoo.convert(path, assume=assume)


def test_a_file_that_records_its_settings_takes_none():
    with pytest.raises(ValueError, match=r"Nothing is assumed .*NVIDIA snapshot.* leave out 'clamp'"):
        ganzoo.convert(UNCONDITIONAL, assume={"clamp": 1})


def test_a_tensor_that_is_missing_or_left_over_stops_the_conversion(tmp_path):
    whole = tensors("ada_uncond_skip_32", "G_ema")
    lacking = {name: tensor for name, tensor in whole.items() if name != "synthesis.b8.conv0.bias"}
    with pytest.raises(ValueError, match=r"lacks synthesis\.b8\.conv0\.bias"):
        ganzoo.convert(saved(tmp_path / "a.pt", lacking))
    with pytest.raises(ValueError, match=r"no StyleGAN2 has: synthesis\.b8\.extra"):
        ganzoo.convert(saved(tmp_path / "b.pt", {**whole, "synthesis.b8.extra": torch.ones(1)}))
