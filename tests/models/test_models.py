"""Entries of published models: `registry/model/*.yaml`."""

import pytest

from ganzoo.cli.verify import verify
from ganzoo.models import packed
from ganzoo.models.cost import costs
from ganzoo.models.delta import base_of
from ganzoo.models.entries import ExternalWeights, ModelEntry, WheelSource
from ganzoo.models.factory import config_of
from ganzoo.models.published import MODELS, list_models, model_entry
from ganzoo.models.recipes import read_yaml
from ganzoo.projection.encoder import encoder_entry, list_encoders

OURS = [name for name in list_models() if model_entry(name).external is None]
BUNDLED = [name for name in OURS if model_entry(name).is_bundled]
MEMBERS = [name for name in OURS if model_entry(name).base is not None]
EXTERNAL = [name for name in list_models() if model_entry(name).external is not None]


def test_there_are_models_with_weights_and_external_ones():
    assert "mobilestylegan_ffhq" in OURS and "stylegan2_ffhq" in EXTERNAL
    assert BUNDLED == ["mobilestylegan_ffhq_64_lite", "mobilestylegan_lorelei_64", "stylegan2_lorelei_64"]


@pytest.mark.parametrize("name", list_models())
def test_every_model_entry_loads_and_bears_its_files_name(name):
    assert model_entry(name).name == name


@pytest.mark.parametrize("name", list_models())
def test_an_entrys_parameters_and_macs_are_those_that_cost_counts(name):
    entry, computed = model_entry(name), costs(config_of(name), deployed=False)
    assert entry.parameters == {part: cost.parameters for part, cost in computed.items()}
    assert entry.macs == {part: cost.macs for part, cost in computed.items()}


@pytest.mark.parametrize("name", list_models())
def test_an_entry_says_where_it_comes_from_and_under_which_licenses(name):
    entry = model_entry(name)
    assert entry.summary and entry.origin
    assert {"weights", "data"} <= set(entry.license)
    assert ("distilled" in entry.origin) == ("teacher" in entry.license)


@pytest.mark.parametrize("name", OURS)
def test_an_entry_that_is_not_external_has_a_source_with_hashes(name):
    entry = model_entry(name)
    assert entry.sources
    for source in entry.sources:
        files = source.files if isinstance(source, WheelSource) else {}
        assert all(len(sha256) == 64 for sha256 in (source.sha256, *files.values()))
    assert len(entry.weights_sha256) == 64


@pytest.mark.parametrize("name", EXTERNAL)
def test_an_external_entry_names_owner_page_and_file(name):
    external = model_entry(name).external
    assert external.owner
    assert external.page.startswith("https://") and external.url.startswith("https://")
    assert external.url.endswith(".pkl")


@pytest.mark.parametrize("name", OURS)
def test_an_entrys_golden_statistics_are_by_seed_and_channel(name):
    golden, channels = model_entry(name).golden, config_of(name).img_channels
    for statistic in (golden.mean, golden.std):
        assert [len(row) for row in statistic] == [channels] * len(golden.seeds)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_needs_no_network_and_gives_its_published_images(name, tmp_path, capsys):
    verify(name, cache_dir=tmp_path / "none")
    told = capsys.readouterr().out
    assert "of the package, whose sha256 was checked" in told
    assert told.endswith(f"{name} is what was published.\n")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", [*BUNDLED, *MEMBERS])
def test_a_bundled_file_is_small_and_what_its_entry_says(name):
    [source] = model_entry(name).sources
    assert packed.bundled_file(source).stat().st_size == source.bytes <= 4_000_000


def test_a_member_differs_from_the_published_weights_of_a_whole_model():
    for name in MEMBERS:
        entry = model_entry(name)
        base, [source] = model_entry(entry.base), entry.sources
        assert base.base is None and base.license["weights"] == entry.license["weights"]
        assert base_of(packed.bundled_file(source)) == (base.name, base.weights_sha256)


def test_no_file_is_bundled_without_an_entry():
    named = {source.file for name in [*BUNDLED, *MEMBERS] for source in model_entry(name).sources}
    named |= {encoder_entry(name).source.file for name in list_encoders()}
    assert {path.name for path in packed.BUNDLED.iterdir()} == named


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
        ((), "license"),
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


@pytest.mark.parametrize(
    ("path", "key", "value", "told"),
    [
        ((), "parameters", {"mapping": "many"}, "parameters.mapping must be int; got 'many'"),
        (("golden",), "seeds", [0, 0.5], r"golden.seeds\[1\] must be int; got 0.5"),
        (("sources", 0), "bytes", "5 MB", r"sources\[0\].bytes must be int; got '5 MB'"),
        (("sources", 0), "files", ["a"], r"sources\[0\].files must be a mapping; got \['a'\]"),
    ],
)
def test_a_value_of_another_type_in_an_entry_is_an_error_with_its_place(path, key, value, told):
    data = part = entry_data()
    for step in path:
        part = part[step]
    part[key] = value
    with pytest.raises(ValueError, match=f"^{told}"):
        ModelEntry.from_dict(data)


OWN = ("sources", "weights_sha256", "golden")


@pytest.mark.parametrize("key", OWN)
def test_an_entry_without_one_of_source_hash_and_golden_statistics_is_an_error(key):
    data = entry_data()
    del data[key]
    with pytest.raises(ValueError, match="'mobilestylegan_ffhq' has sources, weights_sha256 and golden"):
        ModelEntry.from_dict(data)


def external_data():
    return read_yaml(MODELS / "stylegan2_ffhq.yaml")


def test_an_entry_may_name_external_weights_in_the_place_of_a_source():
    entry = ModelEntry.from_dict(external_data())
    assert entry.external == ExternalWeights(**external_data()["external"])
    assert (entry.sources, entry.weights_sha256, entry.golden) == ((), None, None)


@pytest.mark.parametrize("key", OWN)
def test_an_entry_with_external_weights_and_any_of_its_own_is_an_error(key):
    with pytest.raises(ValueError, match="or external in their place"):
        ModelEntry.from_dict({**external_data(), key: entry_data()[key]})


def test_an_entry_without_any_weights_is_an_error():
    data = external_data()
    del data["external"]
    with pytest.raises(ValueError, match="or external in their place"):
        ModelEntry.from_dict(data)


@pytest.mark.parametrize("key", ["owner", "page", "url"])
def test_external_weights_have_owner_page_and_url(key):
    data = external_data()
    del data["external"][key]
    with pytest.raises(ValueError, match=f"^external lacks {key}"):
        ModelEntry.from_dict(data)


def test_an_unknown_key_of_external_weights_is_an_error():
    data = external_data()
    data["external"]["sha256"] = "0"
    with pytest.raises(ValueError, match="'sha256'"):
        ModelEntry.from_dict(data)


def test_stylegan2_ffhq_costs_what_stylegan2_costs():
    assert config_of("stylegan2_ffhq") == config_of("stylegan2")
    entry = model_entry("stylegan2_ffhq")
    assert entry.parameters == {"mapping": 2_101_248, "synthesis": 28_268_812}
    assert entry.macs == {"mapping": 2_097_152, "synthesis": 75_383_102_464}
