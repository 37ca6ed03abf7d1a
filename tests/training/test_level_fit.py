"""The levels of a narrower student make up for the channels that they lack."""

import dataclasses

import pytest
import torch
from training_helpers import make_teacher, run_settings

from ganzoo.blocks import CONVS, UPSAMPLERS, DepthwiseConv, FullConv, NoDemodulation, StyleDemodulation
from ganzoo.models.factory import build
from ganzoo.training.level_fit import fit_levels
from ganzoo.training.teacher import Teacher
from ganzoo.training.warm_start import start_from

WIDE, NARROW = (16, 16, 16), (16, 8, 4)
NETWORKS = {
    "mobile": {"upsampler": {"name": "idwt"}, "conv": {"name": "depthwise"}},
    "style": {"upsampler": {"name": "conv_transpose"}, "conv": {"name": "full"}},
    "nearest": {"upsampler": {"name": "nearest"}, "conv": {"name": "depthwise"}},
}


def pair(network="mobile", channels=NARROW, teachers="none", wide=WIDE, **own):
    """A teacher of this demodulation, and a student of its own blocks that took over some channels."""
    blocks = {**NETWORKS[network], "head": {"name": "single"}, "demodulation": {"name": teachers}}
    original = make_teacher(channels=wide, **blocks)
    own = {"channels": channels, "demodulation": {"name": "none"}, **own}
    student = build(dataclasses.replace(original.config, **own), seed=5)
    student.mapping.load_state_dict(original.mapping.state_dict())
    teacher = Teacher(original, run_settings(student=student.config, cache={"images": 0}))
    for ours, theirs in zip(
        student.synthesis.constant_noise(), original.synthesis.constant_noise(), strict=False
    ):
        ours.copy_(theirs)
    start = start_from(student, original, name="the teacher")
    return teacher, student, start


def error(teacher, student, name, kept):
    """Share of the energy of a layer's features that a student misses, on latents that no fit has seen."""
    drawn, found = teacher.drawn(range(1000, 1016)), {}
    for network in (student, teacher.original):
        layer = network.get_submodule(name)
        hook = layer.register_forward_hook(
            lambda module, inputs, output, key=network: found.update({key: output})
        )
        with torch.no_grad():
            network.synthesis(drawn.w, network.synthesis.borrowed(drawn.noise))
        hook.remove()
    wanted = found[teacher.original][:, kept]
    return float((found[student] - wanted).square().sum() / wanted.square().sum())


@pytest.mark.parametrize(("network", "lasting"), [("style", 3), ("nearest", 3), ("mobile", 1)])
def test_layers_that_lack_inputs_come_nearer_to_the_teachers(network, lasting):
    """All of them where the kept channels tell of the others; the first, at least, of random sub-bands."""
    teacher, student, start = pair(network)
    before = {name: error(teacher, student, name, kept) for name, kept in start.kept.items()}
    left = fit_levels(student, teacher, start, 200)
    after = {name: error(teacher, student, name, kept) for name, kept in start.kept.items()}
    # The first narrow layer still reads all channels.
    lacking = [f"synthesis.levels.{layer}" for layer in ("1.conv", "2.upsample", "2.conv")]
    assert list(left)[:lasting] == lacking[:lasting] and {*left} <= {*lacking}
    assert all(after[name] < 0.9 * before[name] for name in lacking[:lasting]), (before, after)
    assert all(0 < share < 1 for share in left.values())


@pytest.mark.parametrize("network", NETWORKS)
def test_weights_that_do_what_the_teachers_do_are_found_again(network):
    """A student that lacks nothing of a teacher whose upper channels are dead."""
    teacher, student, start = pair(network, channels=(16, 16, 8))
    last = teacher.original.synthesis.levels[2]
    kept = start.kept["synthesis.levels.2.upsample"]
    dead = [i for i in range(16) if i not in kept]
    with torch.no_grad():
        last.upsample.bias[dead] = 0
        last.upsample.noise.strength.zero_()
        student.synthesis.levels[2].upsample.noise.strength.zero_()
        last.upsample.conv.conv.weights()[-1][dead] = 0
        student.synthesis.levels[2].conv.conv.weights()[-1].normal_(
            generator=torch.Generator().manual_seed(1)
        )
    left = fit_levels(student, teacher, start, 48)
    assert list(left) == ["synthesis.levels.2.conv"] and left["synthesis.levels.2.conv"] < 1e-5
    name = "synthesis.levels.2.conv"
    assert error(teacher, student, name, start.kept[name]) < 1e-4


@pytest.mark.parametrize("conv", CONVS.names())
@pytest.mark.parametrize("upsampler", [None, *UPSAMPLERS.names()])
def test_columns_times_the_last_weight_are_what_a_block_gives(conv, upsampler):
    random = torch.Generator().manual_seed(0)

    def make_conv(in_channels, out_channels):
        demodulation = NoDemodulation(in_channels=in_channels)
        return CONVS.build(
            {"name": conv},
            in_channels=in_channels,
            out_channels=out_channels,
            w_dim=5,
            demodulation=demodulation,
        )

    if upsampler is None:
        block = weighted = make_conv(8, 6)
    else:
        block = UPSAMPLERS.build(
            {"name": upsampler}, in_channels=8, out_channels=6, w_dim=5, make_conv=make_conv
        )
        weighted = block.conv
    x, w = torch.randn(2, 8, 4, 4, generator=random), torch.randn(2, 5, generator=random)
    matrix = weighted.weights()[-1].flatten(1)
    with torch.no_grad():
        found = torch.einsum("om,nmhw->nohw", matrix, block.product(x, w)[0])
        torch.testing.assert_close(found, block(x, w), rtol=1e-4, atol=1e-5)


