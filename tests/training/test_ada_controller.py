"""The strength of adaptive augmentation over time, as the original moves it."""

import json
from pathlib import Path

import pytest

from ganzoo.training.ada import AdaSettings, adapted

RUNS = json.loads((Path(__file__).parents[1] / "golden" / "ada" / "controller.json").read_text())


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"kimg{run['ada_kimg']}")
def test_p_moves_as_the_originals_does(run):
    settings = AdaSettings(target=run["ada_target"], interval=run["ada_interval"], kimg=run["ada_kimg"])
    p, ps = run["p_start"], []
    for mean_sign in run["mean_signs"]:
        p = adapted(p, mean_sign, run["batch_size"], settings)
        ps.append(p)
    assert ps == pytest.approx(run["p_after"], rel=1e-5, abs=1e-7)


def test_the_defaults_are_the_papers():
    assert AdaSettings() == AdaSettings(target=0.6, interval=4, kimg=500, fixed=None)


def test_p_never_falls_below_none_and_may_exceed_one():
    settings = AdaSettings(kimg=0.1)
    assert adapted(0.1, -1.0, 64, settings) == 0
    assert adapted(0.9, 1.0, 64, settings) == pytest.approx(3.46)


def test_a_fixed_strength_stays():
    assert adapted(0.3, 1.0, 64, AdaSettings(fixed=0.5)) == 0.5


@pytest.mark.parametrize(
    ("setting", "value"), [("target", 1.5), ("interval", 0), ("kimg", 0), ("kimg", -1), ("fixed", -0.1)]
)
def test_a_setting_out_of_range_is_refused(setting, value):
    with pytest.raises(ValueError, match=rf"{setting} .*; got {value}"):
        AdaSettings(**{setting: value})
