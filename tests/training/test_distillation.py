"""The task of distillation: its terms, its phases, and what learns in each."""

import pytest
import torch
import torch.nn.functional as F
from distillation_helpers import ALL_OFF, NUMBERS, PIXEL_L1, only, phase_of, student_loss, trainer_of
from helpers import assert_same_image, tiny_config, trained
from training_helpers import TinyFeatures, make_task, make_teacher, run_settings, student_config

import ganzoo.training.distillation as module
from ganzoo.losses import feature_l1, feature_maps, perceptual, reconstruction, relation
from ganzoo.training.cache import TeacherCache
from ganzoo.training.latents import Purpose, uniform
from ganzoo.training.task import Phase


def test_the_loss_is_the_sum_of_its_terms_times_their_weights():
    weights = {"pixel_l1": 0.3, "pixel_l2": 0.5, "subband_l1": 0.7, "subband_l2": 1.1, "feature_l1": 0.13}
    weights |= {"perceptual": 0.17, "relation": 1.9, "teacher_features": 2.3, "gan": 2.9}
    settings = run_settings(loss=only(**weights))
    loss, terms, _ = student_loss(make_task(settings, network=TinyFeatures()))
    assert terms.keys() == {*weights, "total"}
    assert all(value > 0 for value in terms.values())
    expected = sum(weight * terms[name] for name, weight in weights.items())
    torch.testing.assert_close(loss, expected)
    assert terms["total"] == loss and not terms["total"].requires_grad


def test_terms_are_those_of_the_students_and_the_teachers_images():
    settings = run_settings(
        loss={"feature_l1": {"weight": 1.0}, "perceptual": {"weight": 1.0}}, noise="random"
    )
    network = TinyFeatures()
    task = make_task(settings, network=network)
    _, terms, batch = student_loss(task)
    w = task.teacher.w(task.teacher.latents(NUMBERS))
    noise = task.teacher.noise(w, NUMBERS)
    target = task.teacher.images(w, noise)
    output = task.student.synthesis(w, noise)
    expected = reconstruction(task.student.synthesis.level_images(output.levels), target)
    maps, target_maps = (feature_maps(network, x, 16) for x in (output.image, target))
    expected |= {"feature_l1": feature_l1(maps, target_maps), "perceptual": perceptual(maps, target_maps)}
    expected["gan"] = F.softplus(-judged(task, output.image, Purpose.AUGMENT_GENERATOR)).mean()
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value.detach())
    assert torch.equal(batch.fake, output.image.detach())


@pytest.mark.parametrize("channels", [1, 4])
def test_every_term_teaches_images_of_other_channels(channels):
    weights = dict.fromkeys(
        ["pixel_l1", "subband_l1", "perceptual", "relation", "teacher_features", "gan"], 1.0
    )
    settings = run_settings(student_config(img_channels=channels), loss=only(**weights))
    task = make_task(settings, make_teacher(img_channels=channels), network=TinyFeatures())
    loss, terms, batch = student_loss(task)
    assert terms.keys() >= weights.keys() and all(value > 0 for value in terms.values())
    loss.backward()
    bias = task.student.synthesis.head.to_image["1"].bias.grad
    assert batch.target.shape[1] == channels and (bias.view(4, -1).abs().sum(0) > 0).all()


def judged(task, images, purpose, numbers=NUMBERS):
    random = uniform(numbers, seed=task.settings.seed, purpose=purpose, count=task.augment.numbers)
    return task.discriminator(task.augment(images, random))


def test_a_term_of_weight_0_is_not_computed(monkeypatch):
    def fail(*arguments):
        raise AssertionError("it has weight 0")

    functions = {"perceptual": perceptual, "relation": relation, "feature_l1": feature_l1}
    for place in (*functions, "feature_maps"):
        monkeypatch.setattr(module, place, fail)
    _, terms, _ = student_loss(make_task(run_settings(loss=PIXEL_L1)))
    assert "gan" not in terms and "teacher_features" not in terms
    monkeypatch.setattr(module, "feature_maps", feature_maps)
    for name, function in functions.items():
        with monkeypatch.context() as patch:
            patch.setattr(module, name, function)
            task = make_task(run_settings(loss=only(**{name: 1.0})), network=TinyFeatures())
            assert functions.keys() & student_loss(task)[1].keys() == {name}


