"""Distillation beside the projected discriminator: what learns, what is kept, what is refused."""

import pytest
import torch
from distillation_helpers import PIXEL_L1, phase_of, student_loss, trainer_of
from resume_helpers import assert_same_run, changed, die_after_step, last_tensors
from training_helpers import OFF, TinyFeatures, forked, make_task, run_settings

from ganzoo.models.weights import weights_digest
from ganzoo.training import loading
from ganzoo.training.announce import checkpoint_bytes
from ganzoo.training.memory import estimate_bytes
from ganzoo.training.run import distill

PROJECTED = {
    "discriminator": {"name": "projected", "features": "tiny", "maps": [5, 6], "size": 32, "width": 4},
    "loss": {"r1": OFF, "gan": {"kind": "hinge"}},
}


def projected_task(**changes):
    """The task of a run beside a projected discriminator, with its tiny network."""
    task = make_task(run_settings(**{**PROJECTED, **changes}))
    task.discriminator.look_through(TinyFeatures())
    return task


@pytest.mark.parametrize("changes", [{}, {"precision": "bf16"}, {"accumulate": 2}], ids=str)
def test_all_that_learns_moves_and_nothing_else(tmp_path, changes):
    task = projected_task(**changes)
    seen = weights_digest(task.discriminator.seen)
    before = {name: value.clone() for name, value in task.discriminator.state_dict().items()}
    terms = trainer_of(task, tmp_path)._step()
    assert "r1" not in terms and terms["gan"].isfinite() and terms["discriminator"] > 0
    moved = {n for n, x in task.discriminator.state_dict().items() if not torch.equal(x, before[n])}
    power = {name for name in before if name.endswith((".left", ".right"))}
    moved |= {name for name in power if len(before[name]) == 1}  # 1 or -1: it has nowhere to go
    assert moved == {name for name, _ in task.discriminator.named_parameters()} | power
    assert weights_digest(task.discriminator.seen) == seen


def test_the_student_learns_through_the_frozen_network():
    loss = {**PIXEL_L1, "pixel_l1": OFF, "gan": {"weight": 1.0, "kind": "hinge"}, "r1": OFF}
    task = projected_task(loss=loss)
    loss, terms, _ = student_loss(task)
    assert loss == terms["gan"]
    loss.backward()
    assert task.student.synthesis.head.to_image["1"].bias.grad.any()
    assert all(p.grad is None for p in task.discriminator.parameters())


def test_the_feature_network_sees_each_image_once_for_each_loss():
    task, seen = projected_task(), []
    maps = task.discriminator.seen.maps
    task.discriminator.seen.maps = lambda pixels: seen.append(pixels.requires_grad) or maps(pixels)
    _, _, batch = student_loss(task)
    task.loss(phase_of(task, "discriminator"), batch, 0.0)
    assert seen == [True, False, False]


def test_a_penalty_on_its_slope_is_refused():
    with pytest.raises(ValueError, match=r"'projected' takes no R1 penalty: give loss\.r1\.weight=0"):
        run_settings(**{**PROJECTED, "loss": {"gan": {"kind": "hinge"}}})


@pytest.mark.parametrize(("metrics", "best"), [(["fd", "l1"], "l1"), (["perceptual"], "perceptual")])
def test_figures_in_the_discriminators_own_features_are_refused(metrics, best):
    held_out = {"metrics": metrics, "best": best, "features": "tiny"}
    with pytest.raises(ValueError, match=rf"held-out {metrics[0]} would .* such as efficientnet_lite1"):
        run_settings(**PROJECTED, held_out=held_out)
    run_settings(**PROJECTED, held_out={**held_out, "features": "efficientnet_lite1"})
    run_settings(**{**PROJECTED, "loss": {"gan": OFF}}, held_out=held_out)


def test_an_unknown_game_is_refused():
    with pytest.raises(ValueError, match=r"loss\.gan\.kind: 'hing'\. Did you mean 'hinge'"):
        run_settings(loss={"gan": {"kind": "hing"}})


def test_its_memory_is_estimated_with_the_network():
    task = projected_task(precision="bf16")
    with_network = estimate_bytes(task.settings, 1, None, task.discriminator.seen)
    assert with_network > estimate_bytes(run_settings(loss={"gan": OFF}, precision="bf16"))
    assert not next(iter(task.discriminator.seen.parameters())).is_meta


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(loading, "load_features", TinyFeatures)


def test_a_run_that_is_cut_off_goes_on_to_the_same_bits(teacher, tmp_path, tiny):
    whole = distill(changed(teacher, tmp_path / "whole", **PROJECTED))
    data = changed(teacher, tmp_path / "cut", **PROJECTED)

    def work():
        die_after_step(4)()
        distill(data)

    assert forked(work) == [-9]
    assert_same_run(distill(data), whole)
    names = {name for name in last_tensors(whole) if name.startswith("discriminator/")}
    assert any(name.endswith(".left") for name in names) and any("across_scales" in name for name in names)
    assert not any("convs" in name for name in names)


def test_two_networks_of_one_name_are_one(teacher, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(loading, "load_features", lambda name: asked.append(name) or TinyFeatures(name))
    features = {"features": {"name": "tiny"}, "loss": {**PROJECTED["loss"], "feature_l1": {"weight": 1.0}}}
    distill(changed(teacher, tmp_path / "run", **{**PROJECTED, **features, "kimg": 0.004}))
    assert asked == ["tiny"]


def test_the_size_of_a_checkpoint_leaves_the_network_out():
    task = projected_task()
    before = checkpoint_bytes(task)
    task.discriminator.look_through(torch.nn.Linear(1000, 1000))
    assert checkpoint_bytes(task) == before
