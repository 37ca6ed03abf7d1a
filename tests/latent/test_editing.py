"""Moving w: edits, boundaries, style mixing, layer swapping, and rows by their names."""

import pytest
import torch
from helpers import NETWORKS, tiny, tiny_config, trained
from PIL import Image

import ganzoo
from ganzoo.generators.deploy import deploy
from ganzoo.latent.boundary import boundary, conditioned
from ganzoo.latent.direction import Direction
from ganzoo.latent.editing import edit
from ganzoo.latent.look import Look
from ganzoo.latent.mixing import mix
from ganzoo.latent.ranges import rows_of
from ganzoo.latent.samples import sampled_w, scored
from ganzoo.latent.sheets import Sheet
from ganzoo.latent.swapping import swap


def axis(i, **settings):
    return Direction(f"axis-{i}", torch.eye(8)[i], 0.5, **settings)


@pytest.fixture(scope="module")
def generator():
    return trained(tiny("wavelet"))


@pytest.fixture(scope="module")
def w(generator):
    return torch.cat(list(sampled_w(generator, 4000)))


# Edits


def test_an_edit_moves_w_by_deviations_in_the_rows_of_the_direction():
    w = torch.zeros(2, 6, 8)
    moved = edit(w, axis(3, rows=(1, 3)), 2)
    expected = torch.zeros(2, 6, 8)
    expected[:, 1:3, 3] = 1.0
    assert torch.equal(moved, expected) and not w.any()


def test_every_w_may_have_a_strength_of_its_own_and_other_rows_may_be_chosen():
    moved = edit(torch.zeros(3, 6, 8), axis(0, rows=(0, 1)), torch.tensor([-1.0, 0, 3]), rows=(5, 6))
    assert moved[:, 5, 0].tolist() == [-0.5, 0, 1.5] and not moved[:, :5].any()


def test_a_smaller_model_moves_the_rows_that_it_has():
    assert edit(torch.zeros(1, 4, 8), axis(0, rows=(2, 18)), 2)[0, :, 0].tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="rows from 8 on, and this model's w has 4"):
        edit(torch.zeros(1, 4, 8), axis(0, rows=(8, 18)), 2)
    with pytest.raises(ValueError, match="another model's"):
        edit(torch.zeros(1, 4, 9), axis(0), 2)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("label", [None, 1], ids=["plain", "conditional"])
def test_an_edit_of_coarse_rows_changes_the_image_and_goes_back(network, label):
    generator = trained(tiny(network, **({} if label is None else {"label_dim": 3})))
    w = Look(0.7, label=label).w(generator, [5]).detach()
    there = edit(w, axis(2), 2.0, rows_of("coarse", generator.config))
    before, after = (generator.synthesis(x).image for x in (w, there))
    assert not torch.allclose(before, after, atol=1e-2)
    back = edit(there, axis(2), -2.0, rows_of("coarse", generator.config))
    assert torch.allclose(generator.synthesis(back).image, before, atol=1e-5)


@pytest.mark.parametrize(
    ("resolution", "coarse", "middle", "fine"),
    [(16, (0, 3), (3, 6), None), (64, (0, 3), (3, 7), (7, 10)), (1024, (0, 3), (3, 7), (7, 18))],
)
@pytest.mark.parametrize("output", ["pixel", "wavelet"])
def test_rows_have_names_by_the_size_that_they_act_on(resolution, coarse, middle, fine, output):
    config = tiny_config(resolution=resolution, output=output, channel_base=64, channel_max=4)
    assert rows_of("coarse", config) == coarse and rows_of("middle", config) == middle
    assert rows_of("0-1", config) == (0, 2) and rows_of("4", config) == (4, 5)
    if fine is None:
        with pytest.raises(ValueError, match="no fine rows"):
            rows_of("fine", config)
    else:
        assert rows_of("fine", config) == fine


@pytest.mark.parametrize(
    ("text", "told"),
    [("course", "Did you mean 'coarse'"), ("3-9", "rows 0-5"), ("3-1", "rows 0-5"), ("-1", "0-7")],
)  # fmt: skip
def test_rows_that_do_not_exist_are_told(generator, text, told):
    with pytest.raises(ValueError, match=told):
        rows_of(text, generator.config)


# Boundaries


def test_a_boundary_is_the_axis_that_the_scores_follow(generator, w):
    axis = torch.randn(8, generator=torch.Generator().manual_seed(1))
    found = boundary(w, torch.tanh(w @ axis), name="tanh", share=0.25, rows=(0, 3))
    assert torch.cosine_similarity(found.vector, axis, dim=0) > 0.95
    assert found.deviation == pytest.approx(float((w @ found.vector).std()), rel=1e-3)
    assert "100.0% of" in found.facts["measured"] and found.rows == (0, 3)


def test_a_boundary_of_scores_that_say_nothing_divides_no_better_than_chance(w):
    scores = torch.randn(len(w), generator=torch.Generator().manual_seed(0))
    share = float(boundary(w, scores, name="noise", share=0.5).facts["measured"].split("%")[0].split()[-1])
    assert 40 < share < 60


