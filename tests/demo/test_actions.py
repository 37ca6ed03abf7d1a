"""What the demo's buttons do, without a page."""

import asyncio
import threading

import numpy as np
import pytest
import torch
from demo_helpers import expected, pixels, saved_model
from helpers import tiny, trained
from PIL import Image

import ganzoo
from ganzoo.demo import actions
from ganzoo.demo.opening import open_model
from ganzoo.demo.stopping import Stopped, Visits
from ganzoo.generators.generator import Generator, mix_styles
from ganzoo.latent.editing import edit
from ganzoo.latent.look import Look
from ganzoo.latent.saved import load_w, save_w
from ganzoo.system.images import read_settings

LOOK = Look(0.5, 3)


def w_of(model, seed, look=LOOK):
    with torch.inference_mode():
        return look.w(model.generator, [seed])


def test_images_of_seeds_are_those_of_generate(demo_model, demo_folder, tmp_path):
    drawn = actions.draw(demo_model, tmp_path / "demo", [4, 2], LOOK)
    made = ganzoo.generate_images(
        demo_folder, [4, 2], tmp_path / "generate", truncation_psi=0.5, truncation_cutoff=3
    )
    assert [file.read_bytes() for file in drawn] == [file.read_bytes() for file in made.images]
    assert sorted((tmp_path / "demo").iterdir()) == sorted(drawn)  # no sheet


@pytest.mark.parametrize("rows", [0, 2, 6])
def test_a_mix_has_its_first_rows_from_the_first_seed(demo_model, tmp_path, rows):
    first, second, mixed = actions.mix(demo_model, tmp_path, 1, 5, rows, LOOK)
    ends = w_of(demo_model, 1), w_of(demo_model, 5)
    assert np.array_equal(pixels(mixed), expected(demo_model.generator, mix_styles(*ends, rows)))
    assert np.array_equal(pixels(mixed), pixels(first)) == (rows == 6)
    assert np.array_equal(pixels(mixed), pixels(second)) == (rows == 0)
    told = read_settings(mixed)
    assert (told["mix"], told["rows"], told["truncation_cutoff"]) == ([1, 5], rows, 3)


def test_an_edit_moves_along_all_its_directions(demo_model, tmp_path):
    before, after = actions.edit(demo_model, tmp_path, 7, {"turn": 2.0, "wave": -1.0}, LOOK)
    turn, wave = demo_model.directions
    moved = edit(edit(w_of(demo_model, 7), turn, 2.0), wave, -1.0)
    assert np.array_equal(pixels(after), expected(demo_model.generator, moved))
    assert not np.array_equal(pixels(after), pixels(before))
    assert read_settings(after)["edits"] == {"turn": 2.0, "wave": -1.0} and read_settings(before)["seed"] == 7


def test_an_edit_by_nothing_is_the_image_itself(demo_model, tmp_path):
    before, after = actions.edit(demo_model, tmp_path, 7, {"turn": 0.0}, LOOK)
    assert np.array_equal(pixels(after), pixels(before))


def test_saved_w_are_drawn_as_they_are(demo_model, tmp_path):
    w = w_of(demo_model, 3, Look(1.0))
    file = save_w(tmp_path / "mine.safetensors", w, demo_model.generator)
    before, _ = actions.edit(demo_model, tmp_path, file, {}, LOOK)
    assert np.array_equal(pixels(before), expected(demo_model.generator, w))


def test_a_walk_is_a_film_that_tells_of_every_frame(demo_model, tmp_path):
    told = []
    film = actions.walk(demo_model, tmp_path, [0, 1], 0.5, LOOK, lambda *done: told.append(done))
    with Image.open(film) as image:
        assert (image.n_frames, image.size) == (6, (16, 16))
    assert told == [(number, 6) for number in range(1, 7)]