@pytest.mark.parametrize(("size", "side"), [(None, 16), (64, 64)])
def test_the_feature_network_is_shown_the_size_asked_for(monkeypatch, size, side):
    seen = []
    monkeypatch.setattr(module, "feature_maps", lambda n, x, s: seen.append(s) or feature_maps(n, x, s))
    settings = run_settings(loss=only(feature_l1=1.0), features={"size": size})
    student_loss(make_task(settings, network=TinyFeatures()))
    assert seen == [side, side]


# The adversary


def test_the_adversary_sets_in_and_grows_to_its_weight():
    gan = {"weight": 2.0, "start_kimg": 1.0, "warmup_kimg": 4.0}
    task = make_task(run_settings(loss={**PIXEL_L1, "gan": gan}))
    assert [phase.name for phase in task.phases(0.999)] == ["student"]
    loss, terms, _ = student_loss(task, kimg=0.999)
    assert "gan" not in terms and loss == terms["pixel_l1"]
    for kimg, share in ((1.0, 0.0), (2.0, 0.25), (4.9, 0.975), (5.0, 1.0), (99.0, 1.0)):
        assert [phase.name for phase in task.phases(kimg)] == ["student", "discriminator", "r1"]
        loss, terms, _ = student_loss(task, kimg)
        torch.testing.assert_close(loss, terms["pixel_l1"] + 2.0 * share * terms["gan"])


def test_an_adversary_alone_can_grow_to_its_weight():
    gan = {"weight": 1.0, "warmup_kimg": 1.0}
    loss, _, _ = student_loss(make_task(run_settings(loss={**ALL_OFF, "gan": gan})))
    loss.backward()
    assert loss == 0


def test_the_discriminators_loss_is_of_the_teachers_and_the_students_images():
    task = make_task(run_settings(loss={"gan": {"weight": 1.0}}))
    _, _, batch = student_loss(task)
    loss, terms = task.loss(phase_of(task, "discriminator"), batch, 0.0)
    real = judged(task, batch.target, Purpose.AUGMENT_REAL)
    fake = judged(task, batch.fake, Purpose.AUGMENT_FAKE)
    torch.testing.assert_close(loss, F.softplus(-real).mean() + F.softplus(fake).mean())
    torch.testing.assert_close(terms["logits/real"], real.mean())
    torch.testing.assert_close(terms["logits/fake"], fake.mean())


