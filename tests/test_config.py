import json
from dataclasses import FrozenInstanceError, fields

import pytest

from ganzoo.blocks import KINDS
from ganzoo.config import MAX_LABELS, MAX_WIDTH, GeneratorConfig, ModelEntry
from ganzoo.cost import costs
from ganzoo.factory import MODELS, config_of, list_models, model_entry
from ganzoo.recipes import compose, list_recipes, read_yaml

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
    data = GeneratorConfig.from_dict(compose(recipe)).to_dict()
    assert set(data) == {field.name for field in fields(GeneratorConfig)}
    for kind, registry in KINDS.items():
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
    assert data["mapping"] == {"name": "mlp", "depth": 8, "lr_multiplier": 0.01}
    assert (data["upsampler"]["name"], data["conv"]["name"]) == ("conv_transpose", "full")
    assert (data["demodulation"]["name"], data["head"]["name"]) == ("style", "skip")


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


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_block_is_refused(kind):
    with pytest.raises(ValueError, match=f"Unknown {kind}: 'nothing'"):
        config(**{kind: "nothing"})


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_option_of_a_block_is_refused(kind):
    name = KINDS[kind].names()[0]
    with pytest.raises(ValueError, match="'_target_'"):
        config(**{kind: {"name": name, "_target_": "os.system"}})


# Published models


@pytest.mark.parametrize("name", list_models())
def test_every_model_entry_loads_and_bears_its_files_name(name):
    assert model_entry(name).name == name


@pytest.mark.parametrize("name", list_models())
def test_an_entrys_parameters_and_macs_are_those_that_cost_counts(name):
    entry, computed = model_entry(name), costs(config_of(name), deployed=False)
    assert entry.parameters == {part: cost.parameters for part, cost in computed.items()}
    assert entry.macs == {part: cost.macs for part, cost in computed.items()}


@pytest.mark.parametrize("name", list_models())
def test_an_entry_has_a_source_with_a_hash_and_says_where_it_comes_from(name):
    entry = model_entry(name)
    assert entry.sources
    for source in entry.sources:
        assert all(len(sha256) == 64 for sha256 in (source.sha256, *source.files.values()))
    assert entry.origin
    assert {"weights", "teacher", "data"} <= set(entry.licence)


@pytest.mark.parametrize("name", list_models())
def test_an_entrys_golden_statistics_are_by_seed_and_channel(name):
    golden, channels = model_entry(name).golden, config_of(name).img_channels
    for statistic in (golden.mean, golden.std):
        assert [len(row) for row in statistic] == [channels] * len(golden.seeds)


def entry_data():
    return read_yaml(MODELS / "mobilestylegan_ffhq.yaml")


@pytest.mark.parametrize("path", [(), ("golden",), ("sources", 0)])
def test_an_unknown_key_of_an_entry_is_an_error(path):
    data = part = entry_data()
    for key in path:
        part = part[key]
    part["colour"] = "red"
    with pytest.raises(ValueError, match="'colour'"):
        ModelEntry.from_dict(data)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ((), "recipe"),
        ((), "licence"),
        ((), "parameters"),
        (("golden",), "tolerance"),
        (("sources", 0), "sha256"),
    ],
)
def test_a_missing_key_of_an_entry_is_an_error(path, key):
    data = part = entry_data()
    for step in path:
        part = part[step]
    del part[key]
    with pytest.raises(ValueError, match=f"lacks {key}"):
        ModelEntry.from_dict(data)


@pytest.mark.parametrize("key", ["golden", "sources"])
def test_an_entry_without_golden_statistics_or_sources_is_an_error(key):
    data = entry_data()
    del data[key]
    with pytest.raises(ValueError, match="lacks"):
        ModelEntry.from_dict(data)


def test_a_measured_number_names_its_command_hardware_and_date():
    number = {"metric": "FID", "value": 7.75, "unit": "", "command": "ganzoo eval", "hardware": "CPU"}
    with pytest.raises(ValueError, match="Measurement lacks date"):
        ModelEntry.from_dict({**entry_data(), "measured": [number]})
    entry = ModelEntry.from_dict({**entry_data(), "measured": [{**number, "date": "2026-11-21"}]})
    assert entry.measured[0].value == 7.75
