"""Figures on held-out latents: those of plain recomputation, on any number of processes."""

import json

import numpy as np
import pytest
import torch
from accelerate import PartialState
from helpers import trained
from training_helpers import (
    TinyFeatures,
    forked,
    make_teacher,
    run_settings,
    student_config,
)

from ganzoo.data.resize import resize
from ganzoo.metrics.distances import perceptual
from ganzoo.metrics.figures import frechet_distance, statistics
from ganzoo.system.images import to_images
from ganzoo.training.cache import TeacherCache
from ganzoo.training.distillation_settings import HeldOutSettings
from ganzoo.training.held_out import HeldOut
from ganzoo.training.latents import HELD_OUT
from ganzoo.training.teacher import Teacher

NUM = 20  # more than one part
ALL = HeldOutSettings(num=NUM, features="tiny")


def make(folder, settings=ALL, state=None, network=None, run=None):
    run = run_settings(noise="random", style_mixing=0.5) if run is None else run
    cache = TeacherCache(Teacher(make_teacher(), run), settings.num, first=HELD_OUT, folder=str(folder))
    cache.fill(cache.missing())
    state = PartialState(cpu=True) if state is None else state
    network = TinyFeatures() if network is None else network
    return HeldOut(settings, cache.teacher, cache, network, state)


def student(seed=3, **changes):
    """A student that gives images of some contrast, and w like its teacher's."""
    found = trained(student_config(**changes), seed)
    found.mapping.load_state_dict(make_teacher().mapping.state_dict())
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("images")


def make_images(judge, network):
    """The teacher's and the student's, one after the other."""
    targets, images = [], []
    for number in range(HELD_OUT, HELD_OUT + NUM):
        batch = judge.teacher.latents([number])
        w = judge.teacher.w(batch)
        noise = judge.teacher.noise(w, [number])
        targets.append(judge.teacher.images(w, noise).half().float())
        with torch.no_grad():
            images.append(network.synthesis(w[:, : network.num_ws], noise).image)
    return torch.cat(targets), torch.cat(images)


def features_of(network, images):
    shown = np.stack([resize(image.convert("RGB"), network.info.size) for image in to_images(images)])
    return network(torch.from_numpy(shown).permute(0, 3, 1, 2))[0].numpy()


def test_figures_are_those_of_plain_recomputation(folder):
    judge, own = make(folder), student()
    found = judge.measure(own)
    targets, images = make_images(judge, own)
    assert images.abs().max() > 1  # so that clipping would show
    error = (images - targets).double().numpy()
    plain = {
        "l1": np.abs(error).mean(axis=(1, 2, 3)),
        "psnr": 20 * np.log10(2 / np.sqrt((error**2).mean(axis=(1, 2, 3)))),
    }
    network = TinyFeatures()
    plain["perceptual_tiny"] = perceptual(network, images, targets).numpy()
    assert list(found) == ["l1", "psnr", "perceptual_tiny", "fd_tiny"]
    for name, values in plain.items():
        assert found[name].value == pytest.approx(values.mean(), rel=1e-5)
        assert found[name].uncertainty == pytest.approx(values.std(ddof=1) / NUM**0.5, rel=1e-4)
    fake, real = (statistics(features_of(network, x)) for x in (images, targets))
    assert found["fd_tiny"].value == pytest.approx(frechet_distance(fake, real), rel=1e-4)
    assert found["fd_tiny"].uncertainty is None


def test_a_second_measurement_is_as_the_first(folder):
    judge = make(folder)
    first = judge.measure(student())
    assert judge.measure(student(seed=4)) != first
    assert judge.measure(student()) == first


def test_the_teachers_features_are_computed_once(folder):
    judge, seen = make(folder), []
    judge.network.register_forward_hook(lambda module, arguments, output: seen.append(len(output[0])))
    for expected in (2 * NUM, 3 * NUM):
        judge.measure(student())
        assert sum(seen) == expected


def test_a_perfect_student_is_as_near_as_half_precision_lets_it(folder):
    judge = make(folder)
    found = judge.measure(make_teacher())
    assert found["l1"].value < 1e-3 and found["psnr"].value > 60
    assert found["perceptual_tiny"].value < 1e-3 and found["fd_tiny"].value < 1.0


def test_a_student_with_a_mapping_of_its_own_is_given_latents(folder):
    run = run_settings(noise="random", style_mixing=0.5, inherit_mapping=False)
    own = student()
    given = make(folder, run=run).measure(own)
    inherited = make(folder).measure(own)
    assert given["l1"].value == pytest.approx(inherited["l1"].value, rel=1e-5)
    other = trained(student_config(), seed=9)
    other.synthesis.load_state_dict(own.synthesis.state_dict())
    assert make(folder, run=run).measure(other)["l1"].value != pytest.approx(given["l1"].value, rel=1e-2)
    assert make(folder).measure(other) == inherited


def test_no_network_is_needed_for_distances_of_pixels(folder):
    settings = HeldOutSettings(num=NUM, metrics=("psnr", "l1"), best="psnr")
    judge = make(folder, settings)
    judge.network = None
    found = judge.measure(student())
    assert list(found) == ["psnr", "l1"] and found["l1"] == make(folder).measure(student())["l1"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_any_channels_are_measured(channels, tmp_path):
    run = run_settings(student_config(img_channels=channels))
    teacher = Teacher(make_teacher(img_channels=channels), run)
    cache = TeacherCache(teacher, 4, first=HELD_OUT, folder=str(tmp_path))
    cache.fill(cache.missing())
    settings = HeldOutSettings(num=4, features="tiny")
    judge = HeldOut(settings, teacher, cache, TinyFeatures(), PartialState(cpu=True))
    found = judge.measure(student(img_channels=channels))
    assert all(np.isfinite(figure.value) for figure in found.values())


def test_progress_is_told(folder):
    told = []
    make(folder).measure(student(), told.append)
    assert told == [16, 20]


def test_two_processes_find_what_one_does(folder, tmp_path):
    make(folder)

    def work():
        state = PartialState(cpu=True)
        torch.set_num_threads(1)
        judge = make(folder, state=state)
        found = [judge.measure(student(seed)) for seed in (3, 4)]
        figures = [{name: [f.value, f.uncertainty] for name, f in one.items()} for one in found]
        (tmp_path / f"{state.process_index}.json").write_text(json.dumps(figures))

    assert forked(work, processes=2) == [0, 0]
    judge = make(folder)
    expected = [judge.measure(student(seed)) for seed in (3, 4)]
    for rank in range(2):
        for found, one in zip(json.loads((tmp_path / f"{rank}.json").read_text()), expected, strict=True):
            assert found == {name: [f.value, f.uncertainty] for name, f in one.items()}
