"""Settings of adversarial training: those of the shipped file, of `auto`, and what the images decide."""

import dataclasses
from functools import cache

import pytest
from adversarial_helpers import NETWORKS, picture, write_pictures
from omegaconf import OmegaConf
from PIL import Image

from ganzoo.generators.config import GeneratorConfig
from ganzoo.system.paths import DATA
from ganzoo.training.adversarial_settings import AdversarialSettings
from ganzoo.training.automatic import automatic, automatic_line
from ganzoo.training.compose import plan
from ganzoo.training.settings import LoopSettings

TINY = GeneratorConfig.from_dict(NETWORKS)
PLAIN = {
    "discriminator": {"name": "residual"},
    "init": None,
    "mapping": {"name": "mlp"},
    "head": {"name": "skip"},
}


def shipped(name):
    data = OmegaConf.to_container(OmegaConf.load(DATA / "recipes" / "training" / f"{name}.yaml"))
    blocks = [entry for entry in data.pop("defaults", ()) if isinstance(entry, dict)]
    chosen = {kind.lstrip("/"): {"name": block} for entry in blocks for kind, block in entry.items()}
    data.pop("task", None)
    return {**chosen, **data}


@cache
def planned(data, *given, recipe="stylegan2"):
    [job] = plan(recipe, [f"data={data}", *given], task="adversarial").jobs
    return job.settings


def test_the_shipped_yaml_says_what_the_code_says():
    told = {**shipped("loop"), **shipped("adversarial"), "data": "d", "out": "o"}
    read = AdversarialSettings.from_dict({**told, "generator": TINY.to_dict()})
    assert read == AdversarialSettings(data="d", out="o", generator=TINY)


def test_every_setting_stands_in_the_shipped_yaml():
    names = {field.name for field in dataclasses.fields(AdversarialSettings)} - {"generator"}
    assert names == {*shipped("loop"), *shipped("adversarial")}
    assert {field.name for field in dataclasses.fields(LoopSettings)} == shipped("loop").keys()


def test_constants_are_those_of_the_papers():
    """Karras et al. 2020a, appendix C; 2020b, appendix B; Sinha et al. 2020, section 3."""
    own = AdversarialSettings(data="d", out="o", generator=TINY)
    assert (own.style_mixing, own.w_avg_decay, own.clip) == (0.9, 0.995, None)
    assert dataclasses.astuple(own.path_length) == (2.0, 4, 0.01, 2)
    assert dataclasses.astuple(own.penalty) == (10.0, 0.0, 16)
    assert dataclasses.astuple(own.ada) == (0.6, 4, 500.0, None)
    assert dataclasses.astuple(own.ema) == (10.0, None, "copy")
    assert own.optimizer == own.discriminator_optimizer
    assert (own.optimizer.name, own.optimizer.lr, own.optimizer.betas) == ("adam", 0.002, (0.0, 0.99))
    assert (own.optimizer.warmup_kimg, own.optimizer.schedule) == (0.0, "constant")


