"""Sets of images: generators by seeds, files by names."""

import sys

import numpy as np
import pytest
import torch
from metric_helpers import tiny_model, write_images
from PIL import Image

import ganzoo
from ganzoo.cli import main
from ganzoo.data.resize import resize, to_uint8
from ganzoo.metrics.sampling import Sampling
from ganzoo.metrics.sets import FileSamples, GeneratedSamples


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def generated(folder, *, deployed=False, **options):
    generator = ganzoo.load(folder)
    sampling = Sampling(**{"num": 4, "seed": 0, **options})
    generator = ganzoo.deploy(generator) if deployed else generator
    return GeneratedSamples(generator, sampling, name="m", sha256="a")


def generate(folder, out, *options):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(sys, "argv", ["ganzoo", "generate", str(folder), "--out", str(out), *options])
        main()
    assert not stop.value.code
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(out.glob("seed*.png"))]


@pytest.mark.parametrize("noise", ["const", "random"])
def test_images_are_those_that_generate_writes(tmp_path, model, noise):
    written = generate(model, tmp_path, "--seeds=3-6", "--psi=0.7", f"--noise={noise}")
    samples = generated(model, deployed=True, seed=3, truncation_psi=0.7, noise=noise)
    assert np.array_equal(samples.read(range(4), 16), np.stack(written))


def test_labels_come_in_turn(tmp_path):
    model = tiny_model(tmp_path / "model", label_dim=3)
    samples = generated(model, deployed=True)
    for seed in range(4):
        out = tmp_path / str(seed)
        [written] = generate(model, out, f"--seeds={seed}", "--psi=1", f"--label={seed % 3}")
        assert np.array_equal(samples.read([seed], 16)[0], written)
    assert samples.protocol["labels"] == "in turn"


def test_a_image_depends_on_its_own_seed_alone(model):
    samples, later = generated(model, noise="random"), generated(model, noise="random", seed=2)
    assert np.array_equal(samples.read([2, 3], 16), later.read([0, 1], 16))
    assert np.array_equal(samples.read([3, 0], 16)[0], samples.read([3], 16)[0])
    assert not np.array_equal(samples.read([0], 16), samples.read([1], 16))
    assert not np.array_equal(samples.read([0], 16), generated(model).read([0], 16))


def test_deployed_and_eager_agree_within_float_error(model):
    a, b = generated(model).read(range(4), 16), generated(model, deployed=True).read(range(4), 16)
    assert np.abs(a - b).max() <= 1  # a value may fall on the other side of rounding
    assert (a != b).mean() < 0.01


def test_greyscale_images_are_measured_in_three_equal_channels(tmp_path):
    pixels = generated(tiny_model(tmp_path / "grey", img_channels=1)).read([0], 16)
    assert pixels.shape == (1, 16, 16, 3) and np.ptp(pixels, axis=3).max() == 0 < pixels.std()


def test_images_with_alpha_are_measured_over_white_as_their_files_are(tmp_path):
    model = tiny_model(tmp_path / "rgba", img_channels=4)
    generate(model, tmp_path / "out", "--seeds=0-3", "--psi=1")
    (tmp_path / "out" / "sheet.png").unlink()
    samples, files = generated(model, deployed=True), FileSamples(tmp_path / "out")
    assert Image.open(tmp_path / "out" / "seed0000.png").mode == "RGBA"
    assert np.abs(samples.read(range(4), 16) - files.read(range(4), 16)).max() <= 1
    assert samples.protocol["alpha"] == files.protocol["alpha"] == "over white"


def test_one_file_with_alpha_is_told_in_the_protocol_of_a_set(tmp_path):
    files = write_images(tmp_path / "files", 3)
    assert "alpha" not in FileSamples(files).protocol
    Image.open(files / "002.png").convert("RGBA").save(files / "002.png")
    assert FileSamples(files).protocol["alpha"] == "over white"


def test_a_smaller_resolution_is_resized_to_first(model):
    plain = generated(model).read([0], 16)[0].astype(np.uint8)
    small = to_uint8(resize(plain, 8))
    assert np.array_equal(generated(model, resolution=8).read([0], 16)[0], resize(small, 16))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"noise": "loud"}, "const, random or none"),
        ({"truncation_psi": float("nan")}, "truncation_psi is a number"),
        ({"num": 0}, "got 0 of them"),
        ({"seed": -1}, "4294967295"),
        ({"seed": 2**32 - 3}, "4294967295"),
        ({"resolution": 32}, "1 to 16"),
        ({"resolution": 0}, "1 to 16"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(model, options, part):
    with pytest.raises(ValueError, match=part):
        generated(model, **options)
    assert len(generated(model, seed=2**32 - 4)) == 4


def test_images_that_are_not_finite_are_refused(model):
    samples = generated(model, seed=7)
    with torch.no_grad():
        samples.generator.synthesis.levels[0].const.fill_(float("nan"))
    with pytest.raises(ValueError, match="seed 8 by m is not finite"):
        samples.read([1], 16)


def test_files_are_named_by_their_hash(tmp_path):
    folder = write_images(tmp_path / "a", 3)
    before = FileSamples(folder).protocol
    assert before["kind"] == "files" and before["resolution"] == [16, 16]
    pixels = np.array(Image.open(folder / "001.png"))
    pixels[3, 4, 0] ^= 1
    Image.fromarray(pixels).save(folder / "001.png")
    assert FileSamples(folder).protocol["sha256"] != before["sha256"]


def test_mixed_sizes_are_told_by_name(tmp_path):
    folder = write_images(tmp_path / "a", 3)
    Image.new("RGB", (20, 16)).save(folder / "001.png")
    with pytest.raises(ValueError, match=r"001\.png has 20 x 16 pixels, 000\.png has 16 x 16"):
        FileSamples(folder).read(range(3), 16)
