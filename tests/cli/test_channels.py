"""Every command on models of grey images, of RGB and of RGBA; one line for other numbers of channels."""

import itertools
import json

import numpy as np
import pytest
import torch
from cli_helpers import assert_one_line
from covering import thinned
from helpers import assert_same_image, tiny, trained
from PIL import Image
from torch import nn

import ganzoo
import ganzoo.compare.side_by_side
import ganzoo.runtimes
import ganzoo.training.loading
from ganzoo.features.networks import FeatureInfo, FeatureNetwork
from ganzoo.models.golden import GOLDEN_FILE, check_golden
from ganzoo.models.weights import weights_digest

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
WHITE = 255


class Shown(FeatureNetwork):
    """The colours of the four quarters; it keeps what it was shown last."""

    def __init__(self):
        super().__init__(FeatureInfo("shown", "0" * 64, 12, 16, (127.5,) * 3, (127.5,) * 3))
        self.pool = nn.AdaptiveAvgPool2d(2)

    def maps(self, pixels):
        return [self.pool((pixels - self.mean) / self.std) + 0.1]

    def forward(self, pixels):
        assert pixels.shape[1] == 3 and pixels.min() >= 0 and pixels.max() <= 255
        features = self.maps(pixels)[0].flatten(1)
        return features, features[:, :4]