@pytest.mark.parametrize(
    ("side", "processes", "expected"),
    [
        (64, 1, (32, 16384, 0.0025, 0.0256, 10.0, 4)),
        (128, 1, (32, 16384, 0.0025, 0.1024, 10.0, 4)),
        (256, 1, (16, 16384, 0.0025, 0.8192, 5.0, 4)),
        (512, 1, (8, 32768, 0.0025, 6.5536, 2.5, 4)),
        (1024, 1, (4, 32768, 0.002, 52.4288, 1.25, 4)),
        (1024, 8, (32, 32768, 0.002, 6.5536, 10.0, 4)),
        (64, 8, (64, 16384, 0.0025, 0.0128, 20.0, 4)),
        (512, 2, (16, 32768, 0.0025, 3.2768, 5.0, 4)),
        (2048, 1, (2, 32768, 0.002, 419.4304, 0.625, 2)),
        (2048, 100, (100, 32768, 0.002, 8.388608, 31.25, 1)),
    ],
)
def test_auto_follows_from_the_size_and_the_processes(side, processes, expected, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    found = automatic(side, PLAIN)
    batch, width, rate, gamma, half_life, group = expected
    assert found == pytest.approx(
        {
            "batch_size": batch,
            "channel_base": width,
            "discriminator_channel_base": width,
            "mapping.depth": 2,
            "optimizer.lr": rate,
            "discriminator_optimizer.lr": rate,
            "penalty.r1": gamma,
            "ema.half_life_kimg": half_life,
            "ema.ramp_up": 0.05,
            "discriminator.mbstd_group_size": group,
        }
    )


def test_what_depends_on_the_batch_follows_the_one_that_is_given():
    found = automatic(64, PLAIN, {"batch_size": 8})
    assert found["penalty.r1"] == pytest.approx(0.1024) and found["ema.half_life_kimg"] == 2.5
    other = automatic(64, {**PLAIN, "discriminator": {"name": "projected"}})
    assert "discriminator.mbstd_group_size" not in other


@pytest.fixture(scope="module")
def sixteen(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("sixteen") / "set", side=16)


def test_the_size_is_that_of_the_images_and_what_is_given_wins(sixteen):
    own = planned(sixteen, "optimizer.lr=0.01", "channel_base=64", "channel_max=8")
    assert own.generator.resolution == 16 and own.optimizer.lr == 0.01 and own.automatic
    assert own.discriminator_optimizer.lr == 0.0025
    assert own.generator.channels == (8, 8, 4)
    assert planned(sixteen, "channels=[8,8,8]").generator.resolution == 16
    assert planned(sixteen, "channels=[8,8]", "resolution=8").generator.resolution == 8
    assert planned(sixteen, "training=cifar").generator.resolution == 32


def test_what_auto_chose_is_told_with_the_reason(sixteen):
    own = planned(sixteen)
    assert automatic_line(own) == (
        "Of 16 x 16 images follow: batch_size 32, penalty.r1 0.0016 (0.0002 * 16^2 / 32; the best value is "
        "from a quarter to four times that), optimizer.lr 0.0025, ema.half_life_kimg 10."
    )


def test_labels_decide_on_the_width_of_the_label(tmp_path):
    labelled = write_pictures(tmp_path / "labelled", classes=3)
    assert planned(labelled).generator.label_dim == 3
    assert planned(labelled, "labels=none").generator.label_dim == 0
    for name in ("cat", "dog"):
        write_pictures(tmp_path / "folders" / name, count=2)
    assert planned(tmp_path / "folders").generator.label_dim == 0
    assert planned(tmp_path / "folders", "labels=folders").generator.label_dim == 2


def test_grey_images_make_grey_ones_where_that_is_asked_for(tmp_path):
    (tmp_path / "set").mkdir()
    Image.fromarray(picture(0)).convert("L").save(tmp_path / "set" / "a.png")
    own = planned(tmp_path / "set", "img_channels=1")
    assert own.generator.img_channels == own.discriminator_config().img_channels == 1


def test_a_run_that_begins_with_a_network_adapts_quicker_and_does_not_ramp_up(sixteen):
    given = planned(sixteen, "init=mobilestylegan_ffhq_64_lite")
    assert (given.ada.kimg, given.ema.ramp_up) == (100, None)
    own = planned(sixteen, "init=mobilestylegan_ffhq_64_lite", "ada.kimg=300", "ema.ramp_up=0.1")
    assert (own.ada.kimg, own.ema.ramp_up) == (300, 0.1)
    fresh = planned(sixteen)
    assert (fresh.ada.kimg, fresh.ema.ramp_up) == (500, 0.05)


def test_options_of_a_presets_block_are_not_those_of_another_that_is_chosen(sixteen):
    own = planned(sixteen, "training=projected", "augment=ada", "augment.groups=bg")
    assert own.augment["name"] == "ada" and own.augment["groups"] == "bg"
    assert own.discriminator["name"] == "projected" and own.game.kind == "hinge"
    assert planned(sixteen, "training=projected").augment["flip"] is False
    assert planned(sixteen, "training=projected", "augment=diffaugment").augment["flip"] is False
    plain = planned(sixteen, "training=cifar", "discriminator=projected", "penalty.r1=0")
    assert plain.discriminator["name"] == "projected"


def test_projected_is_that_of_its_paper_for_stylegan2(sixteen):
    """Sauer et al. 2021, appendix: z of 64, w of 128, two layers, hinge, no penalties, batches of 64."""
    own = planned(sixteen, "training=projected")
    assert (own.generator.z_dim, own.generator.w_dim, own.generator.mapping["depth"]) == (64, 128, 2)
    assert (own.batch_size, own.kimg, own.style_mixing) == (64, 1000, 0.0)
    assert (own.penalty.used, own.path_length.weight, own.game.kind) == (False, 0.0, "hinge")
    assert own.optimizer.lr == own.discriminator_optimizer.lr == 0.002
    assert dataclasses.astuple(own.ema) == (20.0, 0.05, "copy")
    assert own.discriminator["name"] == "projected" and own.augment["name"] == "diffaugment"
