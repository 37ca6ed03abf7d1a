"""Adaptive augmentation against the original's outputs: every transform, the pipes, draws and gradients."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from ada_golden import INPUTS, drawn_rows, images_for, load, percentile_rows
from helpers import assert_golden

from ganzoo.blocks import AUGMENTS
from ganzoo.blocks.ada import augmented
from ganzoo.blocks.ada.block import MEMBERS
from ganzoo.blocks.ada.geometry import SYM6
from ganzoo.blocks.ada.pixels import BAND_FILTERS

NAMES = [name for members in MEMBERS.values() for name in members]
SINGLE = {
    key: value
    for file in ("single_blit", "single_geom", "single_color", "single_filter_noise_cutout")
    for key, value in load(file).items()
}
PIPES = load("pipe_bgc") | load("pipe_bgcfnc")
DRAWS, GRADIENTS = load("random_draws"), load("gradients")


def cases(arrays):
    return sorted(key for key in arrays if not key.endswith("draw"))


def percentile(case):
    return float("0." + case.rsplit("_", 1)[1][1:])  # 035 is 0.35


def run(block, images, rows, field):
    draws = block.draws(rows, images.shape)
    return augmented(images, draws if field is None else replace(draws, field=field))


def assert_case(block, case, arrays):
    expected, kind = arrays[case], case.rsplit("_", 1)[0]
    images = images_for(expected, case)
    field = arrays.get(f"{kind}_draw" if kind.startswith("noise") else f"{kind}_noise_draw")
    assert (field is None) == (block.multipliers["noise"] == 0)
    rows = percentile_rows(percentile(case), len(images))
    assert_golden(run(block, images, rows, field), expected)


def test_every_transform_has_its_golden_outputs():
    assert {case.split("_")[0] for case in cases(SINGLE)} == {*NAMES}


@pytest.mark.parametrize("case", cases(SINGLE))
def test_a_transform_is_the_originals(case):
    name = case.split("_")[0]
    only = {other: float(other == name) for other in NAMES}
    assert_case(AUGMENTS.build({"name": "ada", "p": 1.0, **only}), case, SINGLE)


@pytest.mark.parametrize("case", cases(PIPES))
def test_a_pipe_is_the_originals(case):
    block = AUGMENTS.build({"name": "ada", "p": 1.0, "groups": case.split("_")[0]})
    assert_case(block, case, PIPES)


@pytest.mark.parametrize("case", ["bgc_p07", "bgc_gray_large_p07", "bgcfnc_p09", "bgcfnc_gray_large_p09"])
def test_random_draws_are_used_as_the_original_does(case):
    groups, p = case.split("_")[0], float(case[-1]) / 10
    images = images_for(DRAWS[case], case)
    rows, field = drawn_rows(DRAWS, case)
    block = AUGMENTS.build({"name": "ada", "p": p, "groups": groups})
    assert_golden(run(block, images, rows, field), DRAWS[case])


@pytest.mark.parametrize("suffix", ["", "_gray"])
def test_first_and_second_gradients_are_the_originals(suffix):
    def golden(name):
        return GRADIENTS[name + suffix]

    images = INPUTS["gray" if suffix else "images"][:2].clone().requires_grad_()
    block = AUGMENTS.build({"name": "ada", "p": 1.0})
    out = block(images, percentile_rows(GRADIENTS["percentile"].item(), 2))
    [first] = torch.autograd.grad((out * golden("v")).sum(), images, retain_graph=True)
    value = F.softplus(F.conv2d(out, golden("conv_weight"), golden("conv_bias"), padding=1)).sum()
    [slope] = torch.autograd.grad(value, images, create_graph=True)
    [second] = torch.autograd.grad(slope.square().sum(), images)
    assert_golden(out, golden("out"))
    for got, name in ((first, "grad_images"), (slope, "grad_f"), (second, "grad_second")):
        torch.testing.assert_close(got, golden(name), rtol=0, atol=1e-4 * golden(name).abs().max().item())
    torch.testing.assert_close(value, golden("f"), rtol=1e-5, atol=0)
    torch.testing.assert_close(slope.square().sum(), golden("grad_norm2"), rtol=1e-5, atol=0)


def test_the_filters_are_the_originals():
    torch.testing.assert_close(torch.tensor(SYM6), DRAWS["Hz_geom"], rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(torch.tensor(BAND_FILTERS), DRAWS["Hz_fbank"], rtol=1e-5, atol=1e-8)
