"""Augmentations of what a discriminator sees: what each must do, and the parts of DiffAugment."""

import math

import pytest
import torch
from augment_reference import COLUMNS, reference
from block_helpers import assert_batch_independent
from covering import crossed
from torch import nn

from ganzoo.blocks import AUGMENTS

OFF = {"color": False, "translation": 0.0, "cutout": 0.0, "flip": False}
LAST = 1 - 2**-24  # the largest float32 below 1
SIZES = [(16, 16), (8, 12), (7, 5), (1, 1)]


def diffaugment(**options):
    """With the named parts alone."""
    return AUGMENTS.build({"name": "diffaugment", **OFF, **options})


def numbers(n=1, fill=0.5, **columns):
    """Rows that hold `fill` in all columns but the named ones."""
    random = torch.full((n, len(COLUMNS)), fill)
    for name, value in columns.items():
        random[:, COLUMNS.index(name)] = torch.as_tensor(value)
    return random


def make_images(n, *shape, dtype=torch.float32):
    return torch.rand(n, *shape, dtype=dtype) * 2 - 1


def draws(block, n):
    return torch.rand(n, block.numbers)


# Every augmentation

every = pytest.mark.parametrize("name", AUGMENTS.names())
ALWAYS = {"ada": {"p": 1.0, "groups": "bgcfnc"}}  # options with which a block does all that it can
TOLERANCES = {"ada": 1e-5}  # of a graph, which moves the whole batch at once


def at_work(name, **options):
    """The augmentation of that name with everything on."""
    return AUGMENTS.build({"name": name, **ALWAYS.get(name, {}), **options})


@every
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("size", SIZES)
def test_an_augmentation_keeps_the_shape(name, channels, size):
    block = at_work(name)
    assert block(make_images(2, channels, *size), draws(block, 2)).shape == (2, channels, *size)


@every
def test_an_augmentation_takes_a_batch_of_none(name):
    block = at_work(name)
    assert block(torch.zeros(0, 3, 8, 8), draws(block, 0)).shape == (0, 3, 8, 8)


@every
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_an_augmentation_keeps_the_precision(name, dtype):
    block = at_work(name)
    images = make_images(2, 3, 8, 8, dtype=dtype)
    assert block(images, draws(block, 2)).dtype == dtype


@every
def test_an_augmentation_leaves_its_inputs_as_they_were(name):
    block = at_work(name)
    images, random = make_images(2, 3, 8, 8), draws(block, 2)
    copies = images.clone(), random.clone()
    block(images, random)
    assert torch.equal(images, copies[0]) and torch.equal(random, copies[1])


@every
def test_an_augmentation_takes_every_sample_by_itself(name):
    block = at_work(name)
    assert_batch_independent(block, make_images(5, 3, 8, 8), draws(block, 5))


@every
def test_an_augmentation_draws_nothing_itself(name):
    block = at_work(name)
    images, random = make_images(4, 3, 8, 8), draws(block, 4)
    before = torch.get_rng_state()
    first = block(images, random)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, block.train()(images, random))


@every
def test_an_augmentation_has_nothing_to_train_or_save(name):
    assert not at_work(name).state_dict()


@every
def test_an_augmentation_can_be_differentiated_twice(name):
    block = at_work(name)
    images, random = make_images(2, 3, 4, 4, dtype=torch.float64).requires_grad_(), draws(block, 2).double()
    assert torch.autograd.gradcheck(block, (images, random))
    assert torch.autograd.gradgradcheck(block, (images, random), fast_mode=True)


@every
def test_a_gradient_penalty_through_an_augmentation_reaches_the_judge(name):
    block, judge = at_work(name), nn.Conv2d(3, 1, 3)
    images = make_images(2, 3, 8, 8).requires_grad_()
    logits = judge(block(images, torch.full((2, block.numbers), 0.3))).square().sum(dim=(1, 2, 3))
    [gradient] = torch.autograd.grad(logits.sum(), images, create_graph=True)
    gradient.square().sum().backward()
    assert judge.weight.grad.abs().sum() > 0


