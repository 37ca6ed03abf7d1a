"""The teacher: the images of its own forward, by number, at the student's resolution."""

import pytest
import torch
import torch.nn.functional as F
from helpers import assert_same_image, styled_layers, tiny_config, trained
from training_helpers import make_teacher, run_settings, student_config

from ganzoo.models.weights import weights_digest
from ganzoo.training.latents import noise_sources
from ganzoo.training.teacher import Teacher, refuse_mismatch

NUMBERS = [4, 0, 2**62]


def shown(teacher, numbers=NUMBERS):
    w = teacher.w(teacher.latents(numbers))
    return teacher.images(w, teacher.noise(w, numbers))


def plainly(generator, teacher, numbers=NUMBERS):
    """The same images by the generator as it was created."""
    settings, batch = teacher.settings, teacher.latents(numbers)
    source = noise_sources(numbers, seed=settings.seed) if settings.noise == "random" else None
    with torch.no_grad():
        image = generator(
            batch.z, batch.label, settings.truncation_psi, noise=settings.noise, generator=source
        )
    side = settings.student.resolution
    if side < image.shape[-1]:
        image = F.interpolate(image, size=(side, side), mode="area")
    return image


WAVELET = {"output": "wavelet", "upsampler": "idwt", "conv": "depthwise", "head": "aux", "channels": (8, 8)}


@pytest.mark.parametrize("noise", ["const", "random", "none"])
@pytest.mark.parametrize("network", [{}, {"label_dim": 3}, WAVELET], ids=["stylegan2", "labels", "wavelet"])
def test_images_are_those_of_the_generators_own_forward(network, noise):
    config = tiny_config(**{"channels": (8, 8, 8), **network})
    student = student_config(label_dim=config.label_dim)
    teacher = Teacher(trained(config), run_settings(student, noise=noise, truncation_psi=0.7, seed=5))
    assert_same_image(shown(teacher), plainly(trained(config), teacher))


@pytest.mark.parametrize("side", [8, 16, 32])
def test_images_shrink_with_antialiasing_to_the_students_size(side):
    config = tiny_config(resolution=32, channels=(8, 8, 8, 8))
    student = student_config(resolution=side, output="wavelet")
    teacher = Teacher(trained(config), run_settings(student))
    found = shown(teacher)
    assert found.shape == (3, 3, side, side)
    assert_same_image(found, plainly(trained(config), teacher))


@pytest.mark.parametrize("noise", ["const", "random"])
def test_a_image_does_not_depend_on_its_batch(noise):
    teacher = Teacher(make_teacher(), run_settings(noise=noise))
    together = shown(teacher)
    assert torch.equal(shown(teacher, NUMBERS[::-1]), together.flip(0))
    for i, number in enumerate(NUMBERS):
        assert_same_image(shown(teacher, [number]), together[i : i + 1])


def test_random_noise_is_each_images_own_and_const_noise_everyones():
    settings = run_settings(noise="random")
    teacher = Teacher(make_teacher(), settings)
    w = teacher.w(teacher.latents(NUMBERS))
    noise = teacher.noise(w, NUMBERS)
    assert [list(n.shape) for n in noise] == [[3, 1, r, r] for r in (4, 8, 8, 16, 16)]
    assert not torch.equal(noise[0][0], noise[0][1])
    teacher = Teacher(make_teacher(), run_settings(noise="const"))
    for found, layer in zip(teacher.noise(w, NUMBERS), styled_layers(make_teacher()), strict=True):
        assert torch.equal(found, layer.noise.const)


def test_no_noise_is_zeros_for_the_student_too():
    teacher = Teacher(make_teacher(), run_settings(noise="none"))
    w = teacher.w(teacher.latents(NUMBERS))
    assert [n.abs().max().item() for n in teacher.noise(w, NUMBERS)] == [0.0] * 5


def test_bfloat16_is_close():
    exact, quick = (
        shown(Teacher(make_teacher(), run_settings(teacher_precision=precision)))
        for precision in ("fp32", "bf16")
    )
    assert quick.dtype == torch.float32
    assert 0 < (quick - exact).abs().mean() < 0.02 * exact.std()


def test_the_teacher_is_frozen_and_known_by_its_weights():
    generator = make_teacher()
    teacher = Teacher(generator, run_settings())
    assert not any(p.requires_grad for p in [*generator.parameters(), *teacher.generator.parameters()])
    assert not shown(teacher).requires_grad
    assert teacher.sha256 == weights_digest(make_teacher())
    with torch.no_grad():
        generator.synthesis.levels[0].const[0, 0, 0, 0] += 1
    assert Teacher(generator, run_settings()).sha256 != teacher.sha256


def test_the_seed_tells_runs_apart():
    a, b = (shown(Teacher(make_teacher(), run_settings(seed=seed))) for seed in (0, 1))
    assert (a - b).abs().mean() > 0.1


MISMATCHES = {
    "larger": ({"resolution": 32, "output": "wavelet"}, {}, "give resolution=16 or less"),
    "labels": ({"label_dim": 2}, {}, "The student's label_dim is 2, its teacher's 0: give label_dim=0"),
    "no labels": ({}, {"label_dim": 2}, "give label_dim=2"),
    "z_dim": ({"z_dim": 16}, {}, "The student's z_dim is 16, its teacher's 8: give z_dim=8"),
    "channels": ({}, {"img_channels": 1}, "give img_channels=1"),
    "levels": (
        {"output": "pixel", "resolution": 16, "upsampler": "conv_transpose"},
        WAVELET,
        "too few to lend each of them noise: give the teacher's output or a smaller resolution",
    ),
}


@pytest.mark.parametrize(("student", "teacher", "told"), MISMATCHES.values(), ids=MISMATCHES.keys())
def test_a_student_that_cannot_learn_is_refused_with_what_to_give(student, teacher, told):
    config = tiny_config(**{"channels": (8, 8, 8), **teacher})
    with pytest.raises(ValueError) as error:
        refuse_mismatch(student_config(**student), config)
    assert told in str(error.value)


def test_a_smaller_student_with_another_w_can_learn():
    refuse_mismatch(student_config(resolution=8, output="wavelet", w_dim=24), tiny_config())
