"""What stands for a model on the command line: a run's folder in every command, and images in none."""

import itertools
import shutil

import numpy as np
import pytest
from cli_helpers import assert_one_line
from covering import thinned
from PIL import Image

from ganzoo.training.compose import plan


@pytest.fixture
def place(model_folder, tmp_path, monkeypatch):
    """The current folder: a finished run `runs/first`, and a folder of images `photos`."""
    shutil.copytree(model_folder, tmp_path / "runs" / "first" / "student")
    (tmp_path / "runs" / "first" / "settings.json").write_text("{}")
    (tmp_path / "photos").mkdir()
    random = np.random.RandomState(0)
    for i in range(3):
        image = Image.fromarray(random.randint(256, size=(32, 32, 3), dtype=np.uint8))
        image.save(tmp_path / "photos" / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = {
    "generate": ["generate", "NAME", "--seeds=0"],
    "info": ["info", "NAME"],
    "verify": ["verify", "NAME"],
    "eval": ["eval", "NAME", "--teacher=NAME", "--metrics=l1", "--num=2"],
    "compare": ["compare", "NAME", "NAME", "--seeds=0", "--runs=0"],
    "export": ["export", "NAME", "--to=torch"],
    "bench": ["bench", "NAME", "--runtime=torch", "--rounds=1", "--no-memory"],
    "card": ["card", "NAME", "--license=mit", "--lineage=Drawn.", "--out=runs/first"],
    "push": ["push", "NAME", "me/it", "--dry-run", "--license=mit"],
}
FAILS = {  # with a model, too: it tells of a model that was found
    "export": "random weights",
    "push": "tells no lineage",
}


def spelt(commands, names):
    """Commands with the spellings of a name as parameters of a test: of each, one in turn runs always."""
    return thinned(itertools.product(commands, names), [*zip(commands, itertools.cycle(names), strict=False)])


@pytest.mark.parametrize("case", spelt(COMMANDS, ["runs/first", "dir:runs/first"]), ids=" ".join)
def test_a_runs_folder_stands_for_its_student(run, place, case):
    command, name = case
    status, _, err = run(*(part.replace("NAME", name) for part in COMMANDS[command]))
    if command in FAILS:
        assert status == 2 and FAILS[command] in err
    else:
        assert status == 0, err
    if command == "card":
        assert (place / "runs/first/student/README.md").is_file()


@pytest.mark.parametrize(
    "case", spelt([c for c in COMMANDS if c != "eval"], ["photos", "dir:photos"]), ids=" ".join
)
def test_images_are_told_from_a_model_in_every_command(run, place, case):
    command, name = case
    result = run(*(part.replace("NAME", name) for part in COMMANDS[command]))
    assert_one_line(result, "is a set of images, not a model", "ganzoo data prepare photos")


def test_images_are_measured_whatever_their_spelling(run, place):
    for name in ("photos", "dir:photos"):
        result = run("eval", name, "--teacher=runs/first", "--metrics=l1")
        assert_one_line(result, "A student and its teacher are models")


def test_what_is_advised_about_images_works(run, place):
    _, _, err = run("info", "photos")
    assert "ganzoo data prepare photos photos-256.zip --resolution 256" in err
    advised = ["data", "prepare", "photos", "photos-256.zip", "--resolution", "256", "--upscale"]
    assert run(*advised)[0] == 0
    assert_one_line(run("info", "photos-256.zip"), "is a set of images")


def test_a_teacher_may_be_a_runs_folder_and_is_no_set_of_images(place):
    assert plan("mobilestylegan", ["teacher=runs/first", "resolution=16", "training=debug"]).jobs
    with pytest.raises(ValueError, match="is a set of images"):
        plan("mobilestylegan", ["teacher=photos", "resolution=16"])
