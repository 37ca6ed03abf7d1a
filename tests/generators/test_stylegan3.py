"""StyleGAN3: what its recipes are, that its images move with its input, and that it lives as any other."""

import numpy as np
import pytest
import scipy.signal
import torch
from helpers import assert_same_image, trained

import ganzoo
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.stylegan3.filters import lowpass
from ganzoo.models.factory import config_of
from ganzoo.models.recipes import compose

SMALL = {
    "generator": "stylegan3",
    "resolution": 16,
    "channels": [6, 5, 4],
    "z_dim": 6,
    "w_dim": 6,
    "margin_size": 4,
}
KINDS = {"t": {}, "r": {"kernel_size": 1, "radial_filters": True}}


def small(kind="t", **changes):
    return trained(GeneratorConfig.from_dict({**SMALL, **KINDS[kind], **changes}))


@pytest.fixture(params=KINDS)
def generator(request):
    return small(request.param)


# The recipes


@pytest.mark.parametrize(("recipe", "parameters"), [("stylegan3_t", 22_313_167), ("stylegan3_r", 15_093_151)])
def test_the_published_shapes_have_these_parameters(recipe, parameters):
    config = config_of(recipe)
    assert (config.resolution, config.num_ws) == (1024, 16)
    assert config.row_sides == (4, 4, 8, 8, 16, 32, 32, 64, 128, 128, 256, 512, 512, 1024, 1024, 1024)
    assert sum(parameter.numel() for parameter in empty(config).parameters()) == parameters


def test_the_layers_of_the_published_shape_are_those_of_the_paper():
    shapes = config_of("stylegan3_t").shapes
    assert [s.out_size for s in shapes] == [
        36,
        36,
        52,
        52,
        84,
        148,
        148,
        276,
        276,
        532,
        1044,
        1044,
        1044,
        1024,
        1024,
    ]
    assert [s.up for s in shapes] == [2, 2, 4, 2, 4, 4, 2, 4, 2, 4, 4, 2, 2, 2, 1]
    assert [s.out_channels for s in shapes[-5:]] == [81, 51, 32, 32, 3]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"channels": None}, "needs channels, or channel_base, channel_max, num_layers"),
        ({"channel_base": 64}, "not both"),
        ({"num_critical": 3}, "num_critical is a whole number from 0 to 2"),
        ({"first_stopband": 1.0}, "filters that there are none of"),
        ({"first_stopband": 1e300, "first_cutoff": 1e-300}, "first_stopband is above 0 and below 2048"),
        ({"resolution": 24}, "power of two"),
        ({"filter_size": 0}, "filter_size"),
        ({"clamp": 0.0}, "clamp is positive"),
        ({"magin_size": 3}, "Did you mean 'margin_size'"),
    ],
)
def test_a_setting_that_no_network_has_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        GeneratorConfig.from_dict({**SMALL, **settings})


def test_filters_are_scipys():
    expected = scipy.signal.firwin(12, 3.1, width=9.4, fs=32)
    np.testing.assert_allclose(lowpass(12, cutoff=3.1, width=9.4, rate=32), expected, atol=1e-7)
    radial = lowpass(13, cutoff=3.1, width=9.4, rate=32, radial=True)
    assert radial.isfinite().all() and radial.sum() == pytest.approx(1)
    assert torch.equal(radial, radial.T) and torch.equal(radial, radial.flip(0))


# Images


def test_an_image_does_not_depend_on_its_batch(generator):
    z = generator.sample_z(3)
    with torch.no_grad():
        assert_same_image(generator(z)[:1], generator(z[:1]))


def test_its_deploy_form_gives_the_same_images(generator):
    z = generator.sample_z(2)
    with torch.no_grad():
        assert_same_image(ganzoo.deploy(generator)(z), generator(z))


def test_it_comes_back_from_a_folder(generator, tmp_path):
    ganzoo.save(generator, tmp_path)
    z = generator.sample_z(1)
    with torch.no_grad():
        assert torch.equal(ganzoo.load(tmp_path)(z), generator(z))


