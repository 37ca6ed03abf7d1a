"""Absurd state dicts of StyleGAN through `ganzoo.convert`: one line of error, soon, in little memory."""

import pytest
import torch
from mutants import FIXTURES
from test_hostile_convert import assert_harmless

from ganzoo.converters.checkpoint import open_checkpoint

STYLEGAN = {  # tensors of state dicts of StyleGAN in the place of, or beside, those of a golden file
    "a mapping network of thousands": {f"style.{2 * i + 1}.linear.bias": torch.ones(2) for i in range(3_000)},
    "thousands of levels": {
        f"generator.progression.{i}.adain1.style.linear.bias": torch.ones(4) for i in range(3_000)
    },
    "sixteen levels and no more": {
        f"generator.progression.{i}.adain1.style.linear.bias": torch.ones(4) for i in range(16)
    },
    "a style of width 0": {"generator.progression.1.adain1.style.linear.bias": torch.zeros(0)},
    "noise that is NaN": {"generator.progression.2.noise1.weight_orig": torch.full([8], torch.nan)},
    "noise without channels": {"generator.progression.2.noise1.weight_orig": torch.zeros(1, 0, 1, 1)},
    "a kernel of one number": {"generator.progression.5.conv1.0.weight": torch.zeros(())},
    "a blur of nothing": {"generator.progression.1.conv1.2.weight": torch.zeros(0, 1, 3, 3)},
    "a blur of 10,000 taps": {"generator.progression.1.conv1.2.weight": torch.eye(1, 10_000)[None, None]},
    "whole numbers": {"generator.progression.0.conv1.input": torch.ones(1, 8, 4, 4, dtype=torch.int64)},
}


@pytest.mark.parametrize("case", STYLEGAN)
def test_an_absurd_stylegan_ends_in_one_line(case, judge, folder):
    path = next(p for p in FIXTURES if p.name == "sg1_ros_unfused_running.model")
    state = {name: torch.from_numpy(ref.array()) for name, ref in open_checkpoint(path).items()}
    torch.save({**state, **STYLEGAN[case]}, folder / "file")
    assert_harmless(judge, folder / "file")


@pytest.mark.parametrize("lod", [float("nan"), float("inf"), -1.0, 1e30])
def test_an_absurd_lod_ends_in_one_line(lod, judge, folder):
    path = next(p for p in FIXTURES if p.name == "sg1_gf_train_32.pth")
    network = open_checkpoint(path)["models"]["generator_smooth"]
    state = {name: torch.from_numpy(ref.array()) for name, ref in network.items()}
    torch.save({**state, "synthesis.lod": torch.tensor(lod)}, folder / "file")
    assert_harmless(judge, folder / "file")
