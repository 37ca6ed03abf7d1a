"""Models whose weights the user fetches and converts."""

import subprocess

import pytest
from factory_helpers import TINY, message

from ganzoo.models.factory import config_of, create
from ganzoo.models.published import cached_weights, list_models, model_entry
from ganzoo.models.weights import write_weights

EXTERNAL = [name for name in list_models() if model_entry(name).external is not None]


@pytest.fixture(autouse=True)
def without_network_or_cache(tmp_path, monkeypatch):
    """Starting any program fails the test; the cache is empty."""

    def refuse(command, **_):
        pytest.fail(f"started {command}")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("pretrained", [None, True])
@pytest.mark.parametrize("name", EXTERNAL)
def test_the_error_says_where_the_weights_are_whose_they_are_and_what_to_run(name, pretrained, tmp_path):
    entry = model_entry(name)
    text = message(name, OSError, pretrained=pretrained)
    for part in (entry.external.owner, entry.external.url, entry.external.page, entry.license["weights"]):
        assert part in text
    file = entry.external.url.rsplit("/", 1)[-1]
    assert f"`ganzoo convert {file} {entry.external.folder(name)}`" in text
    assert f"'dir:{entry.external.folder(name)}'" in text and "pretrained=False" in text
    assert not (tmp_path / "cache").exists()


def test_stylegan2_ffhq_is_fetched_from_nvidia_and_converted():
    text = message("stylegan2_ffhq", OSError)
    assert "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/ffhq.pkl" in text
    assert "Nvidia Source Code License-NC (non-commercial)" in text
    assert "`ganzoo convert ffhq.pkl my-stylegan2-ffhq`" in text


def test_an_external_model_without_weights_is_its_recipe_with_random_ones():
    generator = create("stylegan2_ffhq", pretrained=False)  # 30 M parameters, once
    assert generator.config == config_of("stylegan2")
    assert sum(p.numel() for p in generator.parameters()) == 2_101_248 + 28_268_812


@pytest.mark.parametrize("name", EXTERNAL)
def test_an_external_model_without_weights_takes_overrides(name):
    assert create(name, pretrained=False, conv="depthwise", **TINY).config.conv["name"] == "depthwise"


@pytest.mark.parametrize("name", EXTERNAL)
def test_overrides_and_external_weights_do_not_go_together(name):
    assert "do not fit these overrides" in message(name, conv="depthwise")


@pytest.mark.parametrize("name", EXTERNAL)
def test_a_file_in_the_cache_does_not_stand_in_for_external_weights(name, tmp_path):
    path = cached_weights(model_entry(name), tmp_path)
    write_weights(create("stylegan2", **TINY), path)
    assert "ganzoo convert" in message(name, OSError, cache_dir=tmp_path)


@pytest.mark.parametrize("name", EXTERNAL)
def test_a_recipes_error_names_the_external_model_that_is_made_from_it(name):
    assert name in message(model_entry(name).recipe, pretrained=True)