@pytest.fixture(autouse=True)
def features(monkeypatch):
    for module in (ganzoo.metrics.evaluation, ganzoo.compare.side_by_side, ganzoo.training.loading):
        monkeypatch.setattr(module, "load_features", lambda name, cache_dir=None: Shown())


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of models, by their number of channels."""
    root = tmp_path_factory.mktemp("models")
    for channels in (1, 2, 3, 4, 5):
        ganzoo.save(trained(tiny(img_channels=channels)), root / f"m{channels}")
    return {channels: root / f"m{channels}" for channels in (1, 2, 3, 4, 5)}


@pytest.fixture(params=thinned(MODES, [1, 4]))  # three are those of nearly all other tests
def channels(request):
    return request.param


@pytest.fixture
def model(models, channels):
    return models[channels]


def ran(result):
    status, out, err = result
    assert status == 0, err
    return out


def image_set(folder, mode, n=12, side=16):
    """Files of noise, transparent here and there where the mode has alpha."""
    folder.mkdir()
    random = np.random.RandomState(n)
    for i in range(n):
        pixels = random.randint(0, 256, (side, side, 4)).astype(np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"{i}.png")
    return folder


def test_generate_writes_files_of_the_models_channels_and_an_opaque_sheet(run, model, channels, tmp_path):
    ran(run("generate", model, "--seeds=0-2", "--psi=1", "--out", tmp_path))
    image = Image.open(tmp_path / "seed0001.png")
    assert image.mode == MODES[channels]
    network = ganzoo.load(model)
    with torch.inference_mode():
        expected = network(network.sample_z(1, seed=1))[0]
    got = torch.from_numpy(np.array(image)).view(16, 16, channels).permute(2, 0, 1)
    assert (got - (expected.clamp(-1, 1) * 127.5 + 127.5)).abs().max() <= 0.51
    assert Image.open(tmp_path / "sheet.png").mode == "RGB"


def test_python_gives_the_very_image_that_generate_writes(run, model, tmp_path):
    ran(run("generate", model, "--seeds=7", "--psi=1", "--out", tmp_path))
    network = ganzoo.deploy(ganzoo.load(model))
    with torch.inference_mode():
        (image,) = network.to_pil(network(network.sample_z([7])))
    assert image.tobytes() == Image.open(tmp_path / "seed0007.png").tobytes()


def test_info_and_card_take_any_model(run, model, channels, tmp_path):
    assert f"img_channels: {channels}" in ran(run("info", model))
    ran(run("card", model, "--out", tmp_path, "--samples"))
    assert Image.open(tmp_path / "samples.jpg").mode == "RGB"


def test_every_metric_of_sets_is_measured(run, model, channels, tmp_path):
    real = image_set(tmp_path / "real", MODES[channels])
    told = ["--num=12", "--resamples=2", "--json", "--cache-dir", tmp_path / "cache"]
    out = ran(run("eval", model, "--real", real, "--metrics=fd,kid,precision,recall,is,ppl", *told))
    records = [json.loads(line) for line in out.splitlines()]
    assert [r["metric"].partition("_")[0] for r in records] == [
        "fd",
        "kid",
        "precision",
        "recall",
        "is",
        "ppl",
    ]
    assert {r["sampling"].get("alpha") for r in records} == {"over white" if channels == 4 else None}
    assert records[0]["real"].get("alpha") == ("over white" if channels == 4 else None)


def test_every_metric_of_pairs_is_measured(run, model, channels):
    out = ran(run("eval", model, "--teacher", model, "--num=2", "--json"))
    l1, psnr, perceptual = (json.loads(line) for line in out.splitlines())
    assert l1["value"] == perceptual["value"] == 0 and psnr["value"] > 100
    seen = [r["sampling"].get("alpha") for r in (l1, psnr, perceptual)]
    assert seen == (["a fourth channel"] * 2 + ["over white"] if channels == 4 else [None] * 3)


def test_a_model_is_as_far_from_its_own_files_as_rounding_is(run, model, tmp_path):
    told = ["--resamples=0", "--json", "--cache-dir", tmp_path / "cache"]
    ran(run("generate", model, "--seeds=0-19", "--psi=1", "--out", tmp_path / "files"))
    (tmp_path / "files" / "sheet.png").unlink()
    out = ran(run("eval", model, "--real", tmp_path / "files", "--metrics=fd", "--num=20", "--seed=0", *told))
    assert abs(json.loads(out)["value"]) < 1e-3


def test_records_of_models_with_alpha_are_not_compared_with_others(run, models, tmp_path):
    real = image_set(tmp_path / "real", "RGB")
    told = ["--real", real, "--metrics=fd", "--num=12", "--resamples=0", "--cache-dir", tmp_path / "cache"]
    ran(run("eval", models[3], *told, "--out", tmp_path / "records"))
    ran(run("eval", models[1], *told, "--against", tmp_path / "records"))
    result = run("eval", models[4], *told, "--against", tmp_path / "records")
    assert_one_line(result, "sampling.alpha: 'over white' and None")


@pytest.mark.parametrize("pair", thinned(itertools.product(MODES, MODES), [(1, 3), (3, 4), (4, 1)]), ids=str)
def test_compare_shows_and_subtracts_images_of_any_channels(run, models, pair, tmp_path):
    page = tmp_path / "page.html"
    one, other = (models[channels] for channels in pair)
    ran(run("compare", one, other, "--seeds=0", "--runs=1", "--features=shown", "--out", page))
    html = page.read_text()
    assert ("shown over white" in html) == (4 in pair) and "L1" in html


@pytest.mark.parametrize("channels", thinned(MODES, [4]))  # three are those of the tests of training
def test_a_student_has_its_teachers_channels(run, model, channels, tmp_path):
    told = ["training=debug", "device=cpu", "resolution=16", "channel_max=8", "kimg=0.004", "batch_size=2"]
    held_out = "held_out={num: 2}"
    folder = f"cache.folder={tmp_path / 'cache'}"
    ran(run("distill", f"teacher={model}", *told, held_out, folder, f"out={tmp_path / 'run'}"))
    student = ganzoo.load(tmp_path / "run" / "student")
    assert student.img_channels == channels
    assert ("over white" in (tmp_path / "run" / "student" / "README.md").read_text()) == (channels == 4)
    sheets = list((tmp_path / "run" / "samples").glob("*.png"))
    assert sheets and {Image.open(path).mode for path in sheets} == {"RGB"}


def test_channels_that_are_not_the_teachers_are_refused(run, models, tmp_path):
    told = [f"teacher={models[4]}", "training=debug", "resolution=16", f"out={tmp_path / 'run'}"]
    assert_one_line(run("distill", *told, "img_channels=3"), "give img_channels=4")


def test_data_prepare_keeps_the_channels_that_are_asked_for(run, channels, tmp_path):
    source = image_set(tmp_path / "source", "RGBA", n=3)
    told = ["--resolution=16", f"--channels={channels}", "--workers=1"]
    ran(run("data", "prepare", source, tmp_path / "set.zip", *told))
    images = ganzoo.data.ImageSet(tmp_path / "set.zip", channels=channels)
    image = images.read(0)
    assert image.mode == MODES[channels]
    if channels == 4:
        assert np.array_equal(np.asarray(image), np.asarray(Image.open(source / "0.png")))


@pytest.mark.parametrize("channels", thinned([1, 4], [4]))  # three are exported by the tests of engines
def test_exported_files_give_the_same_images(run, model, channels, tmp_path):
    ran(run("export", model, "--to", "openvino", "--verify", "--out", tmp_path / "files"))
    engine, network = ganzoo.runtimes.load(str(tmp_path / "files"), "openvino"), ganzoo.load(model)
    z = network.sample_z(2)
    with torch.inference_mode():
        assert_same_image(engine(z), network(z))
    ran(run("generate", tmp_path / "files", "--runtime=openvino", "--seeds=0", "--out", tmp_path / "out"))
    assert Image.open(tmp_path / "out" / "seed0000.png").mode == MODES[channels]


def test_bench_times_them(run, model):
    assert " 16 " in ran(run("bench", model, "--runtime=torch", "--rounds=1", "--no-memory"))


def test_the_golden_file_of_a_saved_model_holds_all_channels(model, tmp_path):
    network = ganzoo.load(model)
    ganzoo.save(network, tmp_path, golden=True)
    assert check_golden(network, tmp_path / GOLDEN_FILE, weights_digest(network)) == 0


COMMANDS = ["generate", "eval", "teacher", "compare", "card", "distill"]


@pytest.mark.parametrize(
    "case", thinned(itertools.product(COMMANDS, [2, 5]), [*zip(COMMANDS, [2, 5] * 3, strict=True)]), ids=str
)
def test_another_number_of_channels_gets_one_line(run, models, case, tmp_path):
    command, channels = case
    model = models[channels]
    arguments = {
        "generate": ["generate", model, "--out", tmp_path / "out"],
        "eval": ["eval", model, "--metrics=is", "--num=12"],
        "teacher": ["eval", model, "--teacher", model, "--num=2"],
        "compare": ["compare", model, model, "--seeds=0", "--out", tmp_path / "out.html"],
        "card": ["card", model, "--out", tmp_path / "out", "--samples"],
        "distill": ["distill", f"teacher={model}", "resolution=16", f"out={tmp_path / 'out'}"],
    }
    assert_one_line(run(*arguments[command]), "1 (grey), 3 (RGB) or 4 channels (RGBA)", f"have {channels}")
    assert not list(tmp_path.iterdir())
