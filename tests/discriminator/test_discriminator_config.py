"""Configs of discriminators: strict in, complete out; folders that hold one."""

import json
from dataclasses import FrozenInstanceError, fields

import pytest
import torch
from discriminator_helpers import config, discriminator
from helpers import tiny_config
from safetensors.torch import load_file, save_file

import ganzoo
from ganzoo.blocks import DISCRIMINATORS
from ganzoo.generators.config import MAX_LABELS, MAX_WIDTH
from ganzoo.generators.discriminator import DiscriminatorConfig
from ganzoo.generators.stylegan2 import StyleGAN2Config
from ganzoo.models.factory import build
from ganzoo.models.weights import CONFIG_FILE, WEIGHTS_FILE, read_config, stored_digest, weights_digest

SMALL = {"resolution": 16, "channels": [8, 12, 6]}
HUGE = pytest.param(10**400, id="huge")


def small(**settings):
    return DiscriminatorConfig.from_dict({**SMALL, **settings})


def sized(resolution, **settings):
    data = {"resolution": resolution, "channel_base": 64, "channel_max": 8}
    return DiscriminatorConfig.from_dict({**data, **settings})


# There and back


@pytest.mark.parametrize("options", [{}, {"architecture": "skip", "clamp": 256.0, "label_dim": 3}], ids=str)
def test_from_dict_takes_back_what_to_dict_gives_even_through_json(options):
    given = config(**options)
    assert DiscriminatorConfig.from_dict(given.to_dict()) == given
    assert DiscriminatorConfig.from_dict(json.loads(json.dumps(given.to_dict(), allow_nan=False))) == given


def test_to_dict_spells_out_every_field_and_every_option():
    data = small().to_dict()
    assert set(data) == {field.name for field in fields(DiscriminatorConfig)}
    assert set(data["discriminator"]) == {"name", *DISCRIMINATORS.options("residual")}


def test_to_dict_is_a_copy():
    config_ = small()
    config_.to_dict()["discriminator"]["mapping_depth"] = 3
    assert config_.discriminator["mapping_depth"] == 8


def test_a_config_is_frozen():
    with pytest.raises(FrozenInstanceError):
        small().resolution = 32


def test_options_that_are_not_given_are_the_papers():
    block = small().to_dict()["discriminator"]
    assert (block["name"], block["architecture"], block["activation"]) == ("residual", "resnet", "lrelu")
    assert (block["mbstd_group_size"], block["mbstd_num_channels"], block["clamp"]) == (4, 1, None)
    assert block["taps"] == [1.0, 3.0, 3.0, 1.0]


def test_channel_base_and_channel_max_give_the_widths():
    assert sized(64, channel_base=128, channel_max=12).channels == (12, 12, 8, 4, 2)


# Refusals


@pytest.mark.parametrize("resolution", [0, 2, 6, 1000, 4096, -8, 16.0, "16", True, None])
def test_a_resolution_that_is_no_power_of_two_from_4_to_2048_is_refused(resolution):
    with pytest.raises(ValueError, match="resolution is a power of two from 4 to 2048"):
        sized(resolution)


def test_a_wrong_number_of_channels_is_refused():
    for wrong in (0, 2, 4):
        with pytest.raises(ValueError, match="3 of them"):
            small(channels=[8] * wrong)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("channels", 8),
        ("channels", [8, 8, True]),
        ("channels", [8, 8, 8.0]),
        ("channels", [8, 8, 0]),
        ("channels", [8, 8, MAX_WIDTH + 1]),
        ("label_dim", -1),
        ("label_dim", MAX_LABELS + 1),
        ("label_dim", 2.0),
        ("img_channels", 0),
        ("img_channels", 65),
        ("img_channels", None),
    ],
)
def test_a_value_out_of_range_or_of_the_wrong_type_is_refused(key, value):
    with pytest.raises(ValueError, match=key):
        small(**{key: value})


@pytest.mark.parametrize("value", [0, -4, 2.5, "64", True, HUGE])
@pytest.mark.parametrize("key", ["channel_base", "channel_max"])
def test_a_channel_base_or_channel_max_out_of_range_is_refused(key, value):
    with pytest.raises(ValueError, match=key):
        sized(16, **{key: value})


@pytest.mark.parametrize("extra", [{"channel_base": 64}, {"channel_max": 8}])
def test_channels_and_channel_base_together_are_refused(extra):
    with pytest.raises(ValueError, match=r"A discriminator takes channels, or .*not both"):
        small(**extra)


def test_a_config_without_resolution_or_widths_is_refused():
    with pytest.raises(ValueError, match="A discriminator needs a resolution"):
        DiscriminatorConfig.from_dict({"channels": [8]})
    with pytest.raises(ValueError, match="A discriminator needs channels"):
        DiscriminatorConfig.from_dict({"resolution": 16})


@pytest.mark.parametrize("key", ["z_dim", "output", "conv", "clamp", "architecture"])
def test_what_a_generator_or_the_block_has_is_no_setting_of_a_discriminator(key):
    with pytest.raises(ValueError, match=f"Unknown setting of a discriminator: '{key}'"):
        small(**{key: 8})


