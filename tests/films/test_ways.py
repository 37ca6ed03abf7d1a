"""Ways through latent space: where they begin, end and close, and what a frame depends on."""

import math

import numpy as np
import pytest
import torch
from helpers import seeded, tiny, trained

from ganzoo.films import Motion, frames, through_seeds, through_w
from ganzoo.films.curves import along
from ganzoo.generators.config import GeneratorConfig
from ganzoo.latent.centers import find_centers
from ganzoo.latent.look import Look
from ganzoo.latent.saved import SavedW

SEEDS = [4, 1, 7]


@pytest.fixture(scope="module")
def generator():
    return trained(tiny())


@pytest.fixture(scope="module")
def conditional():
    return trained(tiny(label_dim=3))


def still(generator, seed, **look):
    """The image that `ganzoo generate` makes of a seed."""
    [image] = generator.to_pil(generator.draw(Look(**look).w(generator, [seed])))
    return image.tobytes()


def bytes_of(generator, path, **more):
    return [image.tobytes() for image in frames(generator, path, **more)]


WAYS = [("z", "spherical"), ("z", "linear"), ("z", "cubic"), ("w", "linear"), ("w", "cubic")]


@pytest.mark.parametrize(("space", "curve"), WAYS)
def test_every_stop_of_a_way_is_the_still_of_its_seed(generator, space, curve):
    open_ = through_seeds(generator, SEEDS, Motion(5, curve, loop=False), space=space)
    closed = through_seeds(generator, SEEDS, Motion(6, curve), space=space)
    stills = [still(generator, seed) for seed in SEEDS]
    assert bytes_of(generator, open_)[::2] == bytes_of(generator, closed)[::2] == stills


@pytest.mark.parametrize(("space", "curve"), WAYS)
@pytest.mark.parametrize("ease", ["linear", "smooth"])
def test_a_loop_closes_in_a_step_like_all_others(generator, space, curve, ease):
    path = through_seeds(generator, SEEDS, Motion(300, curve, ease), space=space)
    w = torch.cat([path.w(number) for number in range(300)])
    steps = (w - w.roll(1, dims=0)).flatten(1).norm(dim=1)
    assert steps[0] <= 1.05 * max(steps[1], steps[-1]) and steps.max() < 0.1 * w.std(dim=0).norm()


def test_frames_depend_on_nothing_but_their_numbers(generator):
    first, second = (
        through_seeds(generator, SEEDS, Motion(7, psi=(0.5, 1.0), noise="changing")) for _ in range(2)
    )
    assert all(torch.equal(first.w(number), second.w(number)) for number in (6, 0, 3))
    assert bytes_of(generator, first) == bytes_of(generator, second)


def test_a_psi_swings_once_there_and_back():
    motion = Motion(8, psi=(0.2, 1.0))
    values = [motion.psi_at(number, 0.7) for number in range(8)]
    assert values[0] == 0.2 and values[4] == pytest.approx(1.0) and values[2] == pytest.approx(0.6)
    assert values[1:4] == pytest.approx(values[:4:-1]) and Motion(8).psi_at(3, 0.7) == 0.7


def test_a_frame_has_its_truncation_in_either_space(generator):
    for space in ("z", "w"):
        path = through_seeds(generator, SEEDS, Motion(3, psi=0.3, cutoff=2), space=space)
        expected = Look(0.3, 2).w(generator, SEEDS)
        assert torch.allclose(torch.cat([path.w(number) for number in range(3)]), expected, atol=1e-6)


@pytest.mark.parametrize("space", ["z", "w"])
def test_centers_are_those_of_the_stops_and_move_between_them(generator, space):
    centers = find_centers(generator, 3, samples=200)
    path = through_seeds(generator, SEEDS, Motion(300, psi=0.0, centers=centers), space=space)
    stops = Look(0.0, centers=centers).w(generator, SEEDS)
    w = torch.cat([path.w(number) for number in range(300)])
    assert torch.allclose(w[::100], stops, atol=1e-5)
    widest = torch.cdist(stops.flatten(1), stops.flatten(1)).max()
    assert (w - w.roll(1, dims=0)).flatten(1).norm(dim=1).max() < 0.02 * widest


@pytest.mark.parametrize("space", ["z", "w"])
def test_classes_pass_from_one_to_the_next(conditional, space):
    path = through_seeds(conditional, [5], Motion(4, loop=False), space=space, labels=[0, 2])
    assert torch.allclose(path.w(0), Look(label=0).w(conditional, [5]), atol=1e-6)
    assert torch.allclose(path.w(3), Look(label=2).w(conditional, [5]), atol=1e-6)
    assert not torch.allclose(path.w(1), path.w(2), atol=1e-3)


def test_noise_is_constant_one_for_the_film_or_changing(generator):
    def noise(kind, number, seed=0):
        motion = Motion(4, noise=kind, noise_seed=seed)
        return frame(through_seeds(generator, [0], motion), number)

    def frame(path, number):
        return generator.draw(path.w(number), *path.noise(number))

    assert torch.equal(noise("random", 0), noise("random", 3))
    assert not torch.equal(noise("random", 0), noise("random", 0, seed=1))
    assert not torch.equal(noise("changing", 0), noise("changing", 1))
    expected = generator.draw(Look().w(generator, [0]), "random", seeded(3))
    assert torch.equal(noise("changing", 1, seed=2), expected)


