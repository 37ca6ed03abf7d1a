"""Settings of a run: strict in, complete out, and the shipped YAML says the same as the code."""

import dataclasses
import json

import pytest
from omegaconf import OmegaConf
from training_helpers import merged, run_settings, student_config

from ganzoo.system.paths import DATA
from ganzoo.training.distillation_settings import DistillationSettings
from ganzoo.training.settings import EMASettings, LoopSettings

SHIPPED = DATA / "recipes" / "training"


def plain(**changes):
    """Settings of no changes but these."""
    return DistillationSettings.from_dict(
        {"teacher": "t", "out": "o", "student": student_config(), **changes}
    )


def shipped(name="distillation"):
    data = OmegaConf.to_container(OmegaConf.load(SHIPPED / f"{name}.yaml"))
    for entry in data.pop("defaults", ()):
        data |= shipped(entry) if entry == "loop" else {}
        data |= {kind.lstrip("/"): block for kind, block in entry.items()} if isinstance(entry, dict) else {}
    data.pop("task", None)
    return data


def test_the_shipped_yaml_says_what_the_code_says():
    found = plain(**{**shipped(), "teacher": "t", "out": "o"})
    assert found == plain()


def test_settings_of_every_run_stand_in_a_file_of_their_own():
    told = LoopSettings(
        out="o", **{key: value for key, value in shipped("loop").items() if key not in ("out", "ema")}
    )
    assert told == LoopSettings(out="o") and EMASettings(**shipped("loop")["ema"]) == EMASettings()
    assert shipped("loop").keys() == {f.name for f in dataclasses.fields(LoopSettings)}


def keys(data):
    return {key: keys(value) for key, value in data.items() if isinstance(value, dict)} | {
        key: None for key, value in data.items() if not isinstance(value, dict)
    }


def test_every_setting_stands_in_the_shipped_yaml():
    expected = plain().to_dict()
    del expected["student"]
    blocks = dict.fromkeys(["discriminator", "augment"])
    assert keys(shipped()) == {**keys(expected), **blocks}


def test_what_may_change_on_resumption_are_settings():
    assert set(DistillationSettings.free()) <= {f.name for f in dataclasses.fields(DistillationSettings)}


CHANGED = {
    "kimg": 3,
    "clip": None,
    "style_mixing": 0.5,
    "precision": "bf16",
    "optimizer": {"lr": 1e-3, "betas": [0.5, 0.9]},
    "loss": {"gan": {"weight": 0.1, "start_kimg": 2}, "perceptual": {"weight": 1}},
    "features": {"size": 64},
    "discriminator": {"name": "residual"},
    "augment": {"name": "diffaugment", "cutout": 0.25},
    "cache": {"images": 10, "folder": "somewhere"},
    "held_out": {"num": 7, "metrics": ["psnr", "l1"], "best": "psnr"},
}


@pytest.mark.parametrize("changes", [{}, CHANGED], ids=["defaults", "changed"])
def test_settings_survive_json(changes):
    settings = plain(**changes)
    data = json.loads(json.dumps(settings.to_dict(), allow_nan=False))
    assert data.keys() == {f.name for f in dataclasses.fields(DistillationSettings)}
    again = DistillationSettings.from_dict(data)
    assert again == settings
    assert again.to_dict() == settings.to_dict()


def test_changes_arrive():
    settings = plain(**CHANGED)
    assert (settings.kimg, settings.clip) == (3.0, None)
    assert settings.optimizer.betas == (0.5, 0.9)
    assert settings.loss.gan.start_kimg == 2.0
    assert settings.augment["cutout"] == 0.25


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": {"r1": {"interval": 4}}},
        {"loss": {"gan": {"start_kimg": 1.0}}},
        {"discriminator_optimizer": {"lr": 1e-3}},
        {"held_out": {"num": 3}},
    ],
    ids=str,
)
def test_a_setting_leaves_those_beside_it_as_they_were(changes):
    before, after = plain().to_dict(), plain(**changes).to_dict()
    assert after == merged(before, changes) != before