def test_a_convolution_with_a_demodulation_is_no_product_of_its_weight():
    conv = CONVS.build(
        {"name": "full"},
        in_channels=4,
        out_channels=4,
        w_dim=5,
        demodulation=StyleDemodulation(in_channels=4),
    )
    assert conv.product(torch.ones(1, 4, 4, 4), torch.ones(1, 5)) is None


def test_a_bias_in_front_of_the_blur_is_no_part_of_the_product():
    def make_conv(in_channels, out_channels):
        demodulation = NoDemodulation(in_channels=in_channels)
        return DepthwiseConv(in_channels=4, out_channels=4, w_dim=5, demodulation=demodulation)

    own = {"in_channels": 4, "out_channels": 4, "w_dim": 5, "make_conv": make_conv}
    x, w = torch.ones(1, 4, 4, 4), torch.ones(1, 5)
    with_bias, without = (
        UPSAMPLERS.build({"name": "nearest", "bias": bias}, **own) for bias in (True, False)
    )
    assert with_bias.product(x, w) is None and without.product(x, w) is not None


def test_weights_are_asked_of_the_block():
    class Centred(DepthwiseConv):
        def weights(self):
            return self.weight_dw - self.weight_dw.mean(), self.weight_pw

    conv = Centred(in_channels=4, out_channels=3, w_dim=5, demodulation=NoDemodulation(in_channels=4))
    random = torch.Generator().manual_seed(0)
    x, w = torch.randn(2, 4, 4, 4, generator=random), torch.randn(2, 5, generator=random)
    with torch.no_grad():
        features, weight = conv.product(x, w)
        found = torch.einsum("om,nmhw->nohw", weight.flatten(1), features)
        torch.testing.assert_close(found, conv(x, w), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("base", [DepthwiseConv, FullConv])
def test_a_convolution_that_only_convolves_otherwise_is_left_out(base):
    class Doubled(base):
        def convolve(self, x, weights, bias=None, *, transposed):
            return 2 * super().convolve(x, weights, bias, transposed=transposed)

    conv = Doubled(in_channels=4, out_channels=4, w_dim=5, demodulation=NoDemodulation(in_channels=4))
    assert conv.product(torch.ones(1, 4, 4, 4), torch.ones(1, 5)) is None


@pytest.mark.parametrize(
    "own",
    [
        {"teachers": "static"},
        {"conv": {"name": "full"}},
        {"upsampler": {"name": "conv_transpose"}},
        {"channels": (16, 24, 8)},
    ],
)
def test_nothing_is_fitted_above_a_layer_that_was_not_taken_over(own):
    teacher, student, start = pair(**own)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    assert start.kept and fit_levels(student, teacher, start, 12) == {}
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


@pytest.mark.parametrize("count", [2, 4, 16])
def test_too_few_latents_leave_a_student_no_worse(count):
    """A full convolution has more weights than two images have places."""
    teacher, student, start = pair("style", channels=(32, 16, 16), wide=(32, 32, 32))
    name = "synthesis.levels.2.conv"
    before = error(teacher, student, name, start.kept[name])
    fit_levels(student, teacher, start, count)
    assert error(teacher, student, name, start.kept[name]) < 1.05 * before


def test_a_convolution_with_a_demodulation_stays_as_it_is():
    teacher, student, start = pair(teachers="style", demodulation={"name": "style"})
    before = {name: value.clone() for name, value in student.state_dict().items()}
    assert len(start.kept) == 5 and fit_levels(student, teacher, start, 8) == {}
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


def test_what_is_frozen_stays_as_it_is():
    """A frozen modulation is no reason to leave the weight alone."""
    teacher, student, start = pair("style")
    first, last = student.synthesis.levels[1:]
    for part in (first.conv.conv.modulation, last.upsample.bias, last.conv.conv.weight):
        part.requires_grad_(False)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    left = fit_levels(student, teacher, start, 200)
    changed = [name for name, value in student.state_dict().items() if not torch.equal(value, before[name])]
    assert list(left) == ["synthesis.levels.1.conv"]
    assert changed == ["synthesis.levels.1.conv.bias", "synthesis.levels.1.conv.conv.weight"]


def test_a_student_as_wide_as_its_teacher_has_nothing_to_fit():
    teacher, student, start = pair(channels=WIDE)
    assert start.kept == {} and fit_levels(student, teacher, start, 8) == {}


def test_the_same_run_finds_the_same_levels():
    one, other = pair(), pair()
    assert fit_levels(one[1], one[0], one[2], 60) == fit_levels(other[1], other[0], other[2], 60) != {}


def test_a_layer_whose_teacher_gives_nothing_is_left_alone():
    teacher, student, start = pair("style")
    teacher.original.synthesis.levels[2].conv.conv.weight.data.zero_()
    before = student.synthesis.levels[2].conv.conv.weight.clone()
    assert "synthesis.levels.2.conv" not in fit_levels(student, teacher, start, 20)
    assert torch.equal(student.synthesis.levels[2].conv.conv.weight, before)
