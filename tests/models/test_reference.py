"""A model's name, parsed once: what it stands for, and what tells it from others."""

import shutil
from pathlib import Path

import pytest
import torch
from helpers import tiny, trained

import ganzoo
from ganzoo.models import reference as module
from ganzoo.models.factory import create
from ganzoo.models.published import list_models, model_entry
from ganzoo.models.recipes import list_recipes
from ganzoo.models.reference import Folder, HubModel, Published, Recipe, reference
from ganzoo.models.weights import weights_digest


@pytest.fixture
def folder(tmp_path):
    ganzoo.save(trained(tiny()), tmp_path / "model")
    return tmp_path / "model"


def test_every_name_is_of_one_of_four_kinds(folder):
    assert {type(reference(name)) for name in list_models()} == {Published}
    assert {type(reference(name)) for name in list_recipes()} == {Recipe}
    for name in (folder, str(folder), f"dir:{folder}", "dir:nowhere", Path("nowhere")):
        assert type(reference(name)) is Folder
    assert type(reference("hf-hub:me/my-gan@v1")) is HubModel


def test_a_reference_is_taken_wherever_a_name_is(folder):
    model = reference(str(folder))
    assert reference(model) is model
    assert (
        weights_digest(create(model)) == weights_digest(model.load()) == weights_digest(ganzoo.load(folder))
    )
    assert ganzoo.runtimes.load(model, "torch").config == ganzoo.info(model).config == model.config()


def test_a_reference_keeps_its_cache(tmp_path):
    model = reference("mobilestylegan_ffhq_64_lite", tmp_path)
    assert reference(model).cache_dir == reference(model, tmp_path).cache_dir == tmp_path
    with pytest.raises(ValueError, match="is bound to the cache"):
        reference(model, tmp_path / "other")


def test_what_is_no_name_is_refused():
    with pytest.raises(TypeError, match="got Generator"):
        reference(trained(tiny()))
    with pytest.raises(ValueError, match="Did you mean 'mobilestylegan_ffhq'"):
        reference("mobilestylegan_fhq")
    with pytest.raises(ValueError, match="owner/name"):
        reference("hf-hub:nobody")


def test_a_copy_of_a_folder_is_the_same_model_and_other_weights_are_another(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    one, copy = reference(folder).identity(), reference(tmp_path / "copy").identity()
    assert one.hash == copy.hash and one.name != copy.name
    changed = ganzoo.load(folder)
    with torch.no_grad():
        changed.mapping.w_avg.add_(1)
    ganzoo.save(changed, folder)
    assert reference(folder).identity().hash != one.hash


def test_a_published_model_is_known_by_its_weights_and_a_recipe_has_none():
    name = "mobilestylegan_ffhq"
    assert reference(name).identity() == module.Identity(name, model_entry(name).weights_sha256)
    assert reference("stylegan2").identity().hash is None and not reference("stylegan2").has_weights


def test_the_files_of_a_folder_are_hashed_once(folder, monkeypatch):
    model, hashed = reference(folder), []
    real = module.sha256
    monkeypatch.setattr(module, "sha256", lambda path: hashed.append(path.name) or real(path))
    assert model.identity() == model.identity()
    assert sorted(hashed) == ["config.json", "model.safetensors"]


def test_a_folder_without_a_model_says_so_when_it_is_read(tmp_path):
    model = reference(tmp_path)
    assert not model.is_model
    with pytest.raises(FileNotFoundError, match="holds no model"):
        model.config()
