"""A student has one figure by one name: in its run, in `ganzoo eval --teacher` and in `ganzoo compare`."""

import json

import numpy as np
import pytest
from training_helpers import TinyFeatures, result_of, run_data

import ganzoo
from ganzoo.cards.results import merged, of_run
from ganzoo.compare.measure import Settings, measure, subject
from ganzoo.metrics.pairs import pair_figures
from ganzoo.metrics.seeds import HELD_OUT_SEED
from ganzoo.training import loading
from ganzoo.training.results import read_result
from ganzoo.training.run import distill

NUM = 5
METRICS = ["l1", "psnr", "perceptual"]
HELD = {"num": NUM, "metrics": METRICS, "best": "perceptual", "features": "tiny"}


@pytest.fixture(params=["const", pytest.param("none", marks=pytest.mark.slow)])
def student_of_a_run(request, teacher, tmp_path, monkeypatch):
    """A student that has hardly learnt, whose images leave the range, and the noise that it learnt with."""
    monkeypatch.setattr(loading, "load_features", lambda name: TinyFeatures(name))
    own = {"noise": request.param, "seed": 7, "truncation_psi": 0.8, "kimg": 0.004}
    return distill(run_data(teacher, tmp_path / "run", held_out=HELD, **own)), request.param


def test_run_eval_and_compare_give_the_same_figures(student_of_a_run, teacher):
    folder, noise = student_of_a_run
    student, original = ganzoo.load(folder / "student"), ganzoo.load(teacher)
    seeds = range(HELD_OUT_SEED, HELD_OUT_SEED + NUM)
    network = TinyFeatures("tiny")
    how = {"truncation_psi": 0.8, "noise": noise}
    of_eval = pair_figures(student, original, metrics=METRICS, seeds=seeds, network=network, **how)
    subjects = [subject("teacher", original), subject("student", student)]
    page = measure(subjects, Settings(tuple(seeds), **how), network=network, runs=0)
    of_run = result_of(folder)["figures"]
    for metric in METRICS:
        name = "perceptual_tiny" if metric == "perceptual" else metric
        of_page = np.mean([getattr(row.differences[1], metric) for row in page.rows])
        assert of_eval[metric].value == pytest.approx(of_page, rel=1e-4)
        # The run keeps its teacher's images in half precision.
        assert of_run[name]["value"] == pytest.approx(of_page, rel=2e-3)


OLD = {
    "name": "old", "recipe": "mobilestylegan", "kimg": 1.0, "seconds": 1.0, "parameters": 1, "macs": 1,
    "held_out": 5, "versions": {}, "date": "2026-11-22",
    "figures": {"l1": {"value": 0.8, "uncertainty": 0.1}, "psnr": {"value": 9.0, "uncertainty": None},
                "lpips_net": {"value": 4.0, "uncertainty": None}},
    "settings": {"student": {"resolution": 16}, "truncation_psi": 1.0, "noise": "const"},
}  # fmt: skip


def test_figures_of_an_older_run_keep_names_of_their_own(tmp_path):
    (tmp_path / "result.json").write_text(json.dumps(OLD))
    assert list(read_result(tmp_path).figures) == ["l1_clipped", "psnr_clipped", "lpips_net"]
    now = {**OLD, "definitions": {"l1": "…"}}
    (tmp_path / "result.json").write_text(json.dumps(now))
    assert list(read_result(tmp_path).figures) == ["l1", "psnr", "lpips_net"]


def test_a_card_does_not_show_an_older_runs_l1_beside_a_new_one_under_one_name():
    new = {**OLD, "definitions": {"l1": "unclipped", "psnr": "unclipped"}}
    found = merged(of_run(OLD, "e" * 64), of_run(new, "e" * 64))
    assert [result.metric_type for result in found] == [
        "l1_clipped", "psnr_clipped", "l1", "psnr", "lpips_net",
    ]  # fmt: skip
    assert found[2].metric_args["definition"] == "unclipped"