@pytest.mark.slow  # dynamo traces ten seconds; training compiles the same blocks
@every
def test_an_augmentation_is_one_graph_for_all_numbers_and_sizes_of_the_batch(name):
    torch._dynamo.reset()
    block = at_work(name, **({"noise": 0.0} if name == "ada" else {}))  # noise is drawn sample by sample
    compiled = torch.compile(block, backend="eager", fullgraph=True, dynamic=True)
    compiled(make_images(4, 3, 8, 8), draws(block, 4))
    with torch.compiler.set_stance("fail_on_recompile"):
        for n in (4, 4, 5, 7):
            images, random = make_images(n, 3, 8, 8), draws(block, n)
            torch.testing.assert_close(
                compiled(images, random), block(images, random), rtol=0, atol=TOLERANCES.get(name, 0)
            )


@every
def test_the_numbers_must_be_a_row_for_every_image(name):
    block = at_work(name)
    for shape in [(3, block.numbers), (2, block.numbers + 1), (block.numbers,), (2, block.numbers, 1)]:
        with pytest.raises(ValueError, match=rf"2 images take .* \[2, {block.numbers}\].*; got \["):
            block(make_images(2, 3, 8, 8), torch.rand(shape))


# None, and nothing


def test_none_gives_the_images_and_takes_no_numbers():
    block, images = AUGMENTS.build("none"), make_images(2, 3, 8, 8)
    assert block.numbers == 0
    assert block(images, torch.rand(2, 0)) is images


def test_diffaugment_with_every_part_off_is_the_identity():
    images = make_images(8, 3, 8, 8)
    assert torch.equal(diffaugment()(images, torch.rand(8, 11)), images)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_diffaugment_of_no_probability_is_the_identity(channels, dtype):
    block = AUGMENTS.build({"name": "diffaugment", "probability": 0.0})
    images = make_images(8, channels, 8, 8, dtype=dtype)
    random = torch.rand(8, 11)
    random[0] = 0
    assert torch.equal(block(images, random), images)


# Against the reference

PARTS = {
    "color": {"color": True},
    "translation": {"translation": 0.125},
    "far": {"translation": 1.0},
    "cutout": {"cutout": 0.5},
    "odd": {"cutout": 0.4},
    "all": {"cutout": 1.0},
    "flip": {"flip": True},
    "both": {"flip": True, "translation": 0.25},
    "whole": {"color": True, "translation": 0.125, "cutout": 0.5, "flip": True},
    "sometimes": {"color": True, "translation": 0.125, "cutout": 0.5, "flip": True, "probability": 0.4},
}


@pytest.mark.parametrize("case", crossed(PARTS, SIZES, [1, 3, 4]), ids=str)
def test_a_part_does_what_the_reference_does(case):
    part, size, channels = case
    options = {**OFF, **PARTS[part]}
    images, random = make_images(24, channels, *size), torch.rand(24, 11)
    random[0], random[1] = 0, LAST
    expected = torch.stack([reference(x, u, **options) for x, u in zip(images, random, strict=True)])
    torch.testing.assert_close(diffaugment(**options)(images, random), expected.float(), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (7, 5)])
def test_the_defaults_are_the_papers(size):
    options = {"color": True, "translation": 0.125, "cutout": 0.5, "flip": True}
    images, random = make_images(8, 3, *size), torch.rand(8, 11)
    assert torch.equal(AUGMENTS.build("diffaugment")(images, random), diffaugment(**options)(images, random))


def test_bfloat16_gives_what_float32_gives_to_its_precision():
    block = AUGMENTS.build("diffaugment")
    images, random = make_images(16, 3, 16, 16, dtype=torch.bfloat16), torch.rand(16, 11)
    torch.testing.assert_close(
        block(images, random).float(), block(images.float(), random), atol=0.04, rtol=0.01
    )


# Colour


@pytest.mark.parametrize(("number", "added"), [(0.0, -0.5), (0.5, 0.0), (0.75, 0.25), (LAST, 0.5)])
def test_brightness_adds_between_minus_a_half_and_a_half(number, added):
    images = make_images(1, 3, 8, 8)
    out = diffaugment(color=True)(images, numbers(brightness=number))
    torch.testing.assert_close(out, images + added)