def test_saved_w_are_stops_with_their_noise(generator):
    w = Look(1.0).w(generator, SEEDS)
    maps = tuple(torch.randn(1, 1, *size) for size in generator.synthesis.noise_sizes)
    path = through_w(generator, SavedW(w, maps), Motion(3))
    expected = generator.to_pil(generator.synthesis(w, list(maps)).image)
    assert bytes_of(generator, path) == [image.tobytes() for image in expected]


def test_ways_lie_side_by_side_as_tiles(generator):
    ways = [through_seeds(generator, [seed], Motion(1)) for seed in range(6)]
    [whole] = frames(generator, ways, columns=3)
    assert whole.size == (48, 32)
    assert whole.crop((16, 16, 32, 32)).tobytes() == still(generator, 4)
    with pytest.raises(ValueError, match="rows of 4"):
        frames(generator, ways, columns=4)


def test_the_arc_of_a_sphere_is_passed_at_one_pace():
    points = torch.tensor([[3.0, 0.0], [0.0, 3.0]])
    for turn in (0.0, 1 / 3, 0.5, 1.0):
        angle = turn * math.pi / 2
        expected = torch.tensor([[3 * math.cos(angle), 3 * math.sin(angle)]])
        assert torch.allclose(along(points, turn, "spherical", loop=False), expected, atol=1e-6)


def test_a_cubic_curve_has_no_corners():
    points = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    before, at, after = (along(points, turn, "cubic", loop=True) for turn in (0.4 - 1e-4, 0.4, 0.4 + 1e-4))
    assert torch.allclose(at, points[2:3])
    assert torch.allclose((at - before) / 5e-4, (after - at) / 5e-4, atol=0.01)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda g: Motion(0), "1 to 1000000"),
        (lambda g: Motion(3, "round"), "unknown curve"),
        (lambda g: Motion(3, noise="loud"), "unknown noise"),
        (lambda g: Motion(3, psi=(0.5, math.nan)), "such as 0.7"),
        (lambda g: through_seeds(g, [0], Motion(3), space="x"), "unknown space"),
        (lambda g: through_seeds(g, [0], Motion(3, "spherical"), space="w"), "one of z"),
        (lambda g: through_seeds(g, [0], Motion(3), labels=[1]), "not conditional"),
        (lambda g: through_seeds(g, [], Motion(3)), "needs a seed"),
        (lambda g: through_seeds(g, [0], Motion(3, cutoff=9)), "0 to 6"),
        (lambda g: through_w(g, torch.zeros(0, 6, 8), Motion(3)), "at least one"),
        (lambda g: through_w(g, torch.zeros(1, 6, 8), Motion(3, "spherical")), "one of z"),
    ],
)
def test_what_is_no_way_is_refused(generator, made, told):
    with pytest.raises(ValueError, match=f"(?i){told}"):
        made(generator)


def test_a_conditional_model_needs_its_classes(conditional):
    with pytest.raises(ValueError, match="a class from 0 to 2; got 3"):
        through_seeds(conditional, [0], Motion(3), labels=[0, 3])


@pytest.fixture(scope="module")
def moving():
    data = {"generator": "stylegan3", "resolution": 16, "channels": [4, 4, 4], "margin_size": 2}
    return trained(GeneratorConfig.from_dict({**data, "z_dim": 4, "w_dim": 4}))


def test_the_images_of_a_stylegan3_turn_and_swing(moving):
    motion = Motion(8, rotate=360, translate=(0.5, -0.25))
    made = list(frames(moving, through_seeds(moving, [3], motion)))
    w = Look().w(moving, [3])
    for number, place in ((0, ((0, 0), 0)), (2, ((0.25, -0.125), 90)), (4, ((0.5, -0.25), 180))):
        back = moving.synthesis.move(*place)
        [expected] = moving.to_pil(moving.draw(w))
        back()
        assert abs(np.subtract(made[number], expected, dtype=float)).max() <= 1
    saved = frames(moving, through_w(moving, w, motion))
    assert [image.tobytes() for image in saved] == [image.tobytes() for image in made]


def test_a_film_gives_the_generator_back_as_it_was(moving):
    before = moving.synthesis.input.transform.clone()
    list(frames(moving, through_seeds(moving, [0], Motion(3, rotate=90))))
    assert torch.equal(moving.synthesis.input.transform, before)


@pytest.mark.parametrize("motion", [Motion(2, rotate=5), Motion(2, translate=(0.1, 0))])
def test_a_model_whose_images_cannot_move_refuses_at_once(generator, motion):
    for way in (
        lambda: through_seeds(generator, SEEDS, motion),
        lambda: through_w(generator, torch.zeros(1, 6, 8), motion),
    ):
        with pytest.raises(ValueError, match="cannot be shifted or turned"):
            way()


def test_what_is_no_place_is_refused():
    for move in ({"rotate": math.inf}, {"translate": (0.1, math.nan)}):
        with pytest.raises(ValueError, match="finite"):
            Motion(2, **move)
