"""Adaptive augmentation: chances, options, channels and places that the original's outputs do not show."""

import math

import pytest
import torch
import torch.nn.functional as F

from ganzoo.blocks import AUGMENTS
from ganzoo.blocks.ada import Draws, augmented
from ganzoo.blocks.ada.block import COLUMNS, MEMBERS

LAST = 1 - 2**-24  # the largest float32 below 1
NAMES = [name for members in MEMBERS.values() for name in members]
OFFSETS = dict(zip(COLUMNS, torch.tensor([n + 1 for n in COLUMNS.values()]).cumsum(0).tolist(), strict=True))


def ada(*names, p=1.0, **options):
    """With the named transforms alone."""
    only = {name: float(name in names) for name in NAMES}
    return AUGMENTS.build({"name": "ada", "p": p, **only, **options})


def make_images(n, *shape, dtype=torch.float32):
    return torch.rand(n, *shape, dtype=dtype) * 2 - 1


def gates(random, name, value):
    """The rows with another number that says whether a transform is applied."""
    random = random.clone()
    random[:, OFFSETS[name] - 1] = torch.as_tensor(value)
    return random


def all_gates(random, value):
    for name in COLUMNS:
        random = gates(random, name, value)
    return random


def changed(block, images, random):
    out = block(images, random)
    return [not torch.equal(a, b) for a, b in zip(images, out, strict=True)]


# Chances


@pytest.mark.parametrize("groups", ["bgc", "bgcfnc"])
def test_nothing_is_computed_where_nothing_is_drawn(groups):
    block, images = AUGMENTS.build({"name": "ada", "groups": groups}), make_images(4, 3, 16, 16)
    assert block(images, torch.rand(4, block.numbers)) is images


def test_a_sample_that_draws_nothing_comes_through_bit_by_bit():
    block, images = AUGMENTS.build({"name": "ada", "groups": "bgcfnc", "p": 0.5}), make_images(4, 3, 16, 16)
    random = torch.rand(4, block.numbers)
    random[1::2] = all_gates(random[1::2], 0.5)
    random[::2] = all_gates(random[::2], 0.49)
    assert changed(block, images, random) == [True, False, True, False]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("rotate", "imgfilter")])
@pytest.mark.parametrize("multiplier", [1.0, 0.5])
def test_a_transform_has_the_chance_of_p_times_its_multiplier(name, multiplier):
    block, images = ada(name, p=0.6, **{name: multiplier}), make_images(4, 3, 16, 16)
    chance = 0.6 * multiplier
    random = gates(torch.full((4, block.numbers), 0.9), name, [0.0, chance - 1e-6, chance + 1e-6, LAST])
    assert changed(block, images, random) == [True, True, False, False]


@pytest.mark.parametrize("turn", ["rotate", "rotate_after"])
def test_either_of_two_turns_has_the_chance_that_both_are_said_to_have(turn):
    block, images = ada("rotate", p=0.64), make_images(4, 3, 16, 16)
    random = all_gates(torch.full((4, block.numbers), 0.9), LAST)
    random = gates(random, turn, [0.0, 0.399, 0.401, LAST])  # 1 - sqrt(1 - 0.64) = 0.4
    assert changed(block, images, random) == [True, True, False, False]


@pytest.mark.parametrize("band", range(4))
def test_a_band_has_a_chance_of_its_own(band):
    shares = [0.0] * 4
    shares[band] = 0.5
    block, images = ada("imgfilter", p=0.6, imgfilter_bands=shares), make_images(4, 3, 32, 32)
    random = gates(torch.full((4, block.numbers), 0.9), f"band{band}", [0.0, 0.299, 0.301, LAST])
    for other in range(4):
        random = random if other == band else gates(random, f"band{other}", 0.0)
    assert changed(block, images, random) == [True, True, False, False]


def test_p_above_one_is_certainty():
    images, random = make_images(4, 3, 16, 16), torch.rand(4, AUGMENTS.get("ada").numbers)
    sure, more = (AUGMENTS.build({"name": "ada", "p": p}) for p in (1.0, 1.7))
    assert torch.equal(sure(images, random), more(images, random))


def test_a_run_moves_p_which_is_neither_learnt_nor_saved_by_the_block():
    block, images = AUGMENTS.build("ada"), make_images(4, 3, 16, 16)
    random = torch.rand(4, block.numbers)
    assert block.p.shape == () and not block.state_dict() and not [*block.parameters()]
    block.p.fill_(1.0)
    assert torch.equal(block(images, random), AUGMENTS.build({"name": "ada", "p": 1.0})(images, random))


@pytest.mark.parametrize("name", ["none", "diffaugment"])
def test_an_augmentation_that_does_not_adapt_has_no_p(name):
    assert AUGMENTS.build(name).p is None


# Options