def test_the_hinge_is_a_loss_of_both():
    task = make_task(run_settings(loss={"gan": {"weight": 1.0, "kind": "hinge"}}))
    _, terms, batch = student_loss(task)
    fake = judged(task, batch.fake, Purpose.AUGMENT_GENERATOR)
    torch.testing.assert_close(terms["gan"], -fake.mean())
    loss, _ = task.loss(phase_of(task, "discriminator"), batch, 0.0)
    real = judged(task, batch.target, Purpose.AUGMENT_REAL)
    fake = judged(task, batch.fake, Purpose.AUGMENT_FAKE)
    torch.testing.assert_close(loss, F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def test_the_penalty_stands_for_the_steps_between_two_of_them():
    task = make_task(run_settings(loss={"r1": {"weight": 3.0, "interval": 5}}))
    phase = phase_of(task, "r1")
    assert phase == Phase("r1", ("discriminator",), 5)
    batch = task.batch(NUMBERS)
    loss, terms = task.loss(phase, batch, 0.0)
    images = batch.target.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(judged(task, images, Purpose.AUGMENT_REAL).sum(), images)
    penalty = slope.square().sum(dim=(1, 2, 3)).mean()
    torch.testing.assert_close(terms["r1"], penalty)
    torch.testing.assert_close(loss, 0.5 * 3.0 * 5 * penalty)
    loss.backward()
    assert sum(p.grad is not None and bool(p.grad.any()) for p in task.discriminator.parameters()) > 3
    assert not batch.target.requires_grad


def test_without_weight_there_is_no_penalty():
    task = make_task(run_settings(loss={"r1": {"weight": 0.0}}))
    assert [phase.name for phase in task.phases(0.0)] == ["student", "discriminator"]


def with_gradient(network):
    return {name for name, p in network.named_parameters() if p.grad is not None}


def test_a_phase_leaves_no_gradient_on_what_does_not_learn_in_it():
    task = make_task(run_settings(loss={"r1": {"weight": 1.0}}))
    for _ in range(2):
        task.student.zero_grad()
        task.discriminator.zero_grad()
        loss, _, batch = student_loss(task)
        loss.backward()
        assert with_gradient(task.student) and not with_gradient(task.discriminator)
        task.student.zero_grad()
        for name in ("discriminator", "r1"):
            task.loss(phase_of(task, name), batch, 0.0)[0].backward()
            assert with_gradient(task.discriminator) == {n for n, _ in task.discriminator.named_parameters()}
            assert not with_gradient(task.student) and not with_gradient(task.teacher.original)


def test_labels_reach_student_and_discriminator():
    generator = make_teacher(label_dim=3)
    task = make_task(run_settings(student_config(label_dim=3), inherit_mapping=False), generator)
    batch = task.batch(NUMBERS)
    seen = []
    task.discriminator.register_forward_hook(lambda m, arguments, output: seen.append(arguments[1]))
    task.student.mapping.register_forward_hook(lambda m, arguments, output: seen.append(arguments[1]))
    for name in ("student", "discriminator"):
        task.loss(phase_of(task, name), batch, 0.0)
    assert len(seen) == 4 and all(torch.equal(label, batch.latents.label) for label in seen)


def test_a_images_augmentation_does_not_depend_on_its_batch():
    task = make_task(run_settings())
    seen = []
    task.discriminator.register_forward_hook(lambda m, arguments, output: seen.append(arguments[0]))
    for numbers in (NUMBERS, [2, 0]):
        batch = task.batch(numbers)
        for name in ("student", "discriminator", "r1"):
            task.loss(phase_of(task, name), batch, 0.0)
    for whole, part in zip(seen[:4], seen[4:], strict=True):
        assert_same_image(part, whole[[2, 0]])
    assert not torch.equal(seen[0][0], seen[2][0])


def test_augmentations_of_images_from_the_disk_differ_from_epoch_to_epoch(tmp_path):
    def cache(teacher):
        found = TeacherCache(teacher, 4, folder=str(tmp_path))
        found.fill(found.missing())
        return found

    task = make_task(run_settings(loss={"r1": {"weight": 0.0}}), cache=cache)
    place = {epoch: task.batch(range(4 * epoch, 4 * epoch + 4)) for epoch in (0, 1)}
    orders = {e: [task.cache.number(4 * e + i) for i in range(4)].index(0) for e in place}
    assert torch.equal(place[0].target[orders[0]], place[1].target[orders[1]])
    seen = []
    task.discriminator.register_forward_hook(lambda m, arguments, output: seen.append(arguments[0]))
    for batch in place.values():
        task._logits(batch.target, batch, Purpose.AUGMENT_REAL)
    assert not torch.equal(seen[0][orders[0]], seen[1][orders[1]])


@pytest.fixture
def compiled(monkeypatch):
    """Modules that a stand-in for torch.compile was given, and then again at each of their calls."""
    called = []

    class Once(torch.autograd.Function):
        """What is compiled cannot be differentiated twice."""

        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            return g

    def compile_(module):
        called.append(module)

        def call(first, *others):
            called.append(module)
            found = module(first, *others)
            return Once.apply(found) if isinstance(found, torch.Tensor) else found

        return call

    monkeypatch.setattr(torch, "compile", compile_)
    return called


def test_what_is_differentiated_twice_is_not_compiled(compiled):
    task = make_task(run_settings(compile=True, loss={"r1": {"weight": 1.0}}))
    assert compiled == [task.student.synthesis, task.discriminator]
    compiled.clear()
    _, _, batch = student_loss(task)
    assert compiled == [task.student.synthesis, task.discriminator]
    task.loss(phase_of(task, "discriminator"), batch, 0.0)[0].backward()
    assert compiled[2:] == [task.discriminator] * 2
    task.loss(phase_of(task, "r1"), batch, 0.0)[0].backward()
    assert len(compiled) == 4


@pytest.mark.slow
def test_what_is_compiled_learns_the_same(tmp_path):
    terms = []
    for compiled in (False, True):
        trainer = trainer_of(make_task(run_settings(compile=compiled)), tmp_path)
        terms.append([trainer._step() for _ in range(3)][-1])
    assert "r1" not in terms[0] and "gan" in terms[0]
    torch.testing.assert_close(terms[1], terms[0], rtol=1e-3, atol=1e-4)


# What is shared with the teacher


def twin(**changes):
    """Settings of a student with its teacher's architecture, and a single image to compare."""
    config = tiny_config(**{"channels": (8, 8, 8), "head": "single", **changes.pop("network", {})})
    return trained(config, seed=1), run_settings(config, **changes)


def task_of_twins(features=None, **changes):
    generator, settings = twin(**changes)
    task = make_task(settings, generator, features)
    task.student.load_state_dict(generator.state_dict())
    return task


@pytest.mark.parametrize("inherit_mapping", [True, False])
@pytest.mark.parametrize("noise", ["const", "random", "none"])
def test_a_twin_makes_its_teachers_images(noise, inherit_mapping):
    task = task_of_twins(noise=noise, style_mixing=0.5, inherit_mapping=inherit_mapping, loss=PIXEL_L1)
    _, terms, batch = student_loss(task, numbers=range(8))
    assert 0 < (batch.latents.crossover < 10).sum() < 8
    assert_same_image(batch.fake, batch.target)
    assert all(terms[name] < 1e-4 for name in ("pixel_l1", "pixel_l2", "subband_l1", "subband_l2"))


@pytest.mark.parametrize("noise", ["const", "random"])
def test_mixed_w_and_noise_are_those_of_the_teachers_own_forward(noise):
    generator, settings = twin(noise=noise, style_mixing=1.0)
    batch = make_task(settings, generator).batch(NUMBERS)
    image = generator.synthesis(batch.w, batch.noise).image
    assert_same_image(batch.target, image)
    plain = generator.synthesis(generator.mapping(batch.latents.z), batch.noise).image
    assert (plain - image).abs().mean() > 0.01


@pytest.mark.parametrize("shortcut", ["none", "residual"])
def test_a_twin_has_no_distance_in_features(shortcut):
    loss = only(teacher_features=1.0, relation=1.0, perceptual=1.0, feature_l1=1.0)
    network = {"shortcut": shortcut}
    task = task_of_twins(TinyFeatures(), network=network, noise="random", style_mixing=0.5, loss=loss)
    _, terms, _ = student_loss(task)
    assert all(
        terms[name].abs() < 1e-4 for name in ("teacher_features", "relation", "perceptual", "feature_l1")
    )


def test_the_distance_from_the_teachers_features_is_relative_to_them():
    task = make_task(run_settings(loss=only(teacher_features=1.0)))
    with torch.no_grad():
        for layer in task.features.projections:
            layer.weight.zero_()
    _, terms, _ = student_loss(task)
    torch.testing.assert_close(terms["teacher_features"], torch.tensor(1.0))


@pytest.mark.parametrize("noise", ["const", "random"])
def test_the_loss_of_a_batch_is_the_mean_of_its_parts(noise):
    """But for the relation between samples, and an adversary that looks at several at once."""
    loss = only(
        pixel_l1=1.0, pixel_l2=1.0, subband_l2=1.0, feature_l1=1.0, perceptual=1.0, teacher_features=1.0
    )
    task = make_task(run_settings(noise=noise, style_mixing=0.5, loss=loss), network=TinyFeatures())
    _, whole, _ = student_loss(task)
    parts = [student_loss(task, numbers=numbers)[1] for numbers in ([0, 1], [2, 3])]
    for name, value in whole.items():
        torch.testing.assert_close(sum(part[name] for part in parts) / 2, value)


def test_the_teachers_features_are_no_part_of_what_is_trained():
    task = make_task(run_settings(loss=only(teacher_features=1.0)))
    names = set(task.modules["projections"].state_dict())
    assert names == {"projections.0.weight", "projections.1.weight"}
    assert phase_of(task, "student").modules == ("student", "projections")
