"""An adversarial run from the command line to its result: what it leaves, and what takes it from there."""

import json

import numpy as np
import pytest
import torch
from adversarial_helpers import write_pictures
from PIL import Image
from safetensors.torch import load_file
from training_helpers import TinyFeatures, lines, remembered

import ganzoo
from ganzoo.generators.discriminator import Discriminator
from ganzoo.models import cost
from ganzoo.system.images import read_settings
from ganzoo.training import adversarial_run, announce_adversarial
from ganzoo.training.compose import plan
from ganzoo.training.run import carry_out

SETTINGS = [
    *("channels=[8,8]", "z_dim=6", "w_dim=6", "mapping.depth=1", "discriminator_channel_max=8"),
    *("kimg=0.032", "batch_size=4", "device=cpu", "log_kimg=0.004", "checkpoint_kimg=0.016"),
    *("sample_kimg=0.016", "eval_every=0.012", "quality.num=8", "quality.features=tiny"),
]
CLASSES = ["labels=folders", "mirror=true"]


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adversarial_run, "load_features", TinyFeatures)
        patch.setattr(announce_adversarial, "costs", remembered(cost.costs))
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with classes of images, and the runs on them."""
    folder = tmp_path_factory.mktemp("runs")
    write_pictures(folder / "photos" / "cat", count=7)
    write_pictures(folder / "photos" / "dog", count=5)
    return folder


def job(root, name, *changes):
    keys = [text.partition("=")[0] for text in changes]
    own = [text for text in SETTINGS if text.partition("=")[0] not in keys]
    given = [f"data={root / 'photos'}", f"cache.folder={root / 'decoded'}", f"out={root / name}"]
    [found] = plan("stylegan2", [*given, *own, *changes], task="adversarial").jobs
    return found


@pytest.fixture(scope="module")
def finished(root):
    """The folder of a run with classes."""
    return carry_out(job(root, "mine", *CLASSES))


def result_of(folder):
    return json.loads((folder / "result.json").read_text())


def test_a_run_leaves_what_it_promises(finished):
    assert {path.name for path in finished.iterdir()} - {"tensorboard"} == {
        *("settings.json", "log.jsonl", "figures.jsonl", "result.json"),
        *("samples", "checkpoints", "best", "generator", "discriminator"),
    }
    assert isinstance(ganzoo.load(finished / "discriminator"), Discriminator)
    result = result_of(finished)
    assert result["kimg"] == 0.032 and result["settings"]["task"] == "adversarial"
    assert result["images"]["count"] == 12 and result["images"]["classes"] == ["cat", "dog"]
    assert result["measured_on"] == 8 and list(result["figures"]) == ["fd_tiny", "kid_tiny"]


def test_the_result_is_the_average_of_the_last_checkpoint_and_the_best_that_of_its_figure(finished):
    tensors = load_file(finished / "checkpoints" / "000000008" / "state.safetensors")
    average = {name.removeprefix("ema/"): value for name, value in tensors.items() if name.startswith("ema/")}
    trained = ganzoo.load(finished / "generator").state_dict()
    assert all(torch.equal(value, average[name]) for name, value in trained.items())
    assert any(not torch.equal(value, tensors[f"generator/{name}"]) for name, value in average.items())
    measured = lines(finished / "figures.jsonl")
    assert [line["kimg"] for line in measured] == [0.012, 0.024, 0.032]
    best = min(measured, key=lambda line: line["fd_tiny"])
    assert result_of(finished)["best"] == {"figure": "fd", "value": best["fd_tiny"], "kimg": best["kimg"]}


def test_the_log_has_every_term(finished):
    found = lines(finished / "log.jsonl")
    assert [line["kimg"] for line in found] == [round(0.004 * i, 6) for i in range(1, 9)]
    every = {"generator", "discriminator", "logits/real", "logits/fake", "signs/real", "augment/p"}
    assert all(every <= line.keys() for line in found)
    assert ["path_length" in line for line in found] == [True, False, False, False] * 2
    assert ["r1" in line for line in found] == [True] + [False] * 7
    assert not any("w/" in name for name in found[0])


def test_sheets_show_samples_beside_the_nearest_images(finished):
    names = sorted(path.name for path in (finished / "samples").iterdir())
    assert names == ["000000016.png", "000000032.png"]
    told = read_settings(finished / "samples" / names[-1])
    assert told["order"] == "sample, nearest image" and told["kimg"] == 0.032
    photos = finished.parent / "photos"
    shown = {np.asarray(Image.open(path)).tobytes() for path in photos.rglob("*.png")}
    sheet = np.asarray(Image.open(finished / "samples" / names[-1]))
    assert sheet[4:12, 12:20].tobytes() in shown and sheet[4:12, 4:12].tobytes() not in shown


@pytest.mark.parametrize("part", ["", "generator", "best"])
def test_its_folder_is_a_model(finished, part):
    generator = ganzoo.create(str(finished / part)) if part != "best" else ganzoo.load(finished / part)
    assert generator.config == ganzoo.load(finished / "generator").config and generator.label_dim == 2
    image = generator(generator.sample_z(2, seed=0), torch.eye(2))
    assert image.shape == (2, 3, 8, 8)


def test_images_are_generated_from_its_folder(finished, run, tmp_path):
    status, _, err = run("generate", finished, "--seeds", "0-3", "--label", "1", "--out", tmp_path / "made")
    assert status == 0, err
    assert len(list((tmp_path / "made").glob("seed*.png"))) == 4


def test_the_card_is_whole_and_true(finished):
    card, result = (finished / "generator" / "README.md").read_text(), result_of(finished)
    for text in (
        "A generator of 8 x 8 images",
        f"Images: 12 of `{finished.parent / 'photos'}`, sha256 `{result['images']['sha256']}`",
        ", each also mirrored.",
        "Recipe: `stylegan2`; 0.032 kimg in steps of 4",
        f"Discriminator `residual`, penalty r1 {result['settings']['penalty']['r1']:g}; "
        f"augmentation `ada`, p {result['augment_p']:.3g} at the end.",
        "On 8 images of the generator, truncation psi 1, constant noise, against 8 of those",
        "Classes, in the order of their numbers: cat, dog.",
        f"| deployed synthesis | {result['parameters']:,} | {result['macs']:,} |",
        "license: unknown",
        "| label_dim | 2 |",
        *(f"| {name} | {figure['value']:.4g} |" for name, figure in result["figures"].items()),
    ):
        assert text in card, text
    assert "label" in card.partition("```python")[2].partition("```")[0]  # without one it would raise


def test_runs_of_the_same_images_are_compared_and_others_are_noted(finished, root, run):
    carry_out(job(root, "other", *CLASSES, "style_mixing=0.5", "noise=const", "kimg=0.008"))
    status, _, err = run("results", root)
    assert status == 0, err
    table = (root / "table.md").read_text()
    assert "fd_tiny (↓)" in table and "**" in table and "not to be compared" not in table
    carry_out(job(root, "fewer", *CLASSES, "quality.num=6", "kimg=0.008"))
    run("results", root)
    assert "quality.num differs (6, 8)" in (root / "table.md").read_text()


def test_a_student_learns_from_it(finished, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    student = ["resolution=8", "channels=[8]", "kimg=0.004", "batch_size=4", "device=cpu", "cache.images=0"]
    losses = ["loss.feature_l1.weight=0", "loss.gan.weight=0", "held_out.num=2", "held_out.metrics=[l1]"]
    told = [f"teacher={finished}", "label_dim=2", *student, *losses, "held_out.best=l1", "out=student"]
    status, _, err = run("distill", "mobilestylegan", *told)
    assert status == 0, err
    assert json.loads((tmp_path / "student" / "result.json").read_text())["teacher"].startswith(str(finished))
    assert ganzoo.load(tmp_path / "student" / "student").label_dim == 2


def test_the_same_command_leaves_a_finished_run_and_another_set_of_figures_is_measured(
    finished, root, monkeypatch
):
    before = (finished / "log.jsonl").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(adversarial_run.AdversarialRun, "load", None)
        carry_out(job(root, "mine", *CLASSES))
    carry_out(job(root, "mine", *CLASSES, "quality.num=10", "quality.metrics=[kid]", "quality.best=kid"))
    assert (finished / "log.jsonl").read_text() == before
    assert list(result_of(finished)["figures"]) == ["kid_tiny"] and result_of(finished)["measured_on"] == 10


def test_a_mobilestylegan_learns_from_images_too(root):
    given = ["channels=[8]", "kimg=0.008", "quality.metrics=[]", f"out={root / 'mobile'}", "resolution=8"]
    keys = [text.partition("=")[0] for text in given]
    own = [text for text in SETTINGS if text.partition("=")[0] not in keys]
    told = [f"data={root / 'photos'}", f"cache.folder={root / 'decoded'}", *given, *own]
    [found] = plan("mobilestylegan", told, task="adversarial").jobs
    folder = carry_out(found)
    generator = ganzoo.load(folder)
    assert generator.config.output == "wavelet"
    first, last = lines(folder / "log.jsonl")
    assert first["path_length"] > 0 and np.isfinite(last["generator"])