def test_an_unknown_key_is_an_error_with_one_near_match():
    with pytest.raises(ValueError, match=r"'resolutoin'.*Did you mean 'resolution'\?.*channel_base"):
        small(resolutoin=32)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("nothing", "Unknown discriminator: 'nothing'"),
        ({"name": "residul"}, "Did you mean 'residual'"),
        ({"name": "residual", "_target_": "os.system"}, "'_target_'"),
        ({"name": "residual", "resolution": 8}, "'resolution'"),
        ({"name": "residual", "mbstd_group": 8}, "Did you mean 'mbstd_group_size'"),
        ({"architecture": "skip"}, "needs a name"),
    ],
)
def test_an_unknown_block_or_option_is_refused(block, message):
    with pytest.raises(ValueError, match=message):
        small(discriminator=block)


# Folders


@pytest.fixture
def folder(tmp_path):
    """A saved discriminator."""
    ganzoo.save(discriminator(), tmp_path / "judge")
    return tmp_path / "judge"


def rewrite(folder, **changes):
    """Write the folder's config again with other keys; None takes a key away."""
    data = {**json.loads((folder / CONFIG_FILE).read_text()), **changes}
    (folder / CONFIG_FILE).write_text(json.dumps({k: v for k, v in data.items() if v is not None}))


def small_generator():
    return build(tiny_config(resolution=8))


def test_a_folder_says_which_network_it_holds(folder, tmp_path):
    assert json.loads((folder / CONFIG_FILE).read_text())["module"] == "discriminator"
    assert type(read_config(folder / CONFIG_FILE)) is DiscriminatorConfig
    ganzoo.save(small_generator(), tmp_path / "maker")
    assert json.loads((tmp_path / "maker" / CONFIG_FILE).read_text())["module"] == "generator"
    assert type(read_config(tmp_path / "maker" / CONFIG_FILE)) is StyleGAN2Config


def test_a_config_without_module_is_a_generators(tmp_path):
    generator = small_generator()
    ganzoo.save(generator, tmp_path)
    rewrite(tmp_path, module=None)
    assert weights_digest(ganzoo.load(tmp_path)) == weights_digest(generator)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("discriminatr", "Unknown module: 'discriminatr'. Did you mean 'discriminator'"),
        ("os.system", "Choose from: discriminator, generator"),
        (["generator"], "Unknown module"),
        (3, "Unknown module"),
        (False, "Unknown module"),
    ],
)
def test_an_unknown_module_is_refused(folder, module, message):
    rewrite(folder, module=module)
    with pytest.raises(ValueError, match=message):
        ganzoo.load(folder)


def test_a_discriminators_config_is_no_generators(folder):
    rewrite(folder, module="generator")
    with pytest.raises(ValueError, match="Unknown setting of a generator: 'discriminator'"):
        ganzoo.load(folder)


def test_create_says_that_a_folder_holds_a_discriminator(folder):
    for pretrained in (None, True, False):
        with pytest.raises(
            ValueError, match=r"is a discriminator and makes no images: ganzoo\.load reads it\."
        ) as caught:
            ganzoo.create(f"dir:{folder}", pretrained=pretrained)
        assert str(folder) in str(caught.value)


def test_a_loaded_discriminator_is_ready_for_use_and_for_training(folder):
    loaded = ganzoo.load(folder)
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert not any(tensor.is_meta for tensor in [*loaded.parameters(), *loaded.buffers()])


def test_the_digest_of_a_discriminator_is_that_of_its_weights(folder):
    assert stored_digest(folder / WEIGHTS_FILE) == weights_digest(ganzoo.load(folder))


def test_the_fixed_filters_of_a_discriminator_are_not_saved(folder):
    assert not [name for name in load_file(folder / WEIGHTS_FILE) if "filter" in name]


def test_a_missing_or_surplus_tensor_of_a_discriminator_is_an_error(folder):
    tensors = load_file(folder / WEIGHTS_FILE)
    weight = tensors.pop("network.out.weight")
    save_file({**tensors, "extra": weight}, folder / WEIGHTS_FILE)
    with pytest.raises(ValueError, match=r"missing \(1\): network\.out\.weight; left over \(1\): extra"):
        ganzoo.load(folder)


def test_a_config_that_does_not_build_is_an_error_not_a_traceback(folder):
    data = json.loads((folder / CONFIG_FILE).read_text())["config"]
    data["discriminator"]["mbstd_num_channels"] = 3
    rewrite(folder, config=data)
    with pytest.raises(ValueError, match="mbstd_num_channels"):
        ganzoo.load(folder)


def test_a_discriminator_in_half_precision_saves_and_loads_as_float32(tmp_path):
    network = discriminator().half()
    ganzoo.save(network, tmp_path)
    for name, tensor in ganzoo.load(tmp_path).state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, network.state_dict()[name].float())


def test_a_discriminator_is_not_deployed():
    with pytest.raises(TypeError, match="deploy takes a Generator"):
        ganzoo.deploy(discriminator())
