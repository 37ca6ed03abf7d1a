"""What a command does can be called from Python in one line."""

import json

import pytest
import torch
from helpers import tiny, trained
from PIL import Image

import ganzoo
from ganzoo.latent.look import Look
from ganzoo.models.verification import Mismatch
from ganzoo.system.images import read_settings, to_images


@pytest.fixture
def folder(tmp_path):
    ganzoo.save(trained(tiny()), tmp_path / "model", golden=True)
    return tmp_path / "model"


def test_images_are_written_with_their_settings_and_a_sheet(folder, tmp_path):
    told = []
    made = ganzoo.generate_images(folder, [3, 4, 4, 9], tmp_path / "new" / "faces", report=told.append)
    names = ["seed0003.png", "seed0004.png", "seed0009.png"]
    assert [path.name for path in made.images] == names and told == [1, 2, 3]
    assert read_settings(made.images[0]) == {
        "model": str(folder), "seed": 3, "truncation_psi": 0.7, "truncation_cutoff": None, "noise": "const",
        "label": None, "centers": None, "z_limit": None, "ganzoo_version": ganzoo.__version__,
    }  # fmt: skip
    assert read_settings(made.sheet)["seeds"] == "3-4,9"


def test_a_generator_makes_the_images_of_its_name(folder, tmp_path):
    model = ganzoo.load(folder)
    made = ganzoo.generate_images(model, [5], tmp_path, truncation_psi=0.5, noise="random", name="mine")
    with torch.inference_mode():
        z, random = model.sample_z(1, seed=5), torch.Generator().manual_seed(5)
        [expected] = to_images(model(z, truncation_psi=0.5, noise="random", generator=random))
    with Image.open(made.images[0]) as image:
        assert image.tobytes() == expected.tobytes()
    assert read_settings(made.images[0])["model"] == "mine"


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"noise": "loud"}, "const, random or none"),
        ({"truncation_psi": float("nan")}, "such as 0.7"),
        ({"truncation_cutoff": 99}, "0 to 6"),
        ({"label": 1}, "not conditional"),
    ],
)
def test_settings_that_do_not_fit_write_nothing(folder, tmp_path, given, part):
    with pytest.raises(ValueError, match=part):
        ganzoo.generate_images(folder, [0], tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_a_conditional_model_gets_its_class(tmp_path):
    model = trained(tiny(label_dim=3))
    two, one = (Look(label=label).w(model, [0]) for label in (2, 1))
    assert not torch.equal(two, one)
    with pytest.raises(ValueError, match="0 to 2"):
        ganzoo.generate_images(model, [0], tmp_path)


def test_a_model_is_verified_by_its_record(folder):
    weights, images = ganzoo.verify(folder)
    assert weights.endswith("is as it was written") and images.startswith("images: those recorded in")
    changed = ganzoo.load(folder)
    with torch.no_grad():
        changed.mapping.w_avg.add_(1)
    golden = (folder / "golden.safetensors").read_bytes()
    ganzoo.save(changed, folder)
    (folder / "golden.safetensors").write_bytes(golden)
    with pytest.raises(Mismatch, match="made of other weights"):
        ganzoo.verify(folder)


def test_what_is_known_of_a_model_is_a_record(folder):
    found = ganzoo.info("mobilestylegan_ffhq_64_lite")
    assert found.entry.is_bundled and found.config.resolution == 64 and found.parameters > 0
    assert json.loads(json.dumps(ganzoo.info(folder).to_dict()))["card"]["license"].startswith("unknown")