UNKNOWN = {
    "kimgs": ({"kimgs": 1}, "setting of a run: 'kimgs'. Did you mean 'kimg'?"),
    "lrr": ({"optimizer": {"lrr": 1}}, "setting of optimizer: 'lrr'. Did you mean 'lr'?"),
    "pixel_l3": ({"loss": {"pixel_l3": {}}}, "setting of loss: 'pixel_l3'. Did you mean 'pixel_l"),
    "weigth": ({"loss": {"gan": {"weigth": 1}}}, "setting of loss.gan: 'weigth'. Did you mean 'weight'?"),
    "warmup": (
        {"loss": {"r1": {"intervals": 1}}},
        "setting of loss.r1: 'intervals'. Did you mean 'interval'",
    ),
    "limit": ({"cache": {"limit_gb": 1}}, "setting of cache: 'limit_gb'. Did you mean 'limit_gib'?"),
    "metric": (
        {"held_out": {"metrics": ["psnr", "l2"]}},
        "held_out: Unknown metric: 'l2'. Choose from: fd, l1, perceptual, psnr.",
    ),
    "best": (
        {"held_out": {"metrics": ["psnr"]}},
        "held_out: Unknown best figure, one of metrics: 'perceptual'.",
    ),
    "discriminator": ({"discriminator": "residuel"}, "discriminator: 'residuel'. Did you mean 'residual'?"),
    "augment": ({"augment": {"name": "diffaugment", "cutuot": 1}}, "Did you mean 'cutout'?"),
}


