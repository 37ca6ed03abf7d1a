"""`ganzoo project` with tiny networks: what it writes, and what it says of mistakes."""

import json
import signal
import time

import numpy as np
import pytest
import torch
from helpers import assert_one_line, tiny, trained
from PIL import Image
from processes import started

import ganzoo
from ganzoo.cli import main
from ganzoo.latent.saved import load_w, save_w
from ganzoo.projection import project as project_images
from ganzoo.projection.files import FILM_FILE, PROGRESS_FILE, W_FILE, write_projected
from ganzoo.projection.photos import read_targets
from ganzoo.system.images import save_png


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, two images that it made, and a grey photo of another size."""
    folder = tmp_path_factory.mktemp("project")
    ganzoo.save(trained(tiny("wavelet")), folder / "model")
    ganzoo.generate_images(str(folder / "model"), [3, 4], folder / "made")
    grey = np.random.RandomState(0).randint(256, size=(40, 30), dtype=np.uint8)
    Image.fromarray(grey).save(folder / "grey.png")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    other = trained(tiny("wavelet"), seed=5)
    ganzoo.save(other, folder / "other")
    save_w(folder / "other.safetensors", other.mapping(other.sample_z(1)), other)
    ganzoo.save(trained(tiny("wavelet", resolution=64)), folder / "big")
    return folder


def project(run, folder, *words, model="model"):
    """The command without a feature network, which would be downloaded."""
    return run("project", folder / model, *words, "--features", "none")


def test_an_image_becomes_w_a_pair_and_a_film(run, folder, tmp_path):
    made = folder / "made" / "seed0003.png"
    status, out, err = project(run, folder, made, folder / "grey.png", "--steps", "60", "--out", tmp_path)
    assert status == 0, err
    assert "seed0003.png" in out and "dB in W" in out and f"--w {tmp_path / W_FILE}" in out
    generator = ganzoo.load(folder / "model")
    saved = load_w(tmp_path / W_FILE, generator)
    assert saved.w.shape == (2, 6, 8) and saved.noise is None
    assert saved.facts["space"] == "w" and json.loads(saved.facts["images"]) == ["seed0003", "grey"]
    target = np.asarray(Image.open(made)).astype(float)
    again = np.asarray(generator.to_pil(generator.synthesis(saved.w[:1]).image)[0]).astype(float)
    mean = np.asarray(generator.to_pil(generator(torch.zeros(1, 8), truncation_psi=0))[0]).astype(float)
    assert abs(again - target).mean() < 0.2 * abs(mean - target).mean()
    pair = np.asarray(Image.open(tmp_path / "seed0003.png"))
    assert pair.shape == (16, 32, 3) and (pair[:, :16] == target).all() and (pair[:, 16:] == again).all()
    with Image.open(tmp_path / FILM_FILE) as film:
        assert film.n_frames > 20
    assert (tmp_path / PROGRESS_FILE).is_file()


def test_images_of_saved_w_and_of_edits_are_where_they_belong(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("ganzoo.faces.alignment.aligned", None)
    generator = ganzoo.load(folder / "model")
    save_w(tmp_path / "w.safetensors", generator.mapping(generator.sample_z(1)), generator)
    made = ganzoo.generate_images(
        generator, None, tmp_path / "made", w=load_w(tmp_path / "w.safetensors", generator)
    ).images
    save_png(Image.new("RGB", (16, 16)), tmp_path / "edited.png", {"point": "w0000"})
    assert read_targets([*made, tmp_path / "edited.png"], 16, align=True).shape == (2, 3, 16, 16)


@pytest.mark.parametrize("home", [False, True])
def test_an_image_is_not_overwritten_by_its_pair(run, folder, tmp_path, monkeypatch, home):
    monkeypatch.setenv("HOME", str(tmp_path))
    photo = tmp_path / "me.png"
    Image.new("RGB", (20, 20), "red").save(photo)
    before = photo.read_bytes()
    result = project(run, folder, photo, "--steps", "1", "--out", "~" if home else tmp_path)
    assert_one_line(result, "where it would be overwritten: give another folder")
    assert photo.read_bytes() == before and list(tmp_path.iterdir()) == [photo]


def test_equal_names_are_numbered_until_they_differ(folder, tmp_path):
    generator = ganzoo.load(folder / "model")
    targets = torch.zeros(4, 3, 16, 16)
    found = project_images(generator, targets, steps=1, features=None)
    files = write_projected(tmp_path, generator, found, targets, ["a", "a-1", "a", "a"], {})
    assert [file.name for file in files] == ["a.png", "a-1.png", "a-2.png", "a-3.png"]


def test_noise_is_fitted_and_saved_if_asked_for(run, folder, tmp_path):
    made = folder / "made" / "seed0003.png"
    assert project(run, folder, made, "--steps", "3", "--noise", "--space", "w+", "--out", tmp_path)[0] == 0
    generator = ganzoo.load(folder / "model")
    saved = load_w(tmp_path / W_FILE, generator)
    assert [x.shape[2] for x in saved.noise] == [size[0] for size in generator.synthesis.noise_sizes]
    assert all(abs(x.mean()) < 1e-5 and abs(x.square().mean() - 1) < 1e-4 for x in saved.noise)


def test_a_projection_goes_on_from_a_file_of_w_or_a_seed(run, folder, tmp_path):
    made = folder / "made" / "seed0004.png"
    generator = ganzoo.load(folder / "model")
    project(run, folder, made, "--steps", "1", "--start", "4", "--out", tmp_path)
    w = load_w(tmp_path / W_FILE, generator).w
    torch.testing.assert_close(w, generator.mapping(generator.sample_z([4])))  # the first rate is 0
    project(run, folder, made, "--steps", "1", "--start", tmp_path / W_FILE, "--out", tmp_path / "next")
    torch.testing.assert_close(load_w(tmp_path / "next" / W_FILE, generator).w, w)


def test_a_tuned_model_draws_the_image_of_the_w(run, folder, tmp_path):
    words = [folder / "grey.png", "--steps", "20", "--tune", "--tune-steps", "60", "--out", tmp_path]
    status, out, err = project(run, folder, *words)
    assert status == 0, err
    before, after = (float(line.split(" dB")[0].split()[-1]) for line in out.splitlines()[:2])
    assert after > before + 0.5
    tuned, old = ganzoo.load(tmp_path / "tuned"), ganzoo.load(folder / "model")
    w = load_w(tmp_path / W_FILE, tuned).w
    assert (tuned.synthesis(w).image - old.synthesis(w).image).abs().max() > 0.01
    assert torch.equal(tuned.mapping.w_avg, old.mapping.w_avg)
    card = (tmp_path / "tuned" / "README.md").read_text()
    assert str(folder / "model") in card and "Pivotal tuning" in card and "60 steps" in card
    assert (tmp_path / "tuned.png").is_file()


MISTAKES = {
    "no image": (["IMAGE/missing.png"], "does not exist"),
    "a folder": (["IMAGE/made"], "is a folder"),
    "what is no image": (["IMAGE/model/config.json"], "cannot be read"),
    "a tiny image": (["IMAGE/dot.png"], "too small"),
    "another space": (["IMAGE/grey.png", "--space", "z"], "w or w+"),
    "no start": (["IMAGE/grey.png", "--start", "here"], "mean, encoder, a seed, or a file"),
    "no encoder": (["IMAGE/grey.png", "--start", "encoder"], "there is none for"),
    "a w of another model": (["IMAGE/grey.png", "--start", "IMAGE/other.safetensors"], "another model"),
    "another mapping": (["IMAGE/grey.png", "--coarse", "IMAGE/other"], "mapping network"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_a_projection_gets_one_line(run, folder, tmp_path, case):
    words, told = MISTAKES[case]
    words = [word.replace("IMAGE", str(folder)) for word in words]
    model = "big" if case == "a tiny image" else "model"
    assert_one_line(project(run, folder, *words, "--out", tmp_path / "out", model=model), told)


@pytest.mark.processes
def test_ctrl_c_keeps_the_w_that_there_is(folder, tmp_path):
    words = ["project", folder / "model", folder / "made" / "seed0003.png", "--steps", "99999"]
    words += ["--features", "none", "--out", tmp_path]
    with started(tmp_path / "said", main, *words) as process:
        while not (tmp_path / PROGRESS_FILE).is_file():
            assert process.process.is_alive()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        status, _, err = process.finish()
    assert status == 130
    assert err.startswith("ganzoo: Interrupted: ") and "of 99999 steps" in err and err.count("\n") == 1
    assert load_w(tmp_path / W_FILE, ganzoo.load(folder / "model")).w.isfinite().all()
    with Image.open(tmp_path / FILM_FILE) as film:
        film.load()


def test_options_of_project_are_frozen(run):
    # Scripts rely on these names: a change here is a change for users.
    text = run("project", "--help")[1]
    options = ["--space", "--steps", "--out", "--align", "--no-align", "--start", "--noise", "--features"]
    options += ["--coarse", "--tune", "--tune-steps", "--seed", "--device", "--cache-dir"]
    assert [option for option in options if option not in text] == []
