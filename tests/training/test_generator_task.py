"""A task that trains any generator without a teacher: a recipe describes it, a model folder is left."""

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest
import torch

import ganzoo
from ganzoo.cli import main
from ganzoo.generators.config import GeneratorConfig
from ganzoo.models.cost import costs
from ganzoo.models.factory import build
from ganzoo.training.compose import plan
from ganzoo.training.latents import latents
from ganzoo.training.settings import OptimizerSettings
from ganzoo.training.task import TASKS, Phase, Task
from ganzoo.training.task_settings import TaskSettings

ADAM = OptimizerSettings(lr=0.01, warmup_kimg=0.0)
TINY = ["resolution=8", "channels=[8,8]", "z_dim=8", "w_dim=8", "mapping.depth=1"]
SHORT = ["kimg=0.04", "batch_size=4", "device=cpu", "checkpoint_kimg=0.02"]


@dataclass(frozen=True, kw_only=True)
class GreySettings(TaskSettings):
    """A generator, and what its images shall be."""

    generator: GeneratorConfig
    level: float
    optimizer: OptimizerSettings = ADAM


@TASKS.register("grey")
class Grey(Task):
    """The generator learns to make grey images."""

    options = GreySettings
    averaged = "generator"

    def __init__(self, settings: GreySettings, state: Any) -> None:
        super().__init__(settings, state)
        self.modules = {"generator": build(settings.generator, seed=settings.seed).to(state.device)}
        self.optimizers = {"generator": settings.optimizer}

    def phases(self, kimg):
        return [Phase("generator", ("generator",))]

    def batch(self, positions):
        own = self.settings.generator
        how = {"z_dim": own.z_dim, "label_dim": own.label_dim, "num_ws": own.num_ws, "mixing": 0.0}
        return latents(positions, seed=self.settings.seed, **how).z

    def loss(self, phase, batch, kimg):
        loss = (self.modules["generator"](batch) - self.settings.level).square().mean()
        return loss, {"total": loss.detach()}


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """The command line in a folder of its own: status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ganzoo", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        return (stop.value.code or 0, *capsys.readouterr())

    return call


def test_it_leaves_a_model_folder_that_is_found_by_its_run(run, tmp_path):
    status, out, err = run("train", "stylegan2", "task=grey", "level=0.5", *TINY, *SHORT, "out=here")
    assert status == 0, err
    assert out == f"here: {out.removeprefix('here: ')}" and "0.04 kimg in" in out and "no figures" in out
    trained = ganzoo.load(tmp_path / "here" / "generator")
    assert ganzoo.create(str(tmp_path / "here")).config == trained.config
    start = build(trained.config, seed=0)
    z = start.sample_z(4)
    with torch.no_grad():
        far, near = ((network(z) - 0.5).square().mean() for network in (start, trained))
    assert near < 0.5 * far
    settings, result = (
        json.loads((tmp_path / "here" / f"{n}.json").read_text()) for n in ("settings", "result")
    )
    cost = costs(trained.config)["deployed synthesis"]
    assert (result["parameters"], result["macs"], result["recipe"]) == (
        cost.parameters,
        cost.macs,
        "stylegan2",
    )
    assert settings["task"] == "grey" and settings["generator"]["resolution"] == 8
    assert run("train", "stylegan2", "task=grey", "level=0.5", *TINY, *SHORT, "out=here")[0] == 0


def test_settings_of_its_folder_are_those_of_the_same_command(run, tmp_path):
    assert run("train", "stylegan2", "task=grey", "level=0.5", *TINY, *SHORT, "out=here")[0] == 0
    [job] = plan("stylegan2", [*TINY[1:], "level=0.5", "out=here"], task="grey").jobs
    assert job.settings.kimg == 0.04 and job.settings.generator.resolution == 8
    assert job.told == "Settings that are not given are those of the run in here."


def test_its_run_is_named_after_task_recipe_and_size(run):
    [job] = plan("stylegan2", [*TINY, "level=0.5"], task="grey").jobs
    assert job.settings.out == "runs/grey-stylegan2-8+channels-8_8+z_dim-8+w_dim-8+mapping.depth-1+level-0.5"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["stylegan2", "task=grey", *TINY], ["level is missing: give level=…"]),
        (["task=grey", "level=0"], ["A recipe is missing: ganzoo train RECIPE task=grey", "stylegan2"]),
        (["task=gray"], ["Unknown task: 'gray'. Did you mean 'grey'?"]),
        (
            ["stylegan2"],
            ["What is learnt from is missing: data=FOLDER trains from images, teacher=MODEL distils"],
        ),
        (["task=grey", "task=grey"], ["task is given twice"]),
        (["stylegan2", "task=grey", "level=0", "teacher=x"], ["Unknown setting: 'teacher'"]),
        (["stylegan2", "task=grey", "level=0", "augment=none"], ["Unknown setting: 'augment'"]),
        (["stylegan2", "task=grey", "level=0", "conv=ful"], ["Unknown conv: 'ful'. Did you mean 'full'?"]),
        (["stylegan2", "task=grey", "level=a"], ["level must be float; got 'a'"]),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_a_mistake_gets_one_line(run, arguments, parts):
    status, _, err = run("train", *arguments)
    assert status == 2 and err.startswith("ganzoo: ") and err.count("\n") == 1
    assert all(part in err for part in parts)


def test_its_settings_are_printed_without_what_is_missing(run):
    status, out, err = run("train", "stylegan2", "task=grey", *TINY, "--print")
    assert (status, err) == (0, "") and "level: ???" in out and "half_life_kimg: 5.0" in out


def test_distill_is_the_short_form_of_one_task(run, model_folder):
    given = [f"teacher={model_folder}", "training=debug", "--print"]
    long, short = run("train", "task=distillation", *given), run("distill", *given)
    assert long == short and long[0] == 0 and "task: distillation" in long[1]
    status, _, err = run("distill", "task=grey")
    assert status == 2 and "short for ganzoo train task=distillation" in err