def test_the_machine_is_that_of_the_textbook(w):
    """Its gradient vanishes: 0.5 |n|^2 + sum of squared hinges, offset free."""
    from ganzoo.latent.boundary import _machine

    x, y = w[:200].double(), torch.ones(200).double()
    y[x[:, 0] + 0.3 * x[:, 1] < x[:, 0].median()] = -1
    normal, offset = (part.requires_grad_() for part in _machine(x, y, 0.5))
    errors = (1 - y * (x @ normal + offset)).clamp(min=0)
    (0.5 * normal.square().sum() + 0.5 * errors.square().sum()).backward()
    assert normal.grad.abs().max() < 1e-6 and offset.grad.abs() < 1e-6


def test_a_conditioned_direction_leaves_the_others_alone(w):
    crooked = Direction("age", torch.tensor([0.8, 0.6, 0, 0, 0, 0, 0, 0]), 1.0, facts={"measured": "99 %"})
    straight = conditioned(crooked, [axis(0), axis(5)], w)
    assert torch.allclose(straight.vector, torch.eye(8)[1]) and straight.name == "age"
    assert straight.deviation == pytest.approx(float(w[:, 1].std()), rel=1e-5)
    assert straight.facts == {"method": "conditioned on axis-0, axis-5"}
    with pytest.raises(ValueError, match="next to nothing"):
        conditioned(axis(0), [axis(0)])


@pytest.mark.parametrize(
    ("w", "scores", "told"),
    [
        (torch.zeros(100, 6, 8), torch.zeros(100), "takes w"),
        (torch.zeros(100, 8), torch.zeros(99), "takes w"),
        (torch.zeros(100, 8), torch.arange(100.0), "a class of 'x'"),
        (torch.zeros(1000, 8), torch.zeros(1000), "are the same"),
        (torch.zeros(1000, 8), torch.full([1000], float("nan")), "finite"),
    ],
)
def test_scores_that_give_no_boundary_are_told(w, scores, told):
    with pytest.raises(ValueError, match=told):
        boundary(w, scores, name="x")


def test_scores_come_from_any_function_of_images(generator):
    w, scores = scored(generator, lambda images: images.mean(dim=(1, 2, 3)), range(5), batch_size=2)
    with torch.inference_mode():
        images = generator(generator.sample_z(5), truncation_psi=0.7)
        expected = generator.mapping(generator.sample_z(5))[:, 0]
    assert torch.allclose(scores, images.mean(dim=(1, 2, 3)), atol=1e-6) and torch.allclose(w, expected)
    with pytest.raises(ValueError, match="A score for each of 5 images"):
        scored(generator, lambda images: images.mean(), range(5), batch_size=5)


# Mixing and swapping


def test_a_mix_takes_the_chosen_rows_from_its_source():
    w, sources = torch.zeros(2, 6, 8), torch.arange(1.0, 4).view(3, 1, 1).expand(3, 6, 8)
    mixed = mix(w, sources, (1, 3))
    assert mixed.shape == (2, 3, 6, 8)
    assert mixed[1, :, :, 0].tolist() == [[0, i, i, 0, 0, 0] for i in (1, 2, 3)]
    assert torch.equal(mix(w, sources, (0, 18))[0], sources)
    with pytest.raises(ValueError, match="What is mixed"):
        mix(w, sources[:, :4], (0, 2))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_swap_has_the_levels_below_of_one_and_the_rest_of_the_other(network):
    a, b = (trained(tiny(network, resolution=32), seed) for seed in (0, 1))
    made, w = swap(a, b, 8), a.mapping(a.sample_z(2))
    parts = [network.synthesis.features(w) for network in (made, a)]
    coarse, same = (next(features) for features in parts)
    assert torch.equal(coarse, same) and torch.equal(made.mapping(a.sample_z(2)), w)
    own, other = made.state_dict(), b.state_dict()
    fine = [
        name for name in own if any(f".{part}." in name for part in ("levels.1", "levels.2", "to_image.2"))
    ]
    assert len(fine) > 20 and all(torch.equal(own[name], other[name]) for name in fine)
    assert not torch.equal(made.synthesis(w).image, a.synthesis(w).image)
    assert torch.equal(swap(a, a, 8).synthesis(w).image, a.synthesis(w).image)


def test_models_that_do_not_fit_are_not_swapped(generator):
    for other, resolution, told in (
        (trained(tiny("wavelet", resolution=32)), 8, "resolution is 16, not 32"),
        (deploy(generator), 8, "as create"),
        (generator, 64, "one of 8"),
        (generator, 4, "one of 8"),
    ):
        with pytest.raises(ValueError, match=told):
            swap(generator, other, resolution)


def test_an_architecture_without_levels_is_not_swapped(second_architecture):
    waves = ganzoo.create("waves")
    with pytest.raises(ValueError, match="has no levels"):
        swap(waves, waves, 8)


def test_a_sheet_has_a_place_for_every_image():
    sheet, image = Sheet(["age", "smile"], ["-3", "0", "+3"], 16), Image.new("RGB", (32, 32), "red")
    sheet.put(1, 2, image)
    colors = {color: count for count, color in sheet.image.getcolors()}
    assert colors[255, 0, 0] == 16 * 16 and sheet.image.width >= 3 * 16
    assert sheet.image.getpixel((sheet.image.width - 12, sheet.image.height - 12)) == (255, 0, 0)
    assert max(Sheet(["a"] * 100, ["b"], 1024).image.size) <= 4200
