"""Saved w on the command line: what draws seeds draws them, too."""

import pytest
import torch
from cli_helpers import assert_one_line
from helpers import tiny, trained
from safetensors.torch import load_file

import ganzoo
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
    from PIL import Image

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


def test_w_of_another_model_are_told_in_one_line(run, saved, tmp_path):
    ganzoo.save(trained(tiny(), seed=3), tmp_path / "other")
    command = ["generate", tmp_path / "other", "--w", saved / "w.safetensors", "--out", tmp_path / "new"]
    assert_one_line(run(*command), "w of ")
    assert_one_line(run(*command[:-4], "--w", tmp_path / "none.safetensors"), "does not exist")
