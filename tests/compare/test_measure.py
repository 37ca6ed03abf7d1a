import io

import numpy as np
import pytest
import torch
from compare_helpers import comparison, subjects
from helpers import styled_layers, tiny, trained
from PIL import Image

from ganzoo.compare.measure import Settings, difference, measure, subject
from ganzoo.features.networks import FeatureInfo, FeatureNetwork
from ganzoo.metrics.pairs import pair_figures


class Edges(FeatureNetwork):
    """Feature maps for perceptual distances: the pixels themselves, and every other one of them."""

    def maps(self, pixels):
        return [pixels + 1, pixels[..., ::2, ::2] + 1]


def decoded(image):
    return np.array(Image.open(io.BytesIO(image.data))).astype(int)


@pytest.mark.parametrize("noise", ["const", "random", "none"])
def test_a_page_shows_the_images_of_its_seeds(noise):
    found = comparison(seeds=(3, 7), truncation_psi=0.5, noise=noise)
    generator = trained(tiny(), 0)
    for row, seed in zip(found.rows, (3, 7), strict=True):
        with torch.inference_mode():
            random = torch.Generator().manual_seed(seed)
            image = generator(generator.sample_z([seed]), None, 0.5, None, noise, random)[0]
        expected = (image.clamp(-1, 1) * 127.5 + 127.5).permute(1, 2, 0).numpy()
        assert np.abs(decoded(row.images[0]) - expected).max() < 1


def test_a_model_does_not_differ_from_itself():
    one, other = subject("a", trained(tiny())), subject("again", trained(tiny()))
    for row in measure([one, other], Settings((0, 1)), runs=0).rows:
        assert row.differences[0] is None
        assert row.differences[1].l1 == 0 and not row.differences[1].map.any()
        assert (row.images[0].data, row.images[1].data) == (row.images[1].data, row.images[0].data)


def test_distances_are_those_of_ganzoo_eval():
    info = FeatureInfo("edges", "0" * 64, 3, 8, (0.0,) * 3, (1.0,) * 3)
    teacher, student = trained(tiny(), 0), trained(tiny("wavelet"), 1)
    settings = Settings((0, 1, 2), truncation_psi=0.7, noise="none")
    found = measure(
        [subject("teacher", teacher), subject("student", student)], settings, network=Edges(info), runs=0
    )
    for generator in (teacher, student):
        for layer in styled_layers(generator):
            layer.noise.const.zero_()
    expected = pair_figures(
        student,
        teacher,
        metrics=["l1", "psnr", "perceptual"],
        seeds=[0, 1, 2],
        network=Edges(info),
        truncation_psi=0.7,
    )
    for metric, figure in expected.items():
        values = [getattr(row.differences[1], metric) for row in found.rows]
        assert np.mean(values) == pytest.approx(figure.value, rel=1e-4)


def test_images_of_different_sizes_are_compared_at_the_smaller_one():
    for configs in ((tiny(), tiny(resolution=32)), (tiny(resolution=32), tiny())):
        found = comparison(*configs)
        assert [row.differences[1].resolution for row in found.rows] == [16, 16]
        assert found.rows[0].differences[1].map.shape == (16, 16)


def test_what_is_constant_differs_by_its_constant():
    found = difference(torch.full((1, 3, 8, 8), 0.5), torch.full((1, 1, 16, 16), -0.5))
    assert found.l1 == pytest.approx(1) and found.psnr == pytest.approx(10 * np.log10(4))
    assert found.map == pytest.approx(0.5)


def test_a_difference_shrinks_by_averages():
    image = torch.zeros(1, 3, 1024, 1024)
    image[..., ::2, ::2] = 1
    found = difference(image, torch.zeros(1, 3, 1024, 1024))
    assert found.map.shape == (512, 512) and found.map == pytest.approx(0.125)


def test_networks_of_other_latents_are_shown_but_not_subtracted():
    found = comparison(tiny(), tiny(z_dim=12))
    assert [row.differences for row in found.rows] == [(None, None)] * 2
    assert "12 numbers" in found.models[1].incomparable and found.models[0].incomparable is None


def test_a_label_reaches_the_conditional_models_alone():
    configs = tiny(label_dim=3), tiny()
    images = [comparison(*configs, label=label).rows[0].images for label in (0, 2)]
    assert images[0][0].data != images[1][0].data
    assert images[0][1].data == images[1][1].data


@pytest.mark.parametrize("other", [1, 3, 4])
def test_images_of_other_channels_are_compared(other):
    assert comparison(tiny(img_channels=other), tiny()).rows[0].differences[1].l1 > 0


@pytest.mark.parametrize("label", [None, 3, -1])
def test_a_conditional_model_needs_a_label_that_it_has(label):
    with pytest.raises(ValueError, match=r"needs a class from 0 to 2"):
        comparison(tiny(label_dim=3), tiny(), label=label)


def test_a_comparison_has_two_models_and_a_few_seeds():
    with pytest.raises(ValueError, match="2 to 8 models"):
        measure(subjects(tiny()), Settings((0,)))
    with pytest.raises(ValueError, match="64 seeds"):
        measure(subjects(tiny(), tiny()), Settings(tuple(range(65))))


def test_no_runs_are_no_latency():
    assert comparison(runs=0).models[0].seconds == ()


def test_alpha_is_a_fourth_channel_where_both_have_it_and_over_white_otherwise():
    clear = torch.full([1, 4, 4, 4], -1.0)
    opaque = clear.clone()
    opaque[:, 3] = 1
    assert difference(opaque, clear).l1 == pytest.approx(0.5)  # alpha differs by 2, a quarter of the channels
    assert difference(clear, torch.ones(1, 3, 4, 4)).l1 == 0
    assert difference(opaque, torch.ones(1, 3, 4, 4)).l1 == 2
