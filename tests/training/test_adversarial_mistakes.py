"""A user's mistakes on the way from images to a generator: one line on stderr, status 2, nothing made."""

import io
import json

import numpy as np
import pytest
from adversarial_helpers import picture, write_pictures
from covering import thinned
from helpers import assert_one_line
from PIL import Image
from training_helpers import TinyFeatures

from ganzoo.training import adversarial_run

SMALL = ["channels=[8,8]", "z_dim=6", "w_dim=6", "mapping.depth=1", "discriminator_channel_max=8"]
SHORT = [
    "kimg=0.004",
    "batch_size=4",
    "device=cpu",
    "quality.metrics=[]",
    "path_length.weight=0",
    "augment=none",
]
ADVERSARIAL = ["cache.folder=decoded", *SMALL, *SHORT]


@pytest.fixture
def train(run, tmp_path, monkeypatch):
    """`ganzoo train stylegan2` with settings, over those of a tiny run, in a folder with twelve images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(adversarial_run, "load_features", TinyFeatures)
    write_pictures(tmp_path / "photos")

    def call(*given, recipe=("stylegan2",)):
        keys = [text.partition("=")[0] for text in given]
        own = [text for text in ADVERSARIAL if text.partition("=")[0] not in keys]
        return run("train", *recipe, *given, *own, "out=mine")

    return call


def assert_told(result, *parts):
    """Whatever is told on the way, the mistake is one line, the last one."""
    status, out, err = result
    assert_one_line((status, out, f"{err.splitlines()[-1]}\n"), *parts)
    assert err.count("ganzoo: ") == 1 and "Traceback" not in err


def folder(files):
    """What makes a folder of files: names to arrays, bytes or text."""

    def make(path):
        path.mkdir()
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, np.ndarray):
                Image.fromarray(content).save(path / name)
            elif isinstance(content, bytes):
                (path / name).write_bytes(content)
            else:
                (path / name).write_text(json.dumps(content))

    return make


def damaged():
    buffer = io.BytesIO()
    Image.fromarray(picture(0)).save(buffer, "PNG")
    return buffer.getvalue()[:60]


def empty_class(path):
    folder({"cat/0.png": picture(0), "dog/1.png": picture(1)})(path)
    (path / "bird").mkdir()


THREE = {f"{number}.png": picture(number) for number in range(3)}
SETS = {
    "no folder": (None, [], ["set", "does not exist"]),
    "no image": (folder({"notes.txt": "hello"}), [], ["holds no image among 1 files, such as 'notes.txt'"]),
    "an empty folder": (folder({}), [], ["holds no image"]),
    "a corrupt image in the middle": (
        folder({**THREE, "1.png": damaged()}),
        [],
        ["1 of 3 images cannot be used (1 corrupt)", "The first, 1.png: ", "skip=true leaves them out."],
    ),
    "an empty class": (empty_class, ["labels=folders"], ["set/bird would be a class, and holds no image"]),
    "labels for some": (
        folder({**THREE, "dataset.json": {"labels": [["0.png", 0], ["1.png", 1]]}}),
        [],
        ["has no label for 1 images, such as '2.png'"],
    ),
    "too small": (folder(THREE), ["resolution=16", "channels=[8,8,8]"], ["3 too small", "upscale=true"]),
    "not square": (
        folder({"a.png": picture(0)[:6]}),
        [],
        ["resolution is missing: a.png has 8 x 6 pixels", "give resolution=256"],
    ),
    "no power of two": (
        folder({"a.png": picture(0, 12)}),
        [],
        ["resolution is missing: a.png has 12 x 12 pixels", "a power of two"],
    ),
    "another width of labels": (
        folder({**THREE, "dataset.json": {"labels": [[name, 0] for name in THREE]}}),
        ["label_dim=4"],
        ["The images have labels of width 1, the generator of 4: give label_dim=1"],
    ),
}


# Alike: the images are looked through, and none or not all of them serve.
SETS_ALIKE = {"an empty folder", "labels for some", "too small", "no power of two"}


@pytest.mark.parametrize("name", thinned(SETS, SETS.keys() - SETS_ALIKE))
def test_a_set_that_cannot_be_used_is_one_line(train, tmp_path, name):
    make, given, parts = SETS[name]
    if make is not None:
        make(tmp_path / "set")
    assert_told(train("data=set", *given), *parts)
    assert not (tmp_path / "mine").exists()


SETTINGS = {
    "no data": ([], ["What is learnt from is missing: data=FOLDER trains from images"]),
    "no data for the task": (["task=adversarial"], ["data is missing: data=FOLDER"]),
    "data twice": (["data=photos", "data=photos"], ["data is given twice"]),
    "data and teacher": (
        ["data=photos", "teacher=x"],
        ["data= and teacher= are of different tasks, adversarial and distillation: give one of them"],
    ),
    "resolution 12": (["data=photos", "resolution=12"], ["resolution", "power of two", "12"]),
    "resolution 0": (["data=photos", "resolution=0"], ["resolution", "power of two"]),
    "batch of none": (["data=photos", "batch_size=0"], ["batch_size is at least 1; got 0"]),
    "batch below none": (["data=photos", "batch_size=-4"], ["batch_size is at least 1; got -4"]),
    "penalty with projected": (
        ["data=photos", "discriminator=projected", "penalty.r1=1"],
        ["'projected' takes no penalty on its slope: give penalty.r1=0", "training=projected"],
    ),
    "figures that flatter": (
        ["data=photos", "training=projected", "quality.metrics=[fd]", "quality.features=efficientnet_lite0"],
        [
            "judges efficientnet_lite0, in which fd would flatter",
            "quality.features, such as efficientnet_lite1",
        ],
    ),
    "best is not measured": (["data=photos", "quality.metrics=[kid]"], ["one of metrics", "'fd'", "kid"]),
    "init is a recipe": (["data=photos", "init=stylegan2"], ["'stylegan2' is a recipe and has no weights"]),
    "init is nothing": (["data=photos", "init=nowhere"], ["'nowhere'"]),
    "init is images": (["data=photos", "init=photos"], ["'photos' is a set of images, not a model"]),
    "a discriminator alone": (["data=photos", "init_discriminator=x"], ["give init as well"]),
    "an unknown part": (["data=photos", "freeze=[maping]"], ["freeze: ", "'maping'", "mapping"]),
    "all layers frozen": (["data=photos", "freeze_discriminator=99"], ["freeze_discriminator=99", "layers"]),
    "an unknown game": (["data=photos", "game.kind=wasserstein"], ["kind", "'wasserstein'", "hinge"]),
    "an unknown group": (["data=photos", "augment=ada", "augment.groups=bgx"], ["'bgx'", "bgc"]),
    "a strength": (["data=photos", "ada.fixed=-1"], ["fixed is not negative"]),
    "a share": (["data=photos", "style_mixing=2"], ["style_mixing is a share from 0 to 1; got 2"]),
    "fp16 on a CPU": (["data=photos", "precision=fp16"], ["precision=fp16 is for GPUs"]),
    "accumulate": (["data=photos", "accumulate=3"], ["batch_size=4 cannot be divided", "a multiple of 3"]),
}


# Alike: composed as the others are, and refused by the settings' own checks, which have tests of their own.
SETTINGS_ALIKE = {
    *("no data for the task", "resolution 0", "batch of none", "batch below none", "best is not measured"),
    *(
        "init is nothing",
        "init is images",
        "an unknown game",
        "an unknown group",
        "a strength",
        "a share",
        "all layers frozen",
    ),
}


@pytest.mark.parametrize("name", thinned(SETTINGS, SETTINGS.keys() - SETTINGS_ALIKE))
def test_a_setting_that_is_wrong_is_one_line(train, tmp_path, name):
    given, parts = SETTINGS[name]
    assert_told(train(*given), *parts)
    assert not (tmp_path / "mine").exists()


# What is allowed, and told


def finished(result, *parts):
    status, out, err = result
    assert status == 0, err
    assert out.startswith("mine: ") and "Traceback" not in err
    for part in parts:
        assert part in err


def test_three_images_are_enough_with_a_warning(train, tmp_path):
    folder(THREE)(tmp_path / "set")
    finished(train("data=set"), "3 images are so few that the generator will learn them by heart")


def test_a_corrupt_image_is_left_out_by_its_name(train, tmp_path):
    folder({**THREE, "1.png": damaged()})(tmp_path / "set")
    finished(train("data=set", "skip=true"), "Images: 2 of set", "1 corrupt, left out, such as 1.png")


def test_images_that_are_not_square_are_cut_or_squeezed(train, tmp_path):
    folder({"a.png": picture(0, 16)[:8], "b.png": picture(1)})(tmp_path / "set")
    finished(train("data=set", "resolution=8"), "1 are not square: the square in the middle counts")


def test_dark_images_of_16_bits_are_told(train, tmp_path):
    dark = np.arange(64, dtype=np.uint16).reshape(8, 8)
    folder({"a.png": dark, "b.png": dark + 64})(tmp_path / "set")
    finished(
        train("data=set", "img_channels=1"), "2 of 16 bits are nearly black: ganzoo data prepare --white"
    )


def test_what_a_run_would_cost_is_told_and_nothing_is_made(train, tmp_path):
    status, out, err = train("data=photos", "--dry-run")
    assert (status, out) == (0, "") and "a kimg" in err and "0.004 kimg end in about" in err
    assert not (tmp_path / "mine").exists()


def test_the_figures_of_one_image_are_refused_before_anything_is_learnt(train, tmp_path):
    folder({"a.png": picture(0)})(tmp_path / "set")
    result = train("data=set", "quality.metrics=[fd]", "quality.num=4")
    assert_told(result, "set has 1 image, and figures take at least 2: give more, or quality.metrics=[].")
    assert "Speed" not in result[2]
    assert not (tmp_path / "mine").exists()