@pytest.mark.parametrize(
    ("groups", "names"),
    [*MEMBERS.items()] + [("bgcfnc"[:n], sum([*MEMBERS.values()][:n], ())) for n in (2, 3, 4, 5, 6)],
)
def test_groups_say_which_transforms_take_part(groups, names):
    multipliers = AUGMENTS.build({"name": "ada", "groups": groups}).multipliers
    assert {name for name, multiplier in multipliers.items() if multiplier} == {*names}
    assert {*multipliers} == {*NAMES}


def test_the_default_groups_are_blit_geom_and_color():
    assert AUGMENTS.build("ada").multipliers == AUGMENTS.build({"name": "ada", "groups": "bgc"}).multipliers


def test_one_multiplier_overrides_its_group():
    multipliers = AUGMENTS.build({"name": "ada", "hue": 0.0, "noise": 0.25}).multipliers
    assert (multipliers["hue"], multipliers["noise"], multipliers["xflip"]) == (0.0, 0.25, 1.0)


@pytest.mark.parametrize("off", ["xflip", "rotate", "hue", "imgfilter", "noise"])
def test_a_transform_that_is_off_leaves_the_others_draws_as_they_were(off):
    images, block = make_images(4, 3, 32, 32), AUGMENTS.build({"name": "ada", "groups": "bgcfnc", "p": 1.0})
    random = torch.rand(4, block.numbers)
    columns = {"rotate": ("rotate", "rotate_after"), "imgfilter": [f"band{i}" for i in range(4)]}
    undone = random
    for column in columns.get(off, (off,)):
        undone = gates(undone, column, 1.0)
    without = AUGMENTS.build({"name": "ada", "groups": "bgcfnc", "p": 1.0, off: 0.0})
    torch.testing.assert_close(without(images, random), block(images, undone))


@pytest.mark.parametrize("option", ["p", "xflip", "scale_std", "cutout_size", "imgfilter_bands"])
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_a_number_that_is_negative_or_not_finite_is_refused(option, value):
    with pytest.raises(ValueError, match=rf"augment\.{option}(\[2\])? .*{value}"):
        AUGMENTS.get("ada")(**{option: (1.0, 1.0, value, 1.0) if option == "imgfilter_bands" else value})


def test_unknown_groups_are_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"augment\.groups.*'bgx'.*bgcfnc"):
        AUGMENTS.build({"name": "ada", "groups": "bgx"})


@pytest.mark.parametrize("number", [0.0, LAST])
def test_the_ends_of_the_random_numbers_give_finite_images(number):
    block = AUGMENTS.build({"name": "ada", "groups": "bgcfnc", "p": 1.0})
    random = all_gates(torch.full((2, block.numbers), number), 0.0)
    assert block(make_images(2, 3, 16, 16), random).isfinite().all()


# Places


@pytest.mark.parametrize("size", [(16, 16), (8, 12), (7, 5), (1, 1), (1, 6)])
def test_an_even_image_stays_even_wherever_it_is_moved(size):
    block, images = AUGMENTS.build({"name": "ada", "groups": "bg", "p": 1.0}), torch.full((8, 2, *size), 0.7)
    torch.testing.assert_close(block(images, torch.rand(8, block.numbers)), images, rtol=0, atol=1e-5)


# The filter is not symmetric: what is mirrored comes out a tenth of a pixel beside its place.
TENTH = 0.11 * math.pi / 31


def smooth_images(height, width):
    """Waves that change by no more than pi / 31 a pixel."""
    y, x = (torch.cos(math.pi * torch.arange(size) / (size - 1)) for size in (height, width))
    return torch.stack([x + 0 * y[:, None], y[:, None] + 0 * x, x * y[:, None]])[None]


@pytest.mark.parametrize("size", [(32, 32), (32, 48)])
def test_a_flip_mirrors_left_to_right(size):
    images = smooth_images(*size).repeat(2, 1, 1, 1)
    got = augmented(images, Draws(xflip=torch.tensor([1.0, 0.0])))
    torch.testing.assert_close(got, torch.stack([images[0].flip(2), images[1]]), rtol=0, atol=TENTH)


@pytest.mark.parametrize("turns", range(4))
def test_quarter_turns_turn_about_the_centre(turns):
    images = smooth_images(32, 32)
    got = augmented(images, Draws(rotate90=torch.tensor([float(turns)])))
    torch.testing.assert_close(got, images.rot90(turns, (2, 3)), rtol=0, atol=TENTH)


def test_a_whole_shift_goes_right_and_down_and_continues_by_reflection():
    images = make_images(1, 3, 8, 16)
    got = augmented(images, Draws(xint=torch.tensor([[0.125, 0.25]])))
    expected = F.pad(images, (2, 0, 2, 0), mode="reflect")[..., :8, :16]
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("periods", [1, -3])
def test_reflection_goes_on_for_ever(periods):
    images = make_images(1, 3, 8, 8)
    far = torch.tensor([[periods * 14 / 8, -periods * 14 / 8]])
    torch.testing.assert_close(augmented(images, Draws(xfrac=far)), images, rtol=0, atol=1e-4)


