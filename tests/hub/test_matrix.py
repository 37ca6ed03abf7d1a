"""Every architecture does all that a generator does, or says why not."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import trained
from hub_helpers import NAME
from matrix import FEATURES, PAGE, REASONS, RECIPES, WITH, with_table
from PIL import Image
from test_docs_commands import Colours

import ganzoo
from ganzoo.cards.signature import signed
from ganzoo.runtimes import load as load_runtime

CLASS = 1  # of a conditional network
SHORT = ["device=cpu", "kimg=0.004", "batch_size=2"]
DISTILLED = [
    *SHORT,
    "loss.feature_l1.weight=0",
    "cache.images=0",
    "held_out={num: 2, metrics: [l1], best: l1}",
]
TRAINED = [*SHORT, "quality={num: 2, metrics: []}", "discriminator_channel_max=8", "cache.folder=decoded"]


def write_pictures(folder, count, side=16, classes=0):
    """Images of noise; with classes, in turns."""
    folder.mkdir()
    random = np.random.RandomState(0)
    names = [f"{number}.png" for number in range(count)]
    for name in names:
        Image.fromarray(random.randint(256, size=(side, side, 3), dtype=np.uint8)).save(folder / name)
    if classes:
        labels = [[name, number % classes] for number, name in enumerate(names)]
        (folder / "dataset.json").write_text(json.dumps({"labels": labels}))


def images(generator, n=2):
    label = CLASS if generator.label_dim else None
    with torch.inference_mode():
        return generator(generator.sample_z(n, seed=5), label, truncation_psi=0.7)


class Bench:
    """A small model of a recipe in the folder `model`, and the command line."""

    def __init__(self, recipe, run, monkeypatch):
        self.recipe, self.run, self.patch = recipe, run, monkeypatch
        self.generator = trained(ganzoo.create(recipe, **RECIPES[recipe]).config)
        self.label = ["--label", CLASS] if self.generator.label_dim else []
        ganzoo.save(self.generator, "model", golden=True)

    def call(self, command, *more):
        status, out, err = self.run(*shlex.split(command), *more)
        if status == 2:
            raise ValueError(err)
        assert status == 0, err
        return out

    def settings(self):
        return [f"{key}={str(value).replace(' ', '')}" for key, value in RECIPES[self.recipe].items()]


def create(bench):
    image = images(bench.generator)
    side = bench.generator.resolution
    assert image.shape == (2, 3, side, side) and image.isfinite().all() and image.std() > 0


def save_and_load(bench):
    assert torch.equal(images(ganzoo.load("model")), images(bench.generator))


def info(bench):
    out = bench.call("info model")
    mapping = sum(p.numel() for p in bench.generator.mapping.parameters())
    assert f"{mapping:,}" in out and "MACs of one forward" in out


def generate(bench):
    bench.call("generate model --seeds 5-6 --out images", *bench.label)
    made = np.stack([np.array(Image.open(f"images/seed000{seed}.png")) for seed in (5, 6)])
    expected = np.stack([np.array(image) for image in bench.generator.to_pil(images(bench.generator))])
    assert np.abs(made.astype(int) - expected.astype(int)).max() <= 1


def mix(bench):
    bench.call("mix model --rows 0 --columns 1 --out mixed", *bench.label)


def film(bench):
    classes = ["--labels", CLASS] if bench.label else []
    bench.call("film model --seeds 0,1 --seconds 0.2 --runtime torch --out film.webp", *classes)


def deploy(bench):
    assert (images(ganzoo.deploy(ganzoo.load("model"))) - images(bench.generator)).abs().max() <= 1e-4


def exported(target, runtime):
    def check(bench):
        pytest.importorskip(runtime)
        bench.call(f"export model --to {target} --out files")
        engine = load_runtime("files", runtime)
        assert (images(engine) - images(bench.generator)).abs().max() <= 1e-4

    return check


def compare(bench):
    bench.call("compare model model --seeds 0 --features none --runs 1", *bench.label)


def evaluate(bench):
    pytest.importorskip("torch_fidelity")
    write_pictures(Path("photos"), 6)
    bench.call("eval model --real photos --num 4 --resamples 2 --metrics fd")


def hub(bench):
    model = bench.generator
    text = ["license: mit", "library_name: ganzoo", "tags: [ganzoo]"]
    card = "\n".join(["---", *text, "---", "", "# model", "", "## Lineage", "", "Of seed 0.", ""])
    Path("model/README.md").write_text(signed(card))
    bench.call("push model me/tiny")
    assert torch.equal(images(ganzoo.create(NAME)), images(model))


def train(bench):
    classes = bench.generator.label_dim
    write_pictures(Path("photos"), 6, bench.generator.resolution, classes)
    bench.call(f"train {bench.recipe} data=photos out=run", *bench.settings(), *TRAINED)
    assert ganzoo.load("run/generator").config.architecture == bench.generator.config.architecture


def teach(bench):
    settings = f"resolution=16 channel_base=64 channel_max=8 {WITH.get((bench.recipe, 'teach'), '')}"
    bench.call(f"distill mobilestylegan teacher=model out=run {settings}", *DISTILLED)
    assert ganzoo.load("run/student").z_dim == bench.generator.z_dim


def learn(bench):
    bench.call(f"distill {bench.recipe} teacher=model out=run", *bench.settings(), *DISTILLED)
    assert ganzoo.load("run/student").config.architecture == bench.generator.config.architecture


CHECKS = (
    create, save_and_load, info, generate, mix, film, deploy, exported("onnx", "onnxruntime"),
    exported("openvino", "openvino"), compare, evaluate, hub, train, teach, learn,
)  # fmt: skip


@pytest.fixture
def bench(request, hub, run, tmp_path, monkeypatch):
    for module in ("metrics.evaluation", "training.adversarial_run"):
        monkeypatch.setattr(f"ganzoo.{module}.load_features", lambda name, cache_dir=None: Colours())
    monkeypatch.chdir(tmp_path)
    return Bench(request.param, run, monkeypatch)


@pytest.mark.docs
@pytest.mark.usefixtures("operators_of_onnx_are_read_once")
@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("bench", RECIPES, indirect=True)
def test_an_architecture_does_what_generators_do_or_says_why_not(bench, feature):
    check = dict(zip(FEATURES, CHECKS, strict=True))[feature]
    reason = REASONS.get((bench.recipe, feature))
    if reason is None:
        check(bench)
    else:
        with pytest.raises(ValueError, match=re.escape(reason)):
            check(bench)


def test_the_page_shows_what_was_tried():
    assert PAGE.read_text() == with_table(PAGE.read_text()), "python tests/matrix.py writes the table"
