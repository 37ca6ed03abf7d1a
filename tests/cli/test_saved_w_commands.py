"""Saved w on the command line: what draws seeds draws them, too."""

import pytest
import torch
from cli_helpers import assert_one_line
from helpers import tiny, trained
from PIL import Image
from safetensors.torch import load_file

import ganzoo
from ganzoo.export.check import FIRST_SEED, case
from ganzoo.export.forms import Form
from ganzoo.export.graphs import Options, graphs
from ganzoo.latent.saved import save_w
from ganzoo.system.images import read_settings


@pytest.fixture
def saved(run, model_folder, tmp_path):
    """The folder of two images of seeds, and of their w."""
    assert run("generate", model_folder, "--seeds=2,5", "--save-w", "--out", tmp_path / "seeds")[0] == 0
    return tmp_path / "seeds"


def test_saved_w_give_the_very_images_that_they_were_saved_of(run, model_folder, saved, tmp_path):
    status, out, _ = run("generate", model_folder, "--w", saved / "w.safetensors", "--out", tmp_path / "w")
    assert status == 0 and out.startswith("2 images and sheet.png in")
    for number, seed in enumerate((2, 5)):
        image, settings = tmp_path / "w" / f"w{number:04d}.png", {"w": number, "truncation_psi": 1.0}
        assert pixels(image) == pixels(saved / f"seed{seed:04d}.png")
        assert read_settings(image).items() >= settings.items()
    assert read_settings(tmp_path / "w" / "sheet.png")["w"] == "0-1"


def pixels(path):
    with Image.open(path) as image:
        return image.tobytes()


def test_a_psi_truncates_saved_w(run, model_folder, saved, tmp_path):
    command = ["generate", model_folder, "--w", saved / "w.safetensors", "--psi=0", "--save-w"]
    assert run(*command, "--out", tmp_path / "mean")[0] == 0
    w = load_file(tmp_path / "mean" / "w.safetensors")["w"]
    mean = ganzoo.load(model_folder).mapping.w_avg.expand_as(w)
    assert torch.allclose(w, mean, atol=1e-6)


def test_noise_that_was_saved_with_w_is_drawn(run, model_folder, tmp_path):
    model = ganzoo.load(model_folder)
    w = model.mapping(model.sample_z(2)).detach()
    noise = [torch.randn(2, 1, *size) for size in model.synthesis.noise_sizes]
    save_w(tmp_path / "w.safetensors", w, model, noise=noise)
    made = ganzoo.generate_images(model, None, tmp_path, w=ganzoo.latent.saved.load_w(
        tmp_path / "w.safetensors", model), batch_size=1)  # fmt: skip
    expected = model.to_pil(model.synthesis(w, noise).image)
    assert [pixels(path) for path in made.images] == [image.tobytes() for image in expected]


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--seeds=0"], "one of the two"),
        (["--label=1"], "have their class already"),
        (["--cutoff=99"], "--cutoff is 0 to"),
        (["--centers=0"], "--centers is 1 to"),
    ],
)
def test_what_does_not_go_with_saved_w_is_told(run, model_folder, saved, tmp_path, more, part):
    out = tmp_path / "new"
    command = ["generate", model_folder, "--w", saved / "w.safetensors", "--out", out]
    assert_one_line(run(*command, *more), part)
    assert not out.exists()


def test_tensors_are_drawn_like_files_if_they_fit(model_folder, tmp_path):
    model = ganzoo.load(model_folder)
    w = model.mapping(model.sample_z(1)).detach()
    [image] = ganzoo.generate_images(model, None, tmp_path / "w", w=w).images
    assert pixels(image) == model.to_pil(model.synthesis(w).image)[0].tobytes()
    for wrong, told in ((w[:, :2], "are \\[N, 8, "), (w[:0], "no w to draw")):
        with pytest.raises(ValueError, match=told):
            ganzoo.generate_images(model, None, tmp_path / "new", w=wrong)
    with pytest.raises(ValueError, match="not both"):
        ganzoo.generate_images(model, [0], tmp_path / "new", w=w)
    assert not (tmp_path / "new").exists()


def test_w_of_another_model_are_told_in_one_line(run, saved, tmp_path):
    ganzoo.save(trained(tiny(), seed=3), tmp_path / "other")
    command = ["generate", tmp_path / "other", "--w", saved / "w.safetensors", "--out", tmp_path / "new"]
    assert_one_line(run(*command), "w of ")
    assert_one_line(run(*command[:-4], "--w", tmp_path / "none.safetensors"), "does not exist")


@pytest.fixture
def family(tmp_path):
    """Two models that share their mapping network, and w of both."""
    one, other = trained(tiny()), trained(tiny("wavelet"))
    other.mapping.load_state_dict(one.mapping.state_dict())
    ganzoo.save(one, tmp_path / "one")
    ganzoo.save(other, tmp_path / "other")
    file = save_w(tmp_path / "mine.safetensors", one.mapping(one.sample_z(3, seed=8)), one)
    return tmp_path / "one", tmp_path / "other", file


def test_models_are_compared_on_saved_w(run, family, tmp_path):
    page = tmp_path / "page.html"
    status, out, _ = run("compare", *family[:2], "--w", family[2], "--runs=0", "--out", page)
    assert status == 0 and out.startswith("2 models, 3 w: ")
    text = page.read_text()
    assert "A row is a w, a column a model" in text and "W 2</th>" not in text and "w 2</th>" in text
    assert f"<dt>w</dt><dd>{family[2]}</dd>" in text and "One seed is" not in text
    assert_one_line(run("compare", *family[:2], "--w", family[2], "--seeds=0"), "one of the two")
    ganzoo.save(trained(tiny(), seed=3), tmp_path / "stranger")
    assert_one_line(run("compare", family[0], tmp_path / "stranger", "--w", family[2]), "another model")


def test_models_are_timed_on_saved_w(run, family):
    command = ["bench", family[0], "--runtime=torch", "--rounds=1", "--no-memory", "--w"]
    assert run(*command, family[2], "--latents=2", "--batch=4")[0] == 0
    assert_one_line(run(*command, family[2].parent / "none.safetensors"), "does not exist")
    assert_one_line(run("bench", "mobilestylegan", "--w", family[2]), "needs models")


def test_exported_files_are_verified_on_saved_w(run, family, tmp_path):
    model = ganzoo.load(family[0])
    w, options = load_file(family[2])["w"], Options()
    synthesis = graphs(model, options, Form())[-1]
    assert synthesis.name == "synthesis"
    [tried], expected = case(model, synthesis, options, 4, FIRST_SEED + 2, w)
    assert torch.equal(tried, w[[2, 0, 1, 2]]) and torch.equal(expected, model.synthesis(tried).image)
    command = ["export", family[0], "--to=torch", "--w", family[2], "--out", tmp_path / "new"]
    assert_one_line(run(*command, "--no-verify"), "--verify and --parts apart")