@pytest.mark.parametrize(("number", "factor"), [(0.0, 0.0), (0.5, 1.0), (0.75, 1.5), (LAST, 2.0)])
def test_saturation_scales_the_distance_from_gray_between_none_and_twice(number, factor):
    images = make_images(1, 3, 8, 8)
    gray = images.mean(dim=1, keepdim=True)
    out = diffaugment(color=True)(images, numbers(saturation=number))
    torch.testing.assert_close(out, gray + factor * (images - gray))


@pytest.mark.parametrize(("number", "factor"), [(0.0, 0.5), (0.5, 1.0), (0.75, 1.25), (LAST, 1.5)])
def test_contrast_scales_the_distance_from_the_mean_by_a_half_to_one_and_a_half(number, factor):
    images = make_images(1, 3, 8, 8)
    out = diffaugment(color=True)(images, numbers(contrast=number))
    torch.testing.assert_close(out, images.mean() + factor * (images - images.mean()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_saturation_leaves_one_channel_as_it_is(dtype):
    block, images = diffaugment(color=True), make_images(4, 1, 8, 8, dtype=dtype)
    out = block(images, numbers(4, saturation=torch.tensor([0.0, 0.3, 0.8, LAST])))
    assert torch.equal(out, images)


@pytest.mark.parametrize("size", [64, 256])
def test_the_bits_of_a_sample_and_of_its_gradient_do_not_depend_on_the_batch(size):
    block = AUGMENTS.build("diffaugment")
    images, random, upstream = make_images(3, 3, size, size), torch.rand(3, 11), torch.randn(3, 3, size, size)

    def bits(rows):
        x = images[rows].requires_grad_()
        out = block(x, random[rows])
        return out.detach(), *torch.autograd.grad(out, x, upstream[rows])

    together = bits(slice(0, 3))
    for i in range(3):
        alone = bits(slice(i, i + 1))
        assert all(torch.equal(a[0], b[i]) for a, b in zip(alone, together, strict=True))


# Translation and mirroring


def test_translation_reaches_an_eighth_of_the_image_every_way_and_fills_with_zeros():
    block, images = diffaugment(translation=0.125), make_images(1, 3, 16, 16)
    up_left = block(images, numbers(down=0.0, right=0.0))
    assert torch.equal(up_left[..., :14, :14], images[..., 2:, 2:])
    assert not up_left[..., 14:, :].any() and not up_left[..., 14:].any()
    down_right = block(images, numbers(down=LAST, right=LAST))
    assert torch.equal(down_right[..., 2:, 2:], images[..., :14, :14])
    assert not down_right[..., :2, :].any() and not down_right[..., :2].any()


def test_every_whole_shift_is_equally_likely():
    block = diffaugment(translation=0.25)  # of 8 pixels: -2 to 2
    even = (torch.arange(1000) + 0.5) / 1000
    images = torch.zeros(1000, 1, 8, 8)
    images[:, :, 4, 4] = 1
    for name, dim in (("down", 2), ("right", 3)):
        where = block(images, numbers(1000, **{name: even})).amax(dim=5 - dim).flatten(1).argmax(dim=1)
        assert torch.equal(where.bincount(minlength=8), torch.tensor([0, 0, 200, 200, 200, 200, 200, 0]))


def test_a_image_is_mirrored_left_to_right_in_one_half_of_the_draws():
    images = make_images(4, 3, 6, 5)
    out = diffaugment(flip=True)(images, numbers(4, mirror=torch.tensor([0.0, 0.49, 0.5, LAST])))
    assert torch.equal(out[:2], images[:2].flip(3)) and torch.equal(out[2:], images[2:])


def test_a_mirrored_image_is_shifted_the_way_that_another_is():
    images = make_images(1, 3, 8, 8)
    out = diffaugment(flip=True, translation=0.25)(images, numbers(right=LAST, mirror=0.0))
    assert torch.equal(out[..., 2:], images.flip(3)[..., :6])


# Cutout


def holes(fraction, size, **columns):
    """Where ones became zeros, `[N, size, size]`."""
    n = max(len(value) for value in columns.values())
    out = diffaugment(cutout=fraction)(torch.ones(n, 2, size, size), numbers(n, **columns))
    assert torch.equal(out[:, 0], out[:, 1])
    return out[:, 0] == 0


@pytest.mark.parametrize(("fraction", "side"), [(0.5, 8), (0.25, 4), (0.3, 5), (1.0, 16)])
def test_cutout_in_the_middle_is_a_square_of_that_fraction(fraction, side):
    [hole] = holes(fraction, 16, top=[0.5], left=[0.5])
    assert hole.any(dim=0).sum() == hole.any(dim=1).sum() == side
    assert hole.sum() == side**2


def test_cutout_is_clipped_where_its_centre_is_at_the_border():
    corners = holes(0.5, 16, top=torch.tensor([0.0, LAST]), left=torch.tensor([0.0, LAST]))
    assert corners[0, :4, :4].all() and corners[0].sum() == 16
    assert corners[1, 12:, 12:].all() and corners[1].sum() == 16


@pytest.mark.parametrize("fraction", [0.25, 0.3, 0.5, 1.0])
def test_cutout_hides_both_ends_of_a_side_equally_often(fraction):
    even = (torch.arange(1000) + 0.5) / 1000
    often = holes(fraction, 16, top=even).any(dim=2).sum(dim=0)
    torch.testing.assert_close(often, often.flip(0), atol=1, rtol=0)


def test_no_gradient_comes_from_what_was_cut_out():
    images = make_images(1, 3, 8, 8).requires_grad_()
    random = numbers()
    [gradient] = torch.autograd.grad(diffaugment(cutout=0.5)(images, random).sum(), images)
    hole = diffaugment(cutout=0.5)(torch.ones(1, 3, 8, 8), random) == 0
    assert torch.equal(gradient == 0, hole)


# Probability and independence of the parts


@pytest.mark.parametrize(
    ("gate", "options"),
    [("color", {"color": True}), ("shift", {"translation": 0.5}), ("cut", {"cutout": 0.5})],
)
def test_a_part_is_applied_with_its_probability(gate, options):
    block, images = diffaugment(probability=0.3, **options), make_images(4, 3, 8, 8)
    out = block(images, numbers(4, fill=0.1, **{gate: [0.0, 0.29, 0.3, LAST]}))
    assert [not torch.equal(a, b) for a, b in zip(out, images, strict=True)] == [True, True, False, False]


def test_mirroring_has_half_the_probability_of_being_seen():
    images = make_images(4, 3, 8, 8)
    out = diffaugment(probability=0.3, flip=True)(images, numbers(4, mirror=[0.0, 0.14, 0.16, 0.5]))
    assert [not torch.equal(a, b) for a, b in zip(out, images, strict=True)] == [True, True, False, False]


@pytest.mark.parametrize("off", OFF)
def test_a_part_that_is_off_leaves_the_others_draws_as_they_were(off):
    whole = {"color": True, "translation": 0.25, "cutout": 0.5, "flip": True}
    images, random = make_images(8, 3, 8, 8), torch.rand(8, 11)
    neutral = {
        "color": {"brightness": 0.5, "saturation": 0.5, "contrast": 0.5},
        "translation": {"down": 0.5, "right": 0.5},
        "cutout": {"cut": 1.0},
        "flip": {"mirror": 1.0},
    }
    undone = random.clone()
    for name, value in neutral[off].items():
        undone[:, COLUMNS.index(name)] = value
    without = diffaugment(**{**whole, off: OFF[off]})(images, random)
    assert torch.equal(without, diffaugment(**whole)(images, undone))


@pytest.mark.parametrize("option", ["translation", "cutout", "probability"])
@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_a_fraction_or_probability_out_of_range_is_refused(option, value):
    with pytest.raises(ValueError, match=rf"augment\.{option} "):
        AUGMENTS.build({"name": "diffaugment", option: value})
    if math.isfinite(value):
        with pytest.raises(ValueError, match=rf"augment\.{option} is between 0 and 1; got {value}"):
            AUGMENTS.get("diffaugment")(**{option: value})


def test_alpha_is_not_recoloured():
    images = make_images(3, 4, 8, 8)
    got = diffaugment(color=True)(images, draws(AUGMENTS.build("diffaugment"), 3))
    assert torch.equal(got[:, 3], images[:, 3]) and not torch.equal(got[:, :3], images[:, :3])


def test_colours_beside_alpha_are_recoloured_as_those_without():
    block, images = diffaugment(color=True), make_images(2, 4, 8, 8)
    random = draws(block, 2)
    assert torch.equal(block(images, random)[:, :3], block(images[:, :3], random))
