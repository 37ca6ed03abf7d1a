"""A narrower generator from a wider one: it does what the wider one does without some of its channels."""

import copy
from dataclasses import replace

import pytest
import torch
from combinations import BASES, COMBINATIONS, PAIRS, settings
from covering import thinned
from helpers import assert_same_image, tiny_config, trained

import ganzoo
from ganzoo.models.factory import build

WIDER, NARROWER = (8, 12, 16), (4, 8, 9)
CONST = "synthesis.levels.0.const"


def wide(combination):
    return trained(tiny_config(**settings(combination)))


def narrower(config):
    return replace(config, channels=NARROWER[: len(config.channels)])


def groups(teacher, level):
    """Channels that stay or go together: an inverse wavelet transform makes one of four."""
    width = teacher.config.channels[level]
    is_read = level + 1 < len(teacher.config.channels)
    if teacher.config.upsampler["name"] != "idwt" or not is_read:
        return [[i] for i in range(width)]
    low = width // 4
    return [[g, *range(low + 3 * g, low + 3 * g + 3)] for g in range(low)]


def choice(teacher, config, seed=3):
    """Channels to keep at every place, as a set, drawn at random."""
    random = torch.Generator().manual_seed(seed)
    kept = {}
    for level, (count, width) in enumerate(zip(config.channels, teacher.config.channels, strict=True)):
        own = groups(teacher, level)
        order = torch.randperm(len(own), generator=random).tolist()
        kept[f"synthesis.levels.{level}"] = {c for g in order[: count // len(own[0])] for c in own[g]}
        inner = torch.randperm(width, generator=random)[:count].tolist()
        kept[f"synthesis.levels.{level}.upsample" if level else CONST] = {*inner}
    return kept


def scores_of(kept, teacher):
    """Scores by which just these channels are chosen, all alike within the two halves but for their order."""
    scores = {}
    for name, channels in kept.items():
        level = int(name.split(".")[2])
        width = teacher.config.channels[level]
        scores[name] = torch.tensor([float(c in channels) for c in range(width)])
    return scores


def inherit(config, teacher, scores):
    """The narrower generator; every one of its tensors is the teacher's."""
    student = build(config, seed=7)
    student.load_state_dict(config.inherited(teacher, scores), strict=True)
    return student


def silenced(teacher, kept):
    """The teacher with the channels that are not kept deaf: nobody reads them, no norm counts them."""
    teacher = copy.deepcopy(teacher)
    levels = teacher.synthesis.levels

    def deafen(conv, dropped):
        conv.modulation.weight[dropped] = 0
        conv.modulation.bias[dropped] = 0
        if hasattr(conv, "demodulation") and hasattr(conv.demodulation, "style_inv"):
            conv.demodulation.style_inv[dropped] = 0

    with torch.no_grad():
        for name, channels in kept.items():
            level = int(name.split(".")[2])
            dropped = sorted({*range(teacher.config.channels[level])} - channels)
            if name != f"synthesis.levels.{level}":
                deafen(levels[level].conv.conv, dropped)
                continue
            if str(level) in teacher.synthesis.head.to_image:
                deafen(teacher.synthesis.head.to_image[str(level)].conv, dropped)
            if level + 1 == len(levels):
                continue
            above = levels[level + 1]
            if hasattr(above.shortcut, "weight"):
                above.shortcut.weight[:, dropped] = 0
            if teacher.config.upsampler["name"] == "idwt":
                deafen(above.upsample.conv, dropped)  # its own modulation, of the sub-bands
                low = teacher.config.channels[level] // 4
                deafen(above.upsample.conv.conv, [c for c in dropped if c < low])
            else:
                deafen(above.upsample.conv.conv, dropped)
    return teacher


@pytest.fixture(params=thinned(COMBINATIONS, PAIRS), ids="-".join)
def teacher(request):
    return wide(request.param)


def test_every_combination_narrows_to_what_it_does_without_the_other_channels(teacher):
    config = narrower(teacher.config)
    kept = choice(teacher, config)
    student = inherit(config, teacher, scores_of(kept, teacher))
    z = teacher.sample_z(2)
    expected = silenced(teacher, kept)(z)
    assert not torch.allclose(expected, teacher(z), atol=1e-2)
    assert_same_image(student(z), expected)
    assert_same_image(ganzoo.deploy(student)(z), expected)


def test_every_combination_narrows_by_its_own_scores(teacher):
    config = narrower(teacher.config)
    student = inherit(config, teacher, teacher.config.channel_scores(teacher))
    assert torch.isfinite(student(student.sample_z(2))).all()


def test_the_same_widths_give_the_same_network(teacher):
    student = inherit(teacher.config, teacher, {})
    for name, tensor in teacher.state_dict().items():
        assert torch.equal(student.state_dict()[name], tensor)
        assert student.state_dict()[name].data_ptr() != tensor.data_ptr()


@pytest.mark.parametrize("combination", BASES, ids="-".join)
def test_what_a_channel_gives_is_gone_where_its_features_are_zeroed(combination):
    """The same again by zeroed features, where no norm changes."""
    teacher = trained(tiny_config(**{**settings(combination), "demodulation": "none"}))
    config = narrower(teacher.config)
    kept = choice(teacher, config)
    student = inherit(config, teacher, scores_of(kept, teacher))

    def zero(channels):
        def hook(module, args, output):
            mask = torch.tensor([float(c in channels) for c in range(output.shape[1])])
            return output * mask[:, None, None]

        return hook

    for name, channels in kept.items():
        if name == CONST:
            mask = torch.tensor([float(c in channels) for c in range(teacher.config.channels[0])])
            teacher.synthesis.levels[0].const.data *= mask[:, None, None]
        else:
            teacher.get_submodule(name).register_forward_hook(zero(channels))
    z = teacher.sample_z(2)
    assert_same_image(student(z), teacher(z))


def test_a_student_of_fewer_levels_takes_those_that_it_has():
    teacher = trained(tiny_config(channels=(8, 12, 16), head="skip"))
    config = replace(teacher.config, resolution=8, channels=(8, 6))
    student = inherit(config, teacher, teacher.config.channel_scores(teacher))
    features = list(student.synthesis.features(student.mapping(student.sample_z(2))))
    assert [x.shape[1] for x in features] == [8, 6]
    w = teacher.mapping(teacher.sample_z(2))
    assert_same_image(features[0], next(iter(teacher.synthesis.features(w))))


def test_a_level_that_is_wider_than_the_teacher_s_starts_anew_and_so_does_what_reads_it():
    teacher = trained(tiny_config(channels=(8, 12, 16)))
    config = replace(teacher.config, channels=(4, 16, 16))
    names = {*config.inherited(teacher, teacher.config.channel_scores(teacher))}
    assert CONST in names and "synthesis.levels.0.conv.conv.weight" in names
    assert "synthesis.head.to_image.0.conv.weight" in names
    assert "synthesis.levels.1.conv.conv.weight" not in names
    assert "synthesis.levels.2.upsample.conv.conv.weight" not in names


def test_a_narrower_level_of_another_block_starts_anew():
    teacher = trained(tiny_config(channels=(8, 12, 16), conv="full"))
    config = replace(teacher.config, channels=(4, 8, 8), conv={"name": "depthwise"})
    names = {*config.inherited(teacher, teacher.config.channel_scores(teacher))}
    assert "synthesis.levels.0.conv.conv.weight" in names  # always a full one
    assert not [name for name in names if name.startswith("synthesis.levels.1") and "bias" in name]


def test_channels_to_choose_among_need_scores():
    teacher = trained(tiny_config())
    config = narrower(teacher.config)
    with pytest.raises(ValueError, match=r"4 of 8 channels .* no scores"):
        config.inherited(teacher, {})


def test_a_deployed_teacher_gives_nothing_away():
    teacher = trained(tiny_config())
    with pytest.raises(TypeError, match="deployed"):
        teacher.config.inherited(ganzoo.deploy(teacher), {})


def test_an_architecture_that_says_nothing_takes_what_agrees_by_name_and_shape(second_architecture):
    teacher = trained(second_architecture.WavesConfig(depth=3))
    config = second_architecture.WavesConfig(depth=4)
    assert teacher.config.channel_scores(teacher) == {}
    found = config.inherited(teacher, {})
    assert "synthesis.layers.2.weight" in found and "synthesis.layers.3.weight" not in found
    assert torch.equal(found["synthesis.layers.2.weight"], teacher.synthesis.layers[2].weight)


def test_another_architecture_inherits_what_agrees_by_name_and_shape(second_architecture):
    teacher = trained(tiny_config())
    found = second_architecture.WavesConfig().inherited(teacher, {})
    assert [*found] == ["mapping.w_avg"]


@pytest.mark.parametrize(("own", "theirs", "taken"), [
    ("single", "aux", True), ("aux", "single", True), ("skip", "skip", True),
    ("single", "skip", False), ("skip", "aux", False),
])  # fmt: skip
def test_a_head_that_sums_its_levels_lends_nothing_to_one_that_does_not(own, theirs, taken):
    """Its last prediction is what the levels below lack; a head that predicts the image needs the image."""
    teacher = trained(tiny_config(head=theirs))
    names = tiny_config(head=own).inherited(teacher, {})
    assert ("synthesis.head.to_image.2.conv.weight" in names) == taken
    assert "synthesis.levels.2.conv.conv.weight" in names