def test_a_projection_finds_a_w_that_edit_takes(demo_model, tmp_path):
    [target] = actions.draw(demo_model, tmp_path, [9], Look(0.7))
    told = []
    pair, file = actions.project(
        demo_model, tmp_path, target, "w", 30, features=None, report=lambda *done: told.append(done)
    )
    found = expected(demo_model.generator, load_w(file, demo_model.generator).w).astype(float)
    mean = expected(demo_model.generator, w_of(demo_model, 0, Look(0.0))).astype(float)
    assert np.square(found - pixels(target)).mean() < 0.5 * np.square(mean - pixels(target)).mean()
    assert np.array_equal(pixels(pair)[:, :16], pixels(target)) and told[-1] == (30, 30)
    before, _ = actions.edit(demo_model, tmp_path, file, {}, LOOK)
    assert np.abs(pixels(before) - found).max() <= 1


MISTAKES = {
    "one seed is no walk": (lambda m, f: actions.walk(m, f, [0], 1, LOOK), "two at least"),
    "a walk of an hour": (lambda m, f: actions.walk(m, f, [0, 1], 3600, LOOK), "up to 20 seconds"),
    "too many rows": (lambda m, f: actions.mix(m, f, 0, 1, 99, LOOK), "0 to 6"),
    "no such direction": (lambda m, f: actions.edit(m, f, 0, {"trun": 1.0}, LOOK), "Did you mean 'turn'"),
    "a class for a model without": (lambda m, f: actions.draw(m, f, [0], Look(label=1)), "not conditional"),
    "no image": (lambda m, f: actions.project(m, f, f / "note.png", "w", 1), "note.png"),
    "endless steps": (lambda m, f: actions.project(m, f, f, "w", 10**6), "1 to 1000 steps"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_a_sentence(demo_model, tmp_path, case):
    (tmp_path / "note.png").write_text("no image")
    call, part = MISTAKES[case]
    with pytest.raises(ValueError, match=part):
        call(demo_model, tmp_path)


def test_a_conditional_model_gets_its_class(tmp_path):
    model = open_model(saved_model(tmp_path / "model", label_dim=3), runtime="torch")
    one, two = (actions.draw(model, tmp_path / str(n), [0], Look(label=n))[0] for n in (1, 2))
    assert not np.array_equal(pixels(one), pixels(two))
    assert actions.walk(model, tmp_path, [0, 1], 0.2, Look(label=2)).is_file()


def test_a_generator_is_taken_as_it_is(tmp_path):
    generator = trained(tiny())
    model = open_model(generator)
    assert model.projects and not model.directions and model.projected == (generator, [])
    engine = Generator(generator.config, generator.mapping, generator.synthesis, form="openvino, fp32")
    assert not open_model(engine).projects
    with pytest.raises(ValueError, match="no gradients"):
        _ = open_model(engine).projected


def test_faces_of_the_family_have_directions_and_smaller_members():
    model = open_model("mobilestylegan_ffhq_64_lite", runtime="torch")
    assert {"smile", "age", "turn"} <= {direction.name for direction in model.directions}
    assert model.aligns and model.projects and "torch" in model.engine


def test_work_ends_at_its_next_report_when_its_visitor_is_gone():
    visits, reports, ended = Visits(), [], threading.Event()

    def work(report):
        try:
            for number in range(10**6):
                report(number, 10**6)
        except Stopped:
            ended.set()
            raise

    async def visit():
        running = asyncio.create_task(visits.run("me", work, lambda done, total: reports.append(done)))
        while not reports:
            await asyncio.sleep(0.001)
        visits.end("somebody else")
        assert not running.done()
        visits.end("me")
        with pytest.raises(Stopped):
            await running

    asyncio.run(visit())
    assert ended.is_set() and len(reports) < 10**6


def test_work_that_is_cancelled_ends_too():
    visits, started, ended = Visits(), threading.Event(), threading.Event()

    def work(report):
        try:
            while True:
                report(0, 1)
                started.set()
        except Stopped:
            ended.set()
            raise

    async def cancel():
        running = asyncio.create_task(visits.run("me", work, lambda done, total: None))
        while not started.is_set():
            await asyncio.sleep(0.001)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert ended.is_set()  # whoever is let in next has the model alone

    asyncio.run(cancel())
