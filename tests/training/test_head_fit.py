"""A new head begins as what its features already show of the teacher's image."""

import copy

import pytest
import torch
from training_helpers import make_teacher, run_settings

from ganzoo.models.factory import build
from ganzoo.training.head_fit import fit_head
from ganzoo.training.teacher import Teacher


def pair(output="wavelet", **blocks):
    """A teacher, and a student like it with a head of random weights."""
    own = {"wavelet": ((16, 16), "idwt"), "pixel": ((16, 16, 16), "conv_transpose")}
    channels, upsampler = own[output]
    original = make_teacher(output=output, channels=channels, upsampler={"name": upsampler}, **blocks)
    student = copy.deepcopy(original)
    fresh = build(original.config, seed=5)
    student.synthesis.head.load_state_dict(fresh.synthesis.head.state_dict())
    teacher = Teacher(original, run_settings(student=original.config, cache={"images": 0}))
    return teacher, student.requires_grad_(True)


def error(student, teacher, first=1000):
    """Mean absolute difference of images that the fit has not seen."""
    drawn = teacher.drawn(list(range(first, first + 16)))
    with torch.no_grad():
        image = student.synthesis(drawn.w, drawn.noise).image
    return float((image - teacher.images(drawn.w, drawn.noise)).abs().mean())


@pytest.mark.parametrize(("head", "output"), [("single", "pixel"), ("aux", "wavelet"), ("skip", "wavelet")])
def test_a_head_is_found_again_from_the_images(head, output):
    teacher, student = pair(output, head={"name": head})
    before = error(student, teacher)
    fit_head(student, teacher, 64)
    assert error(student, teacher) < 0.4 * before


def test_levels_that_are_kept_stay_as_they_are():
    teacher, student = pair(head={"name": "aux"})
    before = {name: value.clone() for name, value in student.state_dict().items()}
    found = fit_head(student, teacher, 8, kept=["synthesis.head.to_image.0.conv.weight"])
    changed = {name for name, value in student.state_dict().items() if not torch.equal(value, before[name])}
    assert list(found) == [1]
    assert changed and all(name.startswith("synthesis.head.to_image.1.") for name in changed)


def test_the_same_run_finds_the_same_head():
    one, other = (pair(head={"name": "single"}) for _ in range(2))
    assert fit_head(one[1], one[0], 8) == fit_head(other[1], other[0], 8)


def test_what_has_no_such_head_is_refused():
    teacher, student = pair()
    student.synthesis.head = None
    with pytest.raises(ValueError, match="give init_head=0"):
        fit_head(student, teacher, 8)
