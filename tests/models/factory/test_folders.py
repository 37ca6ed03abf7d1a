"""A folder, a `Path`, a run's folder: each stands for its model. What is no model is told for what it is."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from factory_helpers import message
from PIL import Image

import ganzoo
from ganzoo import runtimes
from ganzoo.models.factory import config_of, create
from ganzoo.models.weights import weights_digest


@pytest.fixture
def run_folder(folder, tmp_path):
    """The folder of a finished run, whose student is the saved model."""
    run = tmp_path / "runs" / "first"
    shutil.copytree(folder, run / "student")
    shutil.copytree(folder, run / "best")
    (run / "settings.json").write_text("{}")
    return run


@pytest.fixture
def photos(tmp_path):
    """A folder of images within folders, one with an ending that says nothing."""
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    for name in ("a.png", "b.data"):
        noise = np.random.RandomState(0).randint(256, size=(8, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "photos" / "cats" / name, format="PNG")
    return tmp_path / "photos"


SPELLINGS = {"str": str, "Path": Path, "dir:": lambda path: f"dir:{path}", "slash": lambda path: f"{path}/"}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_folder_gives_its_model_however_it_is_spelt(folder, spelling):
    given = SPELLINGS[spelling](folder)
    digest = weights_digest(ganzoo.load(folder))
    assert weights_digest(create(given)) == digest
    assert config_of(given).resolution == 16
    w = torch.zeros(1, 6, 4)
    expected = create(f"dir:{folder}").synthesis(w).image
    assert torch.allclose(runtimes.load(given, "torch").synthesis(w).image, expected, atol=1e-4)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_runs_folder_gives_its_student_however_it_is_spelt(run_folder, spelling):
    given = SPELLINGS[spelling](run_folder)
    digest = weights_digest(ganzoo.load(run_folder / "student"))
    assert weights_digest(create(given)) == digest
    assert config_of(given).resolution == 16
    assert runtimes.load(given, "torch").resolution == 16


def test_load_takes_a_runs_folder(run_folder):
    assert weights_digest(ganzoo.load(run_folder)) == weights_digest(ganzoo.load(run_folder / "student"))


def test_a_path_is_a_folder_even_if_a_model_has_its_name(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    folder.rename("mobilestylegan_ffhq_64_lite")
    assert create("mobilestylegan_ffhq_64_lite", pretrained=False).resolution == 64
    assert create(Path("mobilestylegan_ffhq_64_lite")).resolution == 16


def test_a_run_without_a_student_offers_its_best(run_folder):
    shutil.rmtree(run_folder / "student")
    assert f"Did you mean {str(run_folder / 'best')!r}?" in message(run_folder, FileNotFoundError)
    shutil.rmtree(run_folder / "best")
    assert "without a result yet" in message(run_folder, FileNotFoundError)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_folder_of_models_and_runs_names_them(run_folder, spelling):
    shutil.copytree(run_folder, run_folder.parent / "second")
    shutil.copytree(run_folder / "student", run_folder.parent / "plain")
    kind = (ValueError, FileNotFoundError)
    told = message(SPELLINGS[spelling](run_folder.parent), kind)
    for name in ("first/student", "plain", "second/student"):
        assert repr(str(run_folder.parent / name)) in told


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_images_where_a_model_is_asked_are_told_as_images(photos, spelling):
    told = message(SPELLINGS[spelling](photos), (ValueError, FileNotFoundError))
    assert "is a set of images, not a model" in told
    assert f"--real {photos}" in told and f"ganzoo data prepare {photos}" in told and "dir:" not in told[20:]


def test_images_are_told_by_load_and_by_runtimes_too(photos):
    for call in (ganzoo.load, runtimes.load):
        with pytest.raises((ValueError, FileNotFoundError), match="is a set of images"):
            call(photos)


def test_a_zip_of_images_is_told_as_images(photos, tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("dataset.json", "{}")
        archive.write(photos / "cats" / "b.data", "00000/img0")
    assert "is a set of images" in message(str(tmp_path / "set.zip"), FileNotFoundError)


def test_one_image_is_told_as_an_image(photos):
    assert "is an image, not a model" in message(str(photos / "cats" / "b.data"), FileNotFoundError)


def test_a_file_of_a_model_names_its_folder(folder):
    assert f"give its folder, {str(folder)!r}" in message(
        str(folder / "model.safetensors"), FileNotFoundError
    )
    assert f"give its folder, {str(folder)!r}" in message(folder / "config.json", FileNotFoundError)


def test_exported_files_are_told_where_weights_are_needed(folder, tmp_path):
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "manifest.json").write_text("{}")
    assert "`ganzoo export` wrote" in message(str(tmp_path / "exported"), FileNotFoundError)


def test_checkpoints_and_halves_of_models_are_told(folder, tmp_path):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "ffhq.pkl").write_bytes(b"x")
    assert f"ganzoo convert {tmp_path / 'downloads' / 'ffhq.pkl'} OUT" in message(
        str(tmp_path / "downloads"), FileNotFoundError
    )
    (folder / "config.json").unlink()
    assert "without its config.json" in message(folder, FileNotFoundError)
    (tmp_path / "empty").mkdir()
    assert "holds no model" in message(str(tmp_path / "empty"), FileNotFoundError)


def test_a_checkpoint_of_pytorch_is_no_set_of_images(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("net/data.pkl", b"x")
    assert "is converted first" in message(str(tmp_path / "net.pt"), FileNotFoundError)
