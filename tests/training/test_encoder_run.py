"""Training an encoder: from a closed form to a folder that loads, the same bits wherever it is cut."""

import json
import os
import signal

import pytest
import torch
from safetensors.torch import load_file
from training_helpers import TinyFeatures, forked, lines, merged, save_teacher

from ganzoo.generators.generator import Generator
from ganzoo.metrics.distances import psnr
from ganzoo.models.weights import load
from ganzoo.projection import encoder as files
from ganzoo.projection.encoder import load_encoder
from ganzoo.training import encoder_run, reports
from ganzoo.training.run import train
from ganzoo.training.tasks import read_settings

SETTINGS = {
    "task": "encoder",
    "features": "tiny",
    "grids": [2, 3],
    "side": 16,
    "pixels": 8,
    "hidden": 8,
    "kimg": 0.032,
    "batch_size": 4,
    "log_kimg": 0.008,
    "sample_kimg": 0.016,
    "checkpoint_kimg": 0.012,
    "eval_every": 0.02,
    "device": "cpu",
    "cache": {"images": 64},
    "held_out": {"num": 4, "rounds": 1, "features": "other"},
    "optimizer": {"warmup_kimg": 0.0},
    "ema": {"half_life_kimg": 0.01, "ramp_up": None},
}
EVERYTHING = {
    "style_mixing": 0.5,
    "groups": [0, 2, 4],
    "loss": {"pixel_l1": {"weight": 1.0}, "perceptual": {"weight": 0.1}},
}


@pytest.fixture(scope="module", autouse=True)
def tiny_features():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder_run, "load_features", TinyFeatures)
        patch.setattr(files, "load_features", lambda name, cache_dir=None: TinyFeatures(name))
        yield


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save_teacher(tmp_path_factory.mktemp("teacher"))


def run(teacher, out, **changes):
    own = {"teacher": str(teacher), "out": str(out), "cache": {"folder": str(teacher.parent / "images")}}
    return train(read_settings(merged(merged(SETTINGS, own), changes)))


@pytest.fixture(scope="module")
def whole(teacher, tmp_path_factory):
    return run(teacher, tmp_path_factory.mktemp("whole") / "run", **EVERYTHING)


def drawn(generator: Generator, seeds):
    with torch.inference_mode():
        z = torch.cat([generator.sample_z(1, seed=seed) for seed in seeds])
        return generator.synthesis(generator.mapping(z, truncation_psi=0.7)).image


def test_the_result_is_an_encoder_with_its_figures_sheet_and_card(teacher, whole):
    encoder, generator = load_encoder(str(whole)), load(teacher)
    assert encoder(torch.zeros(2, 3, 16, 16)).shape == (2, generator.num_ws, generator.w_dim)
    result = json.loads((whole / "result.json").read_text())
    names = {"w_error", "psnr", "psnr_refined", "perceptual_other", "perceptual_refined_other"}
    assert result["figures"].keys() == result["definitions"].keys() == names
    assert result["best"]["figure"] == "psnr" and result["macs"] is None
    assert (whole / "samples" / "000000032.png").is_file()
    card = (whole / "encoder" / "README.md").read_text()
    assert result["teacher_sha256"] in card and f"{result['figures']['psnr']['value']:.4g}" in card


@pytest.mark.slow
def test_what_it_finds_is_nearer_than_the_mean_and_nearer_still_refined(teacher, tmp_path):
    """On 128 images of a network of random weights, whose w has 8 numbers."""
    folder = run(
        teacher, tmp_path / "run", cache={"images": 512}, kimg=2.0, eval_every=0.0, ridge=[1e-6, 1e-4]
    )
    encoder, generator = load_encoder(str(folder)), load(teacher)
    target = drawn(generator, range(100, 116))
    with torch.inference_mode():
        mean = generator.mapping.w_avg.expand(len(target), generator.num_ws, -1)
        tried = [mean, encoder(target), encoder.refined(target, generator, 2)]
        found = [psnr(generator.synthesis(w).image, target).mean().item() for w in tried]
    assert found[0] + 3 < found[1] < found[2]


@pytest.mark.parametrize("step", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_a_run_that_was_killed_ends_with_the_same_bits(teacher, whole, tmp_path, step):
    def dies(lines, images):
        if images == 4 * step:
            os.kill(os.getpid(), signal.SIGKILL)

    def work():
        reports.RunLog.step = dies
        run(teacher, tmp_path / "run", **EVERYTHING)

    assert forked(work) == [-signal.SIGKILL]
    folder = run(teacher, tmp_path / "run", **EVERYTHING)
    found, wanted = (
        load_file(sorted((f / "checkpoints").iterdir())[-1] / "state.safetensors") for f in (folder, whole)
    )
    assert found.keys() == wanted.keys() and any(name.startswith("encoder.optimizer/") for name in found)
    assert [name for name in found if not torch.equal(found[name], wanted[name])] == []
    assert lines(folder / "figures.jsonl") == lines(whole / "figures.jsonl")


def test_a_linear_map_alone_learns_on_from_its_closed_form(teacher, tmp_path):
    folder = run(teacher, tmp_path / "run", hidden=0)
    states = [load_encoder(str(f)).linear.weight for f in (folder, folder / "best")]
    assert states[0].abs().sum() > 0 and not torch.equal(*states)


def test_a_run_of_another_teacher_is_not_gone_on_with(teacher, whole, tmp_path):
    other = save_teacher(tmp_path / "other", z_dim=4)
    with pytest.raises(ValueError, match="holds a run with another teacher"):
        run(other, whole, **EVERYTHING, cache={"folder": str(teacher.parent / "images")})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": "other"}, "in which held-out figures would flatter it: give other held_out.features"),
        ({"side": 32}, "makes images of 16 x 16: give side=16"),
        ({"num_ws": 2}, "6 rows of w: give num_ws=6 or more"),
        ({"grids": [2]}, "grids has a number for each of 2 stages"),
        ({"groups": [1]}, "groups are first rows, from 0 up"),
        ({"truncation_psi": [0.9, 0.5]}, "the lower first"),
        ({"loss": {"w": {"weight": 0.0}}}, "there is nothing to learn"),
        ({"cache": {"images": 3}}, "cache.images is at least 16"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_settings_that_do_not_fit_leave_no_folder(teacher, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        run(teacher, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()
