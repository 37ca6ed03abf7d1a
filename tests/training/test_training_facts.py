"""Averages, rates, the augmentation's strength and named settings against the original's."""

import json
from pathlib import Path

import pytest
import torch
from adversarial_helpers import write_pictures
from covering import covering

from ganzoo.generators.config import GeneratorConfig
from ganzoo.training.ada import AdaSettings, adapted
from ganzoo.training.adversarial import lazy
from ganzoo.training.automatic import automatic
from ganzoo.training.compose import plan
from ganzoo.training.ema import EMA
from ganzoo.training.settings import EMASettings, OptimizerSettings

FACTS = json.loads((Path(__file__).parents[1] / "golden" / "training" / "facts.json").read_text())


@pytest.mark.parametrize("fact", FACTS["ema"])
def test_the_average_s_decay(fact):
    settings = EMASettings(half_life_kimg=fact["ema_kimg"], ramp_up=fact["ema_rampup"])
    ema = EMA(torch.nn.Linear(1, 1), settings)
    assert ema.decay(fact["batch_size"], fact["cur_nimg"] / 1000) == pytest.approx(fact["beta"], rel=1e-9)


@pytest.mark.parametrize("fact", FACTS["optimizer"])
def test_lazy_rates(fact):
    own = OptimizerSettings(lr=fact["lr_configured"], betas=tuple(map(float, fact["betas_configured"])))
    found = lazy(own, fact["interval"] or 0)
    assert found.lr == pytest.approx(fact["lr"]) and found.betas == pytest.approx(fact["betas"])


@pytest.mark.parametrize("fact", FACTS["ada"])
def test_the_augmentation_s_strength(fact):
    settings = AdaSettings(target=fact["ada_target"], interval=fact["ada_interval"], kimg=fact["ada_kimg"])
    p = fact["p_start"]
    for sign, expected in zip(fact["mean_signs"], fact["p_after"], strict=True):
        p = adapted(p, sign, fact["batch_size"], settings)
        assert p == pytest.approx(expected, abs=1e-6)


ARGUMENTS = ("cfg", "resolution", "gpus", "aug", "augpipe", "gamma", "cond", "freezed")
CONFIGS = {tuple(fact["arguments"].get(key) for key in ARGUMENTS): fact for fact in FACTS["configs"]}
ALWAYS = covering(CONFIGS, 1)  # every value of every argument


@pytest.mark.parametrize(
    "fact",
    [
        pytest.param(fact, id=fact["run_description"], marks=() if row in ALWAYS else pytest.mark.slow)
        for row, fact in CONFIGS.items()
    ],
)
def test_named_settings(fact, tmp_path, monkeypatch):
    arguments, wanted = fact["arguments"], fact["result"]
    side, name = arguments["resolution"], arguments.get("cfg", "auto")
    monkeypatch.setenv("WORLD_SIZE", str(arguments["gpus"]))
    given = {"data": str(write_pictures(tmp_path / "data", side=4)), "resolution": side, "upscale": True}
    if "batch" in arguments:
        given["batch_size"] = arguments["batch"]
    if "gamma" in arguments:
        given["penalty.r1"] = arguments["gamma"]
    if "p" in arguments:
        given["ada.fixed"] = arguments["p"]
    if "target" in arguments:
        given["ada.target"] = arguments["target"]
    if "augpipe" in arguments:
        given["augment.groups"] = arguments["augpipe"]
    if arguments.get("mirror"):
        given["mirror"] = "true"
    if "freezed" in arguments:
        given["freeze_discriminator"] = arguments["freezed"]
    if "resume" in arguments:
        given["init"] = "mobilestylegan_ffhq_64_lite"
    told = [f"{key}={value}" for key, value in {**given, "training": name}.items()]
    [job] = plan("stylegan2", told, task="adversarial").jobs
    s = job.settings
    assert s.batch_size == wanted["batch_size"]
    assert s.kimg == wanted["total_kimg"] or "kimg" in arguments
    assert s.ema.half_life_kimg == pytest.approx(wanted["ema_kimg"]) or "batch" in arguments
    assert s.ema.ramp_up == wanted["ema_rampup"]
    assert s.penalty.r1 == pytest.approx(wanted["loss_kwargs"]["r1_gamma"])
    assert s.optimizer.lr == pytest.approx(wanted["G_opt_kwargs"]["lr"])
    assert s.generator.mapping["depth"] == wanted["G_kwargs"]["mapping_kwargs"]["num_layers"]
    base = wanted["G_kwargs"]["synthesis_kwargs"]["channel_base"]
    widths = GeneratorConfig.from_dict(
        {"resolution": side, "channel_base": base, "channel_max": 512}
    ).channels
    assert s.generator.channels == widths
    assert s.discriminator_config().channels == widths
    group = wanted["D_kwargs"]["epilogue_kwargs"]["mbstd_group_size"]
    assert s.discriminator["mbstd_group_size"] == group
    assert s.path_length.weight == wanted["loss_kwargs"].get("pl_weight", 2.0)
    assert s.style_mixing == wanted["loss_kwargs"].get("style_mixing_prob", 0.9)
    assert s.ada.target == wanted.get("ada_target", s.ada.target)
    assert s.ada.kimg == wanted.get("ada_kimg", 500)
    assert s.mirror == wanted["training_set_kwargs"]["xflip"]
    assert automatic(side, {"discriminator": {"name": "none"}, "init": None})["penalty.r1"] > 0
