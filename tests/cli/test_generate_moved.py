"""`--translate --rotate` of `generate` and `film`: the images of a StyleGAN3 move; other models refuse."""

from itertools import product

import numpy as np
import pytest
import torch
from helpers import assert_one_line, trained
from PIL import Image

import ganzoo
from ganzoo.generators.config import GeneratorConfig
from ganzoo.latent.look import Look
from ganzoo.system.images import read_settings, to_images


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moving")
    data = {"generator": "stylegan3", "resolution": 16, "channels": [4, 4, 4], "margin_size": 2}
    generator = trained(GeneratorConfig.from_dict({**data, "z_dim": 4, "w_dim": 4}))
    ganzoo.save(generator, folder)
    return generator, folder


def test_the_images_are_those_of_python(run, moving, tmp_path):
    generator, folder = moving
    words = ["generate", folder, "--seeds=3", "--psi=1", "--translate", "-0.25,0.5", "--rotate=30"]
    assert run(*words, "--out", tmp_path)[0] == 0
    back = generator.synthesis.move((-0.25, 0.5), 30)
    with torch.inference_mode():
        expected = np.array(to_images(generator(generator.sample_z(1, seed=3)))[0]).astype(int)
        back()
        still = np.array(to_images(generator(generator.sample_z(1, seed=3)))[0]).astype(int)
    with Image.open(tmp_path / "seed0003.png") as image:
        made = np.array(image).astype(int)
    assert np.abs(made - expected).max() <= 1 < np.abs(made - still).max()
    settings = read_settings(tmp_path / "seed0003.png")
    assert (settings["translate"], settings["rotate"]) == ([-0.25, 0.5], 30.0)


def test_a_generator_is_given_back_as_it_was(moving, tmp_path):
    generator, _ = moving
    before = generator.synthesis.input.transform.clone()
    ganzoo.generate_images(generator, [0], tmp_path, rotate=30.0)
    assert torch.equal(generator.synthesis.input.transform, before)


def test_a_model_without_such_an_input_refuses(run, model_folder, tmp_path):
    for command, option in product(("generate", "film"), ("--translate=0.1,0", "--rotate=5")):
        words = [command, model_folder, "--seeds=0", option, "--out", tmp_path / "out" / "a.gif"]
        assert_one_line(run(*words), "cannot be shifted or turned", "StyleGAN3", "--rotate")
    assert not (tmp_path / "out").exists()


def test_a_film_turns_them(run, moving, tmp_path):
    generator, folder = moving
    words = [
        "film",
        folder,
        "--seeds=3",
        "--seconds=1",
        "--fps=4",
        "--rotate=360",
        "--out",
        tmp_path / "a.webp",
    ]
    assert run(*words)[0] == 0  # `--runtime auto` takes the runtime that can
    with Image.open(tmp_path / "a.webp") as film:
        film.seek(2)
        made = np.array(film.convert("RGB")).astype(int)
    back = generator.synthesis.move(rotate=180)
    [expected] = generator.to_pil(generator.draw(Look().w(generator, [3])))
    back()
    [still] = generator.to_pil(generator.draw(Look().w(generator, [3])))
    near, far = (np.abs(made - np.array(image).astype(int)).mean() for image in (expected, still))
    assert near < 8 and near < far / 2  # as near as WebP keeps it


@pytest.mark.parametrize(
    "option", ["--translate=0.1", "--translate=a,b", "--translate=1,2,3", "--translate=nan,0", "--rotate=inf"]
)
def test_what_is_no_place_is_refused_before_anything_is_opened(run, option):
    for command in ("generate", "film"):
        assert_one_line(run(command, "nowhere", option), option.partition("=")[0])
