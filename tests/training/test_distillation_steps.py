"""Distillation by the trainer: what a step moves, and what stays."""

import pytest
import torch
from covering import crossed
from distillation_helpers import only, student_loss, trainer_of
from helpers import styled_layers
from training_helpers import OFF, TinyFeatures, make_task, make_teacher, run_settings, student_config


def state_of(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def moved(before, network):
    return {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}


COMBINATIONS = crossed(("skip", "aux", "single"), ("pixel", "wavelet"), ("conv_transpose", "idwt"))


@pytest.mark.parametrize("combination", COMBINATIONS, ids="-".join)
def test_every_weight_of_every_combination_learns(tmp_path, combination):
    head, output, upsampler = combination
    student = student_config(resolution=16, output=output, head=head, upsampler=upsampler)
    task = make_task(run_settings(student))
    before = state_of(task.student)
    terms = trainer_of(task, tmp_path)._step()
    assert all(torch.isfinite(value) for value in terms.values())
    expected = {name for name, p in task.student.named_parameters() if p.requires_grad}
    assert moved(before, task.student) == expected
    assert all(name.startswith("synthesis.") for name in expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "bf16"},
        {"teacher_precision": "bf16"},
        {"augment": "none"},
        {"noise": "random", "style_mixing": 0.9},
        {"loss": only(relation=1.0)},
        {"loss": only(perceptual=1.0)},
        {"loss": only(feature_l1=1.0)},
        {"loss": only(teacher_features=1.0)},
        {"loss": {"gan": OFF}},
    ],
    ids=str,
)
def test_a_step_of_every_kind_moves_the_student(tmp_path, changes):
    task = make_task(run_settings(**changes), network=TinyFeatures())
    before = {name: state_of(network) for name, network in task.modules.items()}
    terms = trainer_of(task, tmp_path)._step()
    assert all(torch.isfinite(value) for value in terms.values())
    assert all(moved(before[name], network) for name, network in task.modules.items())


def test_bfloat16_gives_nearly_the_same_loss():
    losses = [student_loss(make_task(run_settings(precision=p)))[0] for p in ("fp32", "bf16")]
    assert losses[1].dtype == torch.float32
    torch.testing.assert_close(losses[1], losses[0], rtol=0.02, atol=0.0)


def test_the_teacher_makes_a_steps_images_once(tmp_path):
    task = make_task(run_settings(accumulate=2, loss={"r1": {"interval": 1}}))
    asked, images = [], task.teacher.images
    task.teacher.images = lambda w, noise: asked.append(len(w)) or images(w, noise)
    trainer = trainer_of(task, tmp_path)
    terms = trainer._step()
    assert {"gan", "discriminator", "r1"} <= terms.keys()
    assert asked == [2, 2]
    trainer._step()
    assert asked == [2, 2, 2, 2]


def test_an_inherited_mapping_stays_the_teachers(tmp_path):
    generator = make_teacher(mapping={"name": "mlp", "depth": 3}, w_dim=12)
    task = make_task(run_settings(truncation_psi=0.7), generator)
    trainer = trainer_of(task, tmp_path)
    for _ in range(3):
        trainer._step()
    for mapping in (task.student.mapping, trainer.ema.module.mapping, task.teacher.original.mapping):
        theirs = generator.mapping.state_dict()
        assert all(torch.equal(value, theirs[name]) for name, value in mapping.state_dict().items())
    assert task.settings.student.mapping["depth"] == 3 and task.student.w_dim == 12


def test_a_mapping_of_its_own_learns(tmp_path):
    task = make_task(run_settings(inherit_mapping=False))
    before = state_of(task.student.mapping)
    assert any(
        not torch.equal(value, task.teacher.original.mapping.state_dict()[name])
        for name, value in before.items()
    )
    trainer_of(task, tmp_path)._step()
    assert moved(before, task.student.mapping) == {"layers.0.weight", "layers.0.bias"}


def test_const_noise_is_the_teachers():
    task = make_task(run_settings(student_config(resolution=8, output="wavelet")))
    theirs = [layer.noise.const for layer in styled_layers(task.teacher.original)]
    for layer, const in zip(styled_layers(task.student), theirs, strict=False):
        assert torch.equal(layer.noise.const, const)


def test_runs_of_one_seed_begin_alike_and_of_two_not():
    first, again, other = (make_task(run_settings(seed=seed)) for seed in (4, 4, 5))
    for name in ("student", "discriminator"):
        states = [task.modules[name].state_dict() for task in (first, again, other)]
        assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
        assert any(not torch.equal(value, states[2][key]) for key, value in states[0].items())