def test_small_images_are_filtered_by_reflection_that_goes_on_for_ever():
    small = make_images(2, 3, 4, 4)
    period = torch.cat([small, small.flip(3)[..., 1:-1]], dim=3)  # 6 columns that repeat
    period = torch.cat([period, period.flip(2)[..., 1:-1, :]], dim=2)
    large = period.repeat(1, 1, 12, 12)
    gains = Draws(imgfilter=torch.tensor([[1.5, 0.5, 2.0, 0.7], [0.3, 1.0, 1.0, 3.0]]))
    inner = augmented(large, gains)[..., 36:40, 36:40]
    torch.testing.assert_close(augmented(small, gains), inner, rtol=0, atol=1e-5)


# Channels


@pytest.mark.parametrize("channels", [4, 5])
def test_what_comes_after_the_colors_is_not_recolored(channels):
    block, images = (
        AUGMENTS.build({"name": "ada", "groups": "color", "p": 1.0}),
        make_images(3, channels, 8, 8),
    )
    random = torch.rand(3, block.numbers)
    got = block(images, random)
    assert torch.equal(got[:, 3:], images[:, 3:])
    assert torch.equal(got[:, :3], block(images[:, :3], random)) and not torch.equal(
        got[:, :3], images[:, :3]
    )


def test_alpha_beside_gray_is_not_recolored():
    block, images = AUGMENTS.build({"name": "ada", "groups": "color", "p": 1.0}), make_images(3, 2, 8, 8)
    random = torch.rand(3, block.numbers)
    got = block(images, random)
    assert torch.equal(got[:, 1:], images[:, 1:])
    assert torch.equal(got[:, :1], block(images[:, :1], random))


@pytest.mark.parametrize("groups", ["bg", "filter", "cutout"])
def test_every_channel_is_moved_filtered_and_cut_alike(groups):
    block, gray = AUGMENTS.build({"name": "ada", "groups": groups, "p": 1.0}), make_images(3, 1, 16, 16)
    got = block(gray.expand(-1, 5, -1, -1), torch.rand(3, block.numbers))
    torch.testing.assert_close(got, got[:, :1].expand_as(got), rtol=0, atol=1e-6)


def test_a_gray_image_is_recolored_as_its_three_equal_colors_are():
    block, gray = AUGMENTS.build({"name": "ada", "groups": "color", "p": 1.0}), make_images(4, 1, 8, 8)
    random = torch.rand(4, block.numbers)
    got = block(gray.expand(-1, 3, -1, -1), random)
    torch.testing.assert_close(got, block(gray, random).expand_as(got), rtol=0, atol=1e-5)


# Noise


def test_noise_is_standard_normal_times_its_deviation_and_its_samples_own():
    block, images = ada("noise"), torch.zeros(3, 3, 64, 64)
    random = torch.rand(3, block.numbers)
    random[2] = random[0]
    noise = block(images, random)
    assert torch.equal(noise[0], noise[2])
    assert torch.equal(noise[1:2], block(images[1:2], random[1:2]))
    deviation = block.draws(random, images.shape).noise
    torch.testing.assert_close(noise.flatten(1).std(1), deviation, rtol=0.05, atol=0)
    torch.testing.assert_close(noise[0] / deviation[0], block.draws(random, images.shape).field[0])
    assert torch.corrcoef(noise[:2].flatten(1))[0, 1].abs() < 0.05


@pytest.mark.parametrize("number", [0, 1])
def test_each_of_the_two_numbers_of_a_seed_gives_other_noise(number):
    block, images = ada("noise"), torch.zeros(2, 3, 16, 16)
    random = torch.full((2, block.numbers), 0.3)
    random[1, OFFSETS["field"] - 2 + number] = 0.3 + 2**-24
    noise = block(images, gates(random, "noise", 0.0))
    assert not torch.equal(noise[0], noise[1])


# Precision


def test_bfloat16_gives_what_float32_gives_to_its_precision():
    block = AUGMENTS.build({"name": "ada", "groups": "bgcfnc", "p": 1.0})
    images, random = make_images(8, 3, 16, 16, dtype=torch.bfloat16), torch.rand(8, block.numbers)
    exact = block(images.float(), random)
    torch.testing.assert_close(block(images, random).float(), exact, atol=0, rtol=0.005)


def test_autocast_does_not_reach_into_it():
    block = AUGMENTS.build({"name": "ada", "groups": "bgcfnc", "p": 1.0})
    images, random = make_images(2, 3, 16, 16), torch.rand(2, block.numbers)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = block(images, random)
    assert torch.equal(cast, block(images, random))