def test_gradients_reach_every_parameter(generator):
    generator(generator.sample_z(2)).square().mean().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in generator.parameters())


def test_half_precision_leaves_the_waves_alone():
    generator = small(channels=[16, 16, 16], margin_size=10)
    z = generator.sample_z(1)
    with torch.no_grad():
        expected = generator(z)
        w = generator.mapping(z)
        image = generator.synthesis.to(torch.bfloat16)(w.bfloat16()).image
    assert image.dtype == torch.bfloat16 and generator.synthesis.input.freqs.dtype == torch.float32
    assert (image.float() - expected).abs().max() < 0.05 * expected.abs().max()


# The input moves


@torch.no_grad()
def shown(generator, w, translate=(0.0, 0.0), rotate=0.0):
    back = generator.synthesis.move(translate, rotate)
    image = generator.synthesis(w).image
    back()
    return image


def inner(image, margin=4):
    return image[:, :, margin:-margin, margin:-margin]


@pytest.mark.parametrize("form", ["trainable", "deployed"])
def test_the_image_moves_to_the_right_and_down(form):
    generator = small(resolution=32, margin_size=10)
    generator = ganzoo.deploy(generator) if form == "deployed" else generator
    w = generator.mapping(generator.sample_z(1))
    still, moved = shown(generator, w), shown(generator, w, (4 / 32, 2 / 32))
    shifted = still.roll((2, 4), dims=(2, 3))
    error = (inner(moved) - inner(shifted)).abs().mean()
    assert error < 0.05 * (inner(still) - inner(shifted)).abs().mean()
    assert torch.equal(shown(generator, w), still)


def test_the_image_of_r_turns_counterclockwise():
    generator = small("r", margin_size=10)
    w = generator.mapping(generator.sample_z(1))
    still, turned = shown(generator, w), shown(generator, w, rotate=90.0)
    expected = still.rot90(1, dims=(2, 3))  # of rows that run downwards, counterclockwise to the eye
    error = (inner(turned) - inner(expected)).abs().mean()
    assert error < 0.2 * (inner(still) - inner(expected)).abs().mean()


def test_a_network_without_such_an_input_refuses_to_move():
    generator = ganzoo.create("stylegan2", resolution=8, channels=[4, 4])
    with pytest.raises(ValueError, match="cannot be shifted or turned"):
        generator.synthesis.move((0.1, 0.0))


# Training


def test_running_means_move_in_training_alone(generator):
    synthesis = generator.synthesis
    w = generator.mapping(generator.sample_z(4))
    before = [layer.magnitude_ema.clone() for layer in synthesis.layers]
    synthesis(w)
    assert synthesis.observed() == {}
    synthesis.train()(w)
    assert [layer.magnitude_ema for layer in synthesis.layers] == before
    synthesis.absorb(synthesis.observed())
    after = [layer.magnitude_ema for layer in synthesis.layers]
    assert all(a != b and abs(a - b) < 0.1 for a, b in zip(after, before, strict=True))


# Rows of w


@pytest.mark.parametrize(
    ("ours", "theirs", "rows"),
    [
        (("mobilestylegan", 64), ("stylegan2", 1024), list(range(10))),
        (("mobilestylegan", 256), ("stylegan3_t", 1024), [0, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 10, 10]),
        (
            ("mobilestylegan", 1024),
            ("stylegan3_t", 1024),
            [0, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11, 12, 13, 14, 15],
        ),
        (("stylegan3_t", 1024), ("stylegan3_r", 1024), list(range(16))),
    ],
)
def test_rows_of_w_correspond_by_the_side_of_their_features(ours, theirs, rows):
    a, b = (compose(name, {"resolution": resolution}) for name, resolution in (ours, theirs))
    assert GeneratorConfig.from_dict(a).rows_of(GeneratorConfig.from_dict(b)) == rows
