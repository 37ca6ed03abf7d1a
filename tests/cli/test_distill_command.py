"""`ganzoo distill`: what a run is told, sweeps, mistakes. The trainer itself is tested elsewhere."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cli_helpers import assert_one_line
from covering import thinned
from distill_helpers import distilled, student
from omegaconf import OmegaConf

import ganzoo.training.compose
import ganzoo.training.overrides
import ganzoo.training.run
from ganzoo.blocks import CONVS
from ganzoo.blocks.conv import FullConv
from ganzoo.models.recipes import compose
from ganzoo.system.paths import DATA
from ganzoo.training.compose import plan
from ganzoo.training.distillation_settings import DistillationSettings


def test_a_run_is_told_the_recipe_and_the_training_settings(run, told, teacher):
    data = distilled(run, told, "mobilestylegan_full", teacher, "training=distillation")
    shipped = {}
    for name in ("loop", "distillation"):
        shipped |= OmegaConf.to_container(OmegaConf.load(DATA / "recipes" / "training" / f"{name}.yaml"))
    assert student(data) == {**compose("mobilestylegan_full"), "resolution": 32}
    own = {k: v for k, v in shipped.items() if k not in ("defaults", "teacher", "out", "name")}
    assert {key: data[key] for key in own} == own
    assert data["discriminator"] == {"name": "residual"} and data["augment"] == {"name": "diffaugment"}
    assert data["teacher"] == teacher.removeprefix("teacher=") and data["recipe"] == "mobilestylegan_full"


def test_without_a_recipe_the_student_is_mobilestylegan(run, told, teacher):
    assert student(distilled(run, told, teacher)) == {**compose("mobilestylegan"), "resolution": 32}


def test_settings_of_the_command_line_come_last(run, told, teacher):
    changes = ["training=debug", "conv=full", "conv.kernel_size=1", "augment=none", "kimg=7"]
    data = distilled(run, told, "mobilestylegan", teacher, *changes)
    assert data["conv"] == {"name": "full", "kernel_size": 1} and data["augment"] == {"name": "none"}
    assert (data["kimg"], data["batch_size"], data["resolution"], data["channel_max"]) == (7, 4, 32, 32)


def test_a_block_of_the_command_line_wins_over_that_of_an_ablation(run, told, teacher):
    assert (
        distilled(run, told, "mobilestylegan_full", teacher, "conv=depthwise")["conv"]["name"] == "depthwise"
    )


def test_numbers_are_numbers_and_names_are_names(run, told, teacher):
    data = distilled(run, told, teacher, "optimizer.lr=5e-4", "loss.gan.weight=0", "name=1e3", "out=a=b")
    assert data["optimizer"]["lr"] == 5e-4 and data["loss"]["gan"]["weight"] == 0
    assert data["loss"]["gan"]["warmup_kimg"] == 0.0  # a setting leaves its neighbours as they are
    assert (data["name"], data["out"]) == ("1e3", "a=b")


def test_channels_take_the_place_of_channel_base_and_channel_max(run, told, teacher):
    data = distilled(run, told, teacher, "resolution=32", "channels=[256,192,128]")
    assert data["channels"] == [256, 192, 128] and not {"channel_base", "channel_max"} & set(data)
    data = distilled(run, told, teacher, "resolution=32", "channel_max=64")
    assert data["channel_max"] == 64 and "channels" not in data


def test_a_run_is_named_after_what_was_changed(run, told, teacher):
    assert distilled(run, told, teacher, "kimg=5", "log_kimg=1")["out"] == "runs/mobilestylegan-32"
    data = distilled(run, told, teacher, "resolution=256", "conv=full", "optimizer.lr=1e-3", "training=debug")
    assert data["name"] == "mobilestylegan-256+conv-full+optimizer.lr-0.001+debug"
    assert data["out"] == f"runs/{data['name']}"


def test_the_student_is_as_large_as_its_teacher_unless_a_size_is_given(run, told, teacher):
    assert distilled(run, told, "stylegan2", teacher)["resolution"] == 32
    assert distilled(run, told, teacher, "training=debug")["resolution"] == 32  # the preset's own
    [one, other] = plan("mobilestylegan", [teacher, "resolution=16,32"], sweep=True).jobs
    assert (one.data["resolution"], other.data["resolution"]) == (16, 32)


def test_the_preset_is_that_of_the_machine_or_the_one_that_is_named(run, told, teacher):
    data = distilled(run, told, teacher)
    assert data["loss"]["gan"]["weight"] == 0 and data["cache"]["images"] == 8192 and data["kimg"] == 120
    assert (data["optimizer"]["lr"], data["optimizer"]["betas"]) == (2e-2, [0.9, 0.99])
    assert data == {**distilled(run, told, teacher, "training=cpu"), "out": data["out"], "name": data["name"]}
    data = distilled(run, told, teacher, "training=gpu", "kimg=3")
    assert (data["loss"]["gan"]["weight"], data["precision"], data["kimg"]) == (0.5, "bf16", 3)


def test_images_that_would_not_fit_are_fewer_unless_they_are_asked_for(run, told, teacher):
    data = distilled(run, told, teacher, "cache.limit_gib=0.02")
    assert data["cache"]["images"] == 2048  # of 6 KiB each
    assert distilled(run, told, teacher, "cache.limit_gib=0.02", "cache.images=9")["cache"]["images"] == 9


def test_a_gpu_that_is_not_here_is_an_error(run, told, teacher):
    if torch.accelerator.is_available():
        pytest.skip("there is one")
    assert_one_line(run("distill", teacher, "device=cuda:1"), "device=cuda:1: PyTorch finds no cuda here")
    assert_one_line(run("distill", teacher, "device=gpu"), "Unknown device: 'gpu'")
    assert not told


def kept(run, told, *arguments):
    """What the trainer is told in a folder that holds a run."""
    status, _, err = run("distill", *arguments, "out=here")
    assert (status, err) == (0, "Settings that are not given are those of the run in here.\n")
    return told[-1]


def test_settings_of_the_folders_run_win_over_a_preset(run, told, teacher):
    first = distilled(run, told, teacher, "training=distillation", "resolution=16", "kimg=7", "out=here")
    own = {key: value for key, value in first.items() if key != "recipe"}
    settings = DistillationSettings.from_dict(own).to_dict()
    # As older versions wrote it.
    settings["loss"]["lpips"] = settings["loss"].pop("perceptual")
    settings["loss"]["perceptual"] = settings["loss"].pop("feature_l1")
    settings["held_out"] |= {"metrics": ["l1", "lpips"], "best": "lpips"}
    Path("here/settings.json").write_text(json.dumps(settings))
    data = kept(run, told, teacher)
    assert (data["resolution"], data["kimg"], data["loss"], data["optimizer"]) == (
        16, 7, first["loss"], first["optimizer"],
    )  # fmt: skip
    assert data["held_out"]["metrics"] == ["l1", "perceptual"] and data["cache"]["images"] == 0
    data = kept(run, told, teacher, "kimg=9", "optimizer.lr=1e-3", "augment=none", "resolution=32")
    assert (data["kimg"], data["augment"], data["resolution"]) == (9, {"name": "none"}, 32)
    assert data["optimizer"] == {**first["optimizer"], "lr": 1e-3}


def test_a_damaged_record_of_settings_is_left_to_the_trainer(run, told, teacher):
    Path("here").mkdir()
    Path("here/settings.json").write_text("[1]")
    assert distilled(run, told, teacher, "out=here")["kimg"] == 120


def test_the_folder_of_a_teacher_may_end_with_a_slash(run, told, teacher):
    assert distilled(run, told, f"{teacher}/")["teacher"] == distilled(run, told, teacher)["teacher"]


@pytest.mark.usefixtures("blocks_of_this_test")
def test_a_block_of_another_package_needs_no_card(run, told, teacher):
    class MyConv(FullConv):
        """A block without a title card."""

    CONVS.register("mine")(MyConv)
    data = distilled(run, told, teacher, "conv=mine", "conv.kernel_size=1")
    assert data["conv"] == {"name": "mine", "kernel_size": 1}


def test_recipes_are_found_whatever_the_path_of_the_installation(told, teacher, monkeypatch, tmp_path):
    odd = tmp_path / "it's, a ${odd} [place]"
    odd.mkdir()
    for name in ("recipes", "registry"):
        (odd / name).symlink_to(DATA / name)
        monkeypatch.setattr(ganzoo.training.compose, name.upper(), odd / name)
    monkeypatch.setattr(ganzoo.training.overrides, "RECIPES", odd / "recipes")
    [job] = plan("mobilestylegan", [teacher, "conv=full"]).jobs
    assert job.data["conv"] == {"name": "full"}


def test_printed_settings_are_those_of_the_run(run, told, teacher):
    settings = ["mobilestylegan_full", teacher, "optimizer.lr=1e-3"]
    status, out, err = run("distill", *settings, "--print")
    assert (status, err, told) == (0, "", [])
    assert not list(Path().iterdir())
    assert OmegaConf.to_container(OmegaConf.create(out)) == distilled(run, told, *settings)


def test_settings_are_printed_without_a_teacher_too(run, told):
    status, out, _ = run("distill", "--cfg")
    assert status == 0 and "teacher: ???" in out


def test_the_help_names_every_setting_and_block(run):
    status, out, err = run("distill", "--help")
    assert (status, err) == (0, "")
    for name in ("loop", "distillation"):
        shipped = OmegaConf.load(DATA / "recipes" / "training" / f"{name}.yaml")
        for key in set(shipped) - {"defaults", "task"}:
            assert f"  {key}=" in out or f"  {key}." in out
    assert "optimizer.lr=0.0005" in out and "thousands of images to learn from" in out
    assert "conv=" in out and "depthwise, full" in out and "ganzoo distill -m" in out


def test_the_help_does_not_wait_for_torch_or_hydra():
    code = (
        "import sys; sys.argv = ['ganzoo', 'distill', '--help']\n"
        "from ganzoo.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'torch', 'hydra'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "[]")


# Mistakes


MISTAKES = {
    "a typo in the recipe": (["mobilstylegan"], ["Did you mean 'mobilestylegan'?", "stylegan2_wavelet"]),
    "no teacher": (["mobilestylegan"], ["teacher is missing", "ganzoo convert"]),
    "a teacher that is not there": (["teacher=mobilestylegan_fhq"], ["Did you mean 'mobilestylegan_ffhq'?"]),
    "a teacher without weights": (["teacher=stylegan2"], ["is a recipe"]),
    "an unknown setting": (["TEACHER", "kimgs=1"], ["Did you mean 'kimg'?"]),
    "a setting of the optimiser": (["TEACHER", "lr=1"], ["Did you mean optimizer.lr or discr"]),
    "an unknown setting within another": (["TEACHER", "optimizer.lrr=1"], ["of optimizer: 'lrr'"]),
    "an unknown block": (["TEACHER", "conv=ful"], ["Unknown conv: 'ful'. Did you mean 'full'?"]),
    "an unknown discriminator": (["TEACHER", "discriminator=resid"], ["Did you mean 'residual'?"]),
    "an option that a block lacks": (["TEACHER", "conv.kernel=1"], ["Did you mean 'kernel_size'?"]),
    "an unknown training": (["TEACHER", "training=debgu"], ["Did you mean 'debug'?"]),
    "a block as a mapping": (["TEACHER", "conv={a: 1}"], ["Unknown conv"]),
    "a value of the wrong kind": (["TEACHER", "kimg=much"], ["kimg", "'much'"]),
    "a number for several settings": (["TEACHER", "loss.gan=3"], ["loss.gan.weight"]),
    "an impossible size": (["TEACHER", "resolution=200"], ["power of two", "200"]),
    "widths twice": (["TEACHER", "channels=[8,8]", "channel_max=8"], ["not both"]),
    "no value": (["TEACHER", "conv"], ["'conv' is no setting", "key=value"]),
    "a bracket too few": (["TEACHER", "channels=[1,2"], ["Cannot read 'channels=[1,2'"]),
    "a removal": (["TEACHER", "~clip=1"], ["'~clip=1' is no setting"]),
    "a package": (["TEACHER", "conv@foo=full"], ["write conv="]),
    "an interpolation of nothing": (["TEACHER", "seed=${foo}"], ["foo"]),
    "a setting twice": (["TEACHER", "seed=1", "seed=2"], ["seed is given twice"]),
    "values without -m": (["TEACHER", "conv=full,depthwise"], ["add -m"]),
    "recipes without -m": (["mobile*", "TEACHER"], ["7 recipes", "add -m"]),
    "a launcher without -m": (["TEACHER", "launcher=ray"], ["add -m"]),
    "an unknown launcher": (["-m", "TEACHER", "launcher=rey"], ["Did you mean 'ray'?"]),
    "a setting that the launcher lacks": (["-m", "TEACHER", "hydra.launcher.gpus=1"], ["launcher: 'gpus'"]),
    "Hydra's own business": (["TEACHER", "hydra.run.dir=x"], ["hydra.run.dir"]),
    "one bad job of many": (["-m", "TEACHER", "resolution=64,100"], ["mobilestylegan-100: ", "power of two"]),
    "one bad block of many": (["-m", "TEACHER", "conv=full,ful"], ["Did you mean 'full'?"]),
    "one name for many": (["-m", "TEACHER", "seed=0,1", "name=x"], ["no name="]),
    "an interval": (["-m", "TEACHER", "seed=interval(0,1)"], ["seed=value,value"]),
    "an unknown option": (["--teacher", "x"], ["--teacher"]),
}  # fmt: skip


ALIKE = {"an unknown discriminator", "a removal", "one bad block of many", "an unknown training"}


@pytest.mark.parametrize("case", thinned(MISTAKES, MISTAKES.keys() - ALIKE))
def test_a_mistake_gets_one_line_and_trains_nothing(run, told, teacher, case):
    arguments, parts = MISTAKES[case]
    given = [teacher if argument == "TEACHER" else argument for argument in arguments]
    assert_one_line(run("distill", *given), *parts)
    assert not told and not list(Path().iterdir())


def test_a_teacher_that_is_taken_for_a_recipe_is_told_apart(run, told, model_folder):
    assert_one_line(run("distill", model_folder), f"teacher={model_folder}")