@pytest.mark.parametrize(("changes", "told"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_name_is_refused_with_what_was_meant(changes, told):
    with pytest.raises(ValueError, match="Unknown") as error:
        plain(**changes)
    assert told in str(error.value)


WRONG = [
    ({"kimg": 0}, "kimg is positive"),
    ({"kimg": 1e-4}, "kimg is positive"),
    ({"kimg": "many"}, "kimg must be float"),
    ({"kimg": float("nan")}, "kimg must be float"),
    ({"batch_size": 0}, "batch_size is at least 1"),
    ({"batch_size": 2.5}, "batch_size must be int"),
    ({"batch_size": True}, "batch_size must be int"),
    ({"accumulate": 0}, "accumulate is at least 1"),
    ({"keep_checkpoints": 0}, "keep_checkpoints is at least 1"),
    ({"log_kimg": 0}, "log_kimg is positive"),
    ({"sample_kimg": -1}, "sample_kimg is positive"),
    ({"checkpoint_kimg": 0}, "checkpoint_kimg is positive"),
    ({"eval_every": -1}, "eval_every is not negative"),
    ({"seed": -1}, "seed is a whole number"),
    ({"seed": 2**32}, "seed is a whole number"),
    ({"style_mixing": 1.5}, "style_mixing is a share"),
    ({"clip": 0}, "clip is positive, or null"),
    ({"noise": "some"}, "Unknown noise: 'some'. Choose from: const, none, random."),
    ({"resume": True}, "Unknown resume: True. Choose from: auto, never."),
    ({"precision": "fp8"}, "Unknown precision: 'fp8'. Choose from: bf16, fp16, fp32."),
    ({"teacher_precision": "fp16"}, "Unknown teacher_precision: 'fp16'. Did you mean"),
    ({"device": "gpu"}, "Unknown device: 'gpu'"),
    ({"compile": 1}, "compile must be bool"),
    ({"truncation_psi": 0.5, "inherit_mapping": False}, "give inherit_mapping=true"),
    ({"compile": True, "loss": {"teacher_features": {"weight": 1}}}, "give compile=false"),
    ({"optimizer": {"lr": 0}}, "optimizer: lr is positive"),
    ({"discriminator_optimizer": {"lr": 0}}, "discriminator_optimizer: lr is positive"),
    ({"optimizer": {"betas": [0.9, 1.0]}}, "optimizer: betas are from 0 to below 1"),
    ({"optimizer": {"betas": [0.9]}}, "optimizer: betas are two or three"),
    (
        {"optimizer": {"schedule": "linear"}},
        "Unknown optimizer.schedule: 'linear'. Choose from: constant, cosine.",
    ),
    ({"optimizer": {"warmup_kimg": -1}}, "optimizer: warmup_kimg is not negative"),
    ({"optimizer": {"final": -1}}, "optimizer: final is not negative"),
    ({"optimizer": "adam"}, "optimizer holds settings of its own, such as optimizer.name"),
    ({"ema": {"half_life_kimg": -1}}, "ema: half_life_kimg is not negative"),
    ({"ema": {"ramp_up": 0}}, "ema: ramp_up is positive, or null"),
    ({"loss": {"lpips": {"weight": 0.1}}}, "loss.lpips is called loss.perceptual"),
    ({"held_out": {"metrics": ["lpips"]}}, "The held-out figure lpips is called perceptual"),
    ({"held_out": {"best": "lpips"}}, "The held-out figure lpips is called perceptual"),
    ({"loss": {"pixel_l1": 1.0}}, "loss.pixel_l1 holds settings of its own, such as loss.pixel_l1.weight"),
    ({"loss": {"pixel_l1": {"weight": -1}}}, "loss.pixel_l1: weight is not negative"),
    ({"loss": {"perceptual": {"weight": "a lot"}}}, "loss.perceptual.weight must be float; got 'a lot'."),
    ({"loss": {"gan": {"warmup_kimg": -1}}}, "loss.gan: warmup_kimg is not negative"),
    ({"loss": {"r1": {"interval": 0}}}, "loss.r1: interval is at least 1"),
    ({"features": {"size": 16}}, "features: size is 32 to 1024"),
    ({"cache": {"images": -1}}, "cache: images is not negative"),
    ({"cache": {"limit_gib": 0}}, "cache: limit_gib is positive"),
    ({"held_out": {"num": 1}}, "held_out: num is at least 2"),
    ({"discriminator": 5}, "A discriminator is given by name"),
    ({"augment": {"name": "diffaugment", "cutout": "big"}}, "augment.cutout must be float"),
    ({"discriminator_channel_max": 0}, "channel_max is a whole number from 1"),
]


@pytest.mark.parametrize(("changes", "told"), WRONG, ids=[str(changes) for changes, _ in WRONG])
def test_a_wrong_value_is_refused_with_its_name(changes, told):
    with pytest.raises(ValueError, match=r"\.$") as error:
        plain(**changes)
    assert told in str(error.value)


def test_missing_settings_are_named():
    with pytest.raises(ValueError, match="A run lacks out, teacher"):
        DistillationSettings.from_dict({"student": student_config()})


ALL_OFF = {f.name: {"weight": 0.0} for f in dataclasses.fields(plain().loss)}


def test_a_loss_of_nothing_is_refused():
    with pytest.raises(ValueError, match="there is nothing to learn"):
        plain(loss=ALL_OFF)
    with pytest.raises(ValueError, match="there is nothing to learn"):
        plain(loss={**ALL_OFF, "r1": {"weight": 1.0}})


def test_a_loss_of_nothing_until_the_adversary_sets_in_is_refused():
    late = {**ALL_OFF, "gan": {"weight": 1.0, "start_kimg": 1.0}}
    with pytest.raises(ValueError, match=r"loss\.gan alone.*start_kimg=0"):
        plain(loss=late)
    assert plain(loss={**late, "pixel_l1": {"weight": 1.0}}).uses_gan


def test_images_that_cannot_be_shown_are_refused():
    for channels in (1, 3, 4):
        run_settings(student_config(img_channels=channels))
    with pytest.raises(ValueError, match=r"1 \(grey\), 3 \(RGB\) or 4 channels \(RGBA\).*these have 2"):
        run_settings(student_config(img_channels=2))


@pytest.mark.parametrize(("kimg", "batch_size", "steps"), [(0.1, 10, 10), (0.1, 16, 7), (0.001, 16, 1)])
def test_the_last_step_reaches_kimg(kimg, batch_size, steps):
    assert plain(kimg=kimg, batch_size=batch_size).steps == steps


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        plain().kimg = 2.0
    assert plain().discriminator is not plain().discriminator


def test_there_is_a_discriminator_only_for_an_adversarial_term():
    assert plain().uses_gan
    assert not plain(loss={"gan": {"weight": 0.0}}).uses_gan
    found = plain().discriminator_config()
    assert (found.resolution, found.img_channels, found.label_dim) == (16, 3, 0)
