"""The forms of a deployed generator that engines take best give its images."""

import itertools

import pytest
import torch
from export_helpers import small
from helpers import MOBILE, assert_same_image, tiny_config, trained

import ganzoo
from ganzoo.export.forms import MERGES, DenseTransform, Form, Interleave, InverseTransform, formed
from ganzoo.export.targets import TARGETS, target
from ganzoo.ops.wavelet import IDWT, BlocksToSpace

FORMS = [
    Form(merge, dense_channels, folds_style)
    for merge, dense_channels, folds_style in itertools.product(MERGES, (0, 8, 4096), (True, False))
]


@pytest.mark.parametrize("shortcut", ["none", "residual"])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_form_gives_the_same_images(form, shortcut):
    deployed = ganzoo.deploy(small(shortcut=shortcut, resolution=32))
    result = formed(deployed, form)
    for n in (1, 3):
        w = torch.randn(n, deployed.num_ws, deployed.w_dim, generator=torch.Generator().manual_seed(n))
        assert_same_image(result.synthesis(w).image, deployed.synthesis(w).image)


@pytest.mark.parametrize("engine", TARGETS)
def test_no_transform_is_left_as_pytorch_takes_it_best(engine):
    modules = list(formed(ganzoo.deploy(small()), target(engine).FORM).modules())
    assert not [m for m in modules if type(m) in (IDWT, BlocksToSpace)]
    assert [m for m in modules if isinstance(m, InverseTransform | DenseTransform)]
    assert [m for m in modules if isinstance(m, Interleave)]


def test_channels_up_to_the_limit_are_transformed_by_a_convolution():
    deployed = ganzoo.deploy(trained(tiny_config(**MOBILE, resolution=64, channels=[16, 8, 8, 4])))
    levels = formed(deployed, Form(dense_channels=8)).synthesis.levels
    transforms = [level.upsample.conv.idwt for level in levels[1:]]
    assert [isinstance(transform, DenseTransform) for transform in transforms] == [False, True, True]


def test_the_generator_is_left_as_it_was():
    deployed = ganzoo.deploy(small())
    before = [type(m) for m in deployed.modules()]
    formed(deployed, Form(merge="rows", dense_channels=4096))
    assert [type(m) for m in deployed.modules()] == before
