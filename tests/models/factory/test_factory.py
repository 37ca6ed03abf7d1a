"""Names that `create` takes, and which weights it gives for them."""

import pytest
from factory_helpers import message, tiny
from ir_fixtures import MODEL

import ganzoo
from ganzoo.models.factory import config_of, create
from ganzoo.models.published import list_models, model_entry
from ganzoo.models.recipes import list_recipes
from ganzoo.models.sources import SourceError
from ganzoo.models.weights import weights_digest

# Names


def test_an_unknown_name_is_answered_with_a_near_one_and_all_there_are():
    text = message("mobilestylgan")
    assert "Did you mean 'mobilestylegan'?" in text
    assert all(name in text for name in [*list_models(), *list_recipes()])


def test_a_name_like_no_other_gets_no_guess():
    assert "Did you mean" not in message("zzzzzzzzzzzz")


@pytest.mark.parametrize("name", ["", ".", "../secret", "mobilestylegan.yaml", "/etc/hostname", "a" * 300])
def test_odd_names_are_unknown_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message(name, (ValueError, FileNotFoundError))


def test_a_bare_owner_and_repository_are_refused_with_both_spellings():
    text = message("someone/some-model")
    assert "'hf-hub:someone/some-model'" in text and "'dir:someone/some-model'" in text


def test_a_bare_relative_path_of_a_folder_is_the_folder(folder, monkeypatch):
    monkeypatch.chdir(folder.parent.parent)
    name = f"{folder.parent.name}/{folder.name}"
    assert weights_digest(create(name)) == weights_digest(create(f"dir:{folder}"))


def test_a_saved_folder_gives_its_weights(folder):
    generator = create(f"dir:{folder}")
    assert weights_digest(generator) == weights_digest(ganzoo.load(folder)) != weights_digest(tiny())


def test_a_saved_folder_without_weights_asked_for_gives_random_ones(folder):
    assert weights_digest(create(f"dir:{folder}", pretrained=False)) == weights_digest(tiny())


@pytest.mark.parametrize("name", ["dir:no-such-folder", "dir:"])
def test_a_folder_without_a_model_says_what_it_should_hold(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = message(name, OSError)
    assert "config.json" in text and "model.safetensors" in text


def test_weights_of_a_folder_that_do_not_fit_the_overrides_are_refused(folder):
    assert "z_dim is 4, not 5" in message(f"dir:{folder}", z_dim=5)


def test_the_config_of_a_name_needs_no_weights(release):
    assert config_of(MODEL) == release.generator.config
    assert config_of("mobilestylegan").resolution == 1024


def test_an_unknown_model_has_no_entry():
    with pytest.raises(ValueError, match="Did you mean 'mobilestylegan_ffhq'"):
        model_entry("mobilestylegan_ffh")


def test_models_are_listed_by_wildcard():
    assert "mobilestylegan_ffhq" in list_models("*ffhq*")
    assert list_models("nothing*") == []


# Pretrained


def test_weights_of_a_recipe_are_refused_with_the_models_made_from_it():
    text = message("mobilestylegan", pretrained=True)
    assert "recipe" in text and "mobilestylegan_ffhq" in text


def test_a_published_model_has_its_weights_unless_told_otherwise(release):
    trained = weights_digest(create(MODEL))
    assert trained == weights_digest(create(MODEL, pretrained=True))
    assert trained != weights_digest(create(MODEL, pretrained=False))


def test_a_published_model_without_weights_fetches_and_caches_nothing(release):
    release.change_entry(distribution="no-such-distribution")
    create(MODEL, pretrained=False, resolution=64, channels=[4, 4, 4, 4])
    assert release.left_over() == []


def test_overrides_that_change_the_network_and_weights_do_not_go_together(release):
    text = message(MODEL, resolution=64, channels=[8, 12, 4, 4])
    assert "resolution is 32, not 64" in text
    assert "channels is [8, 12, 4], not [8, 12, 4, 4]" in text
    assert "pretrained=False" in text
    assert release.left_over() == []


@pytest.mark.parametrize("pretrained", [None, True])
def test_another_block_and_weights_do_not_go_together(release, pretrained):
    text = message(MODEL, pretrained=pretrained, conv="full")
    assert "depthwise" in text and "full" in text


def test_another_block_without_weights_is_fine(release):
    assert create(MODEL, pretrained=False, conv="full").config.conv["name"] == "full"


def test_another_size_of_a_published_model_points_to_the_member_that_has_it():
    told = message("mobilestylegan_ffhq", resolution=64)
    assert "are for 1024 x 1024, not for 64 x 64" in told and "mobilestylegan_ffhq_64_lite" in told
    assert told.endswith("has it. pretrained=False gives random weights.") or "have it." in told
    told = message("mobilestylegan_ffhq_64_lite", resolution=1024)
    assert "mobilestylegan_ffhq has it" in told
    assert create("mobilestylegan_ffhq", resolution=64, pretrained=False).resolution == 64


def test_a_size_that_no_member_has_is_told_as_before():
    assert "resolution is 1024, not 2048" in message("mobilestylegan_ffhq", resolution=2048)
    assert "power of two" in message("mobilestylegan_ffhq", resolution=300)


def test_overrides_that_change_nothing_go_with_weights(release):
    plain = create(MODEL)
    same = create(MODEL, resolution=32, conv="depthwise", head={"name": "single"}, mapping={"depth": 3})
    assert weights_digest(same) == weights_digest(plain)


def test_a_damaged_folder_is_never_loaded_in_part(folder):
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"z_dim": 4', '"z_dim": 5'))
    assert "does not fit its config" in message(f"dir:{folder}")


def test_without_a_network_the_error_names_the_model_that_needs_none(tmp_path, monkeypatch):
    def refuse(source):
        raise SourceError("The package index cannot be reached.")

    monkeypatch.setattr("ganzoo.models.published.read_source", refuse)
    told = message("mobilestylegan_ffhq", SourceError, cache_dir=tmp_path)
    assert told.startswith(
        "The package index cannot be reached. Without a network: mobilestylegan_ffhq_64_lite, "
    )
    assert create("mobilestylegan_ffhq_64_lite", cache_dir=tmp_path).resolution == 64
