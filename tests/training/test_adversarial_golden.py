"""Adversarial training against the original's losses, gradients and steps."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from ada_golden import percentile_rows
from adversarial_helpers import settings_of, task_of, write_pictures
from training_helpers import ALONE

import ganzoo
from ganzoo.blocks import AUGMENTS
from ganzoo.training.adversarial import (
    DISCRIMINATOR,
    GENERATOR,
    PATH_LENGTH,
    PENALTY,
    Batch,
    Drawn,
)
from ganzoo.training.latents import NOT_MIXED, Latents
from ganzoo.training.loop import Events, Trainer
from ganzoo.training.settings import OptimizerSettings
from ganzoo.training.task import Phase

GOLDEN = Path(__file__).parents[1] / "golden" / "training"
NAMES = ("train_skip_32", "train_resnet_cond_16")
FACTS = json.loads((GOLDEN / "facts.json").read_text())
TOLERANCE, OF_GRADIENTS, OF_MOVES = 2e-5, 1e-3, 1e-3
INTERVALS = {GENERATOR: 1, PATH_LENGTH: 4, DISCRIMINATOR: 1, PENALTY: 16}


@cache
def arrays(name, part):
    return dict(np.load(GOLDEN / f"{name}_{part}.npz").items())


@cache
def converted(name, part):
    return ganzoo.convert(GOLDEN / f"{name}.pkl", part=part).requires_grad_(True)


def tensor(array):
    return None if array is None else torch.from_numpy(np.asarray(array, dtype=np.float32))


def golden_task(tmp_path, name, e, **changes):
    """The task on the networks of a golden snapshot, with the hyperparameters of an array file."""
    generator, discriminator = (deepcopy(converted(name, part)) for part in ("generator", "discriminator"))
    own, theirs = generator.config.to_dict(), discriminator.config.to_dict()
    penalty = {"r1": float(e["hp_r1_gamma"]), "interval": INTERVALS[PENALTY]}
    path_length = {
        "weight": float(e["hp_pl_weight"]),
        "interval": INTERVALS[PATH_LENGTH],
        "decay": float(e["hp_pl_decay"]),
        "shrink": int(e["hp_pl_batch_shrink"]),
    }
    data = write_pictures(tmp_path / "data", side=generator.resolution, classes=generator.label_dim)
    settings = settings_of(
        data,
        **{
            "generator": own,
            "labels": "keep",
            "discriminator": theirs["discriminator"],
            "discriminator_channel_max": max(theirs["channels"]),
            "noise": "const",
            "penalty": penalty,
            "path_length": path_length,
            "augment": {"name": "none"},
            "clip": None,
            **changes,
        },
    )
    return task_of(settings, generator, discriminator)


def golden_settings(tmp_path, name, e, **changes):
    return golden_task(tmp_path, name, e, **changes).settings


def drawn(z, label=None, *, z2=None, cutoff=NOT_MIXED, directions=None):
    n = len(z)
    found = Latents(
        z=tensor(z),
        label=tensor(label),
        z2=torch.zeros(n, z.shape[1]) if z2 is None else tensor(z2),
        crossover=torch.full((n,), int(cutoff)),
    )
    return Drawn(latents=found, noise="const", directions=tensor(directions))


def batch_of(e):
    """The batch of the losses' file."""
    n = len(e["real_img"])
    label = e.get("c")
    own = drawn(e["z"], label)
    return Batch(
        positions=list(range(n)),
        real=tensor(e["real_img"]),
        label=tensor(e.get("real_c")),
        drawn={GENERATOR: own, DISCRIMINATOR: own},
    )


def gradients_of(task, phase, batch):
    """Loss and terms of a phase, its gradients left in the modules."""
    for module in task.modules.values():
        module.zero_grad(set_to_none=True)
    loss, terms = task.loss(Phase(phase, (), INTERVALS[phase]), batch, 1.0)
    loss.backward()
    return loss, terms


def assert_close(got, expected, tolerance=TOLERANCE):
    got, expected = np.asarray(got, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def assert_gradients(module, e, phase):
    """Norms and sums of all gradients are the original's; parameters are told apart by them."""
    expected = np.stack([e[f"{phase}_grad_norms"], e[f"{phase}_grad_sums"]], axis=1)
    expected = expected[expected[:, 0] > 0]
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    own = np.array([[g.norm().item(), g.sum().item()] for g in gradients])
    own = own[own[:, 0] > OF_GRADIENTS * 1e-4 * expected[:, 0].max()]
    expected = expected[expected[:, 0] > OF_GRADIENTS * 1e-4 * expected[:, 0].max()]
    assert len(own) == len(expected)
    order, wanted = np.argsort(own[:, 0]), np.argsort(expected[:, 0])
    for column in (0, 1):
        error = np.abs(own[order, column] - expected[wanted, column]).max()
        assert error <= OF_GRADIENTS * np.abs(expected[:, column]).max()


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_s_loss_and_gradients(name, tmp_path):
    e = arrays(name, "losses")
    task = golden_task(tmp_path, name, e)
    loss, terms = gradients_of(task, GENERATOR, batch_of(e))
    assert_close(loss.item(), e["Gmain_loss"].mean())
    assert_gradients(task.generator, e, "Gmain")
    layer = task.generator.mapping.layers[0].weight.grad
    full = e["Gmain_grad_mapping_fc0_weight"]
    assert_close(layer, full, OF_GRADIENTS * np.abs(full).max())
    assert_close(task.generator.mapping.w_avg, e["Gmain_w_avg_before"])
    task.after_step(terms, 1.0)
    assert_close(task.generator.mapping.w_avg, e["Gmain_w_avg_after"])


@pytest.mark.parametrize("name", NAMES)
def test_style_mixing_moves_the_mean_w_by_the_first_latents_alone(name, tmp_path):
    e = arrays(name, "losses")
    task, batch = golden_task(tmp_path, name, e), batch_of(e)
    batch.drawn[GENERATOR] = drawn(e["z"], e.get("c"), z2=e["mix_z2"], cutoff=e["mix_cutoff"])
    loss, terms = gradients_of(task, GENERATOR, batch)
    assert_close(loss.item(), e["mix_Gmain_loss"].mean())
    assert_gradients(task.generator, e, "mix_Gmain")
    task.after_step(terms, 1.0)
    assert_close(task.generator.mapping.w_avg, e["mix_w_avg_after"])


@pytest.mark.parametrize("name", NAMES)
def test_two_rounds_of_path_lengths(name, tmp_path):
    e = arrays(name, "losses")
    task, batch = golden_task(tmp_path, name, e), batch_of(e)
    for turn in ("Greg0", "Greg1"):
        given = drawn(e[f"{turn}_z"], e.get(f"{turn}_c"), directions=e[f"{turn}_pl_noise"])
        batch.drawn[PATH_LENGTH] = given
        assert_close(task.path_mean, e[f"{turn}_pl_mean_before"])
        loss, terms = gradients_of(task, PATH_LENGTH, batch)
        assert_close(terms["path_length/mean"], e[f"{turn}_pl_lengths"].mean())
        assert_close(terms["path_length"], e[f"{turn}_pl_penalty"].mean())
        assert_close(loss.item(), 4 * e[f"{turn}_loss"].mean())
        assert_gradients(task.generator, e, turn)
        task.after_step(terms, 1.0)
        assert_close(task.path_mean, e[f"{turn}_pl_mean_after"])


@pytest.mark.parametrize("name", NAMES)
def test_the_discriminator_s_loss_and_its_penalty(name, tmp_path):
    e = arrays(name, "losses")
    task, batch = golden_task(tmp_path, name, e), batch_of(e)
    loss, terms = gradients_of(task, DISCRIMINATOR, batch)
    assert_close(loss.item(), e["Dmain_loss"].mean())
    assert_close(terms["logits/real"], e["Dmain_scores_real"].mean())
    assert_close(terms["logits/fake"], e["Dmain_scores_fake"].mean())
    assert_gradients(task.discriminator, e, "Dmain")
    loss, terms = gradients_of(task, PENALTY, batch)
    assert_close(terms["r1"], e["Dreg_r1_penalty"].mean())
    assert_close(loss.item(), 16 * e["Dreg_loss"].mean())
    assert_gradients(task.discriminator, e, "Dreg")


@pytest.mark.parametrize("name", NAMES)
def test_a_regularizer_of_every_step_shares_the_update(name, tmp_path):
    e = arrays(name, "losses")
    every = {"weight": 2.0, "interval": 1, "decay": float(e["hp_pl_decay"]), "shrink": 2}
    penalty = {"r1": float(e["hp_r1_gamma"]), "interval": 1}
    task, batch = golden_task(tmp_path, name, e, path_length=every, penalty=penalty), batch_of(e)
    assert [phase.name for phase in task.phases(0.0)] == [GENERATOR, DISCRIMINATOR]
    gradients_of(task, DISCRIMINATOR, batch)
    assert_gradients(task.discriminator, e, "Dboth")
    batch.drawn[PATH_LENGTH] = drawn(
        e["z"][:2], e["c"][:2] if "c" in e else None, directions=e["Greg0_pl_noise"]
    )
    gradients_of(task, GENERATOR, batch)
    assert_gradients(task.generator, e, "Gboth")


class Percentile(torch.nn.Module):
    """The pipe bgc with every transform drawn as the original's debug percentile draws it."""

    numbers, p = 0, None

    def __init__(self, percentile):
        super().__init__()
        self.pipe, self.percentile = AUGMENTS.build({"name": "ada", "p": 1.0}), percentile

    def forward(self, images, random):
        return self.pipe(images, percentile_rows(self.percentile, len(images)))


@pytest.mark.parametrize("name", NAMES)
def test_all_phases_see_augmented_images(name, tmp_path):
    e = arrays(name, "losses")
    task, batch = golden_task(tmp_path, name, e), batch_of(e)
    task.augment = Percentile(float(e["aug_percentile"]))
    for phase, key, module in (
        (GENERATOR, "aug_Gmain", task.generator),
        (DISCRIMINATOR, "aug_Dmain", task.discriminator),
        (PENALTY, "aug_Dreg", task.discriminator),
    ):
        loss, terms = gradients_of(task, phase, batch)
        assert_close(loss.item(), INTERVALS[phase] * e[f"{key}_loss"].mean())
        assert_gradients(module, e, key)
    assert_close(terms["r1"], e["aug_Dreg_r1_penalty"].mean())


@pytest.mark.parametrize("name", NAMES)
def test_whole_steps_of_the_loop(name, tmp_path):
    """Three steps, or two in rounds of two: Adam, the lazy rates, the average, the mean w and path length.

    In the original the mean path length moves with every round, and here once a step, as on several
    processes: there the generators part by a thousandth.
    """
    e = arrays(name, "iterations")
    steps = len(e["ema_beta"])
    rounds = len(e["real_img"]) // int(e["cfg_batch_gpu"])
    rate = OptimizerSettings(lr=float(e["cfg_lr"]), warmup_kimg=0.0, schedule="constant", final=1.0)
    task = golden_task(
        tmp_path,
        name,
        e,
        accumulate=rounds,
        kimg=0.004 * steps,
        optimizer=vars(rate),
        discriminator_optimizer=vars(rate),
        ema={"half_life_kimg": float(e["cfg_ema_kimg"]), "ramp_up": None},
    )
    start = {n: p.detach().clone() for n, p in task.generator.named_parameters()}
    judged = {n: p.detach().clone() for n, p in task.discriminator.named_parameters()}
    lanes = {GENERATOR: 0, PATH_LENGTH: 1, DISCRIMINATOR: 2}

    def batch(positions):
        step, rows = positions[0] // 4, [position % 4 for position in positions]
        turn = rows[0] // (4 // rounds)
        z, c = e[f"it{step}_z"].reshape(4, 4, -1), e.get(f"it{step}_c")
        c = None if c is None else c.reshape(4, 4, -1)
        found = {}
        for phase, lane in lanes.items():
            own = rows[: max(1, len(rows) // 2)] if phase == PATH_LENGTH else rows
            noise = e.get(f"it{step}_pl_noise{turn}") if phase == PATH_LENGTH else None
            found[phase] = drawn(z[lane][own], None if c is None else c[lane][own], directions=noise)
        label = e.get(f"it{step}_real_c")
        return Batch(
            positions=list(positions),
            real=tensor(e["real_img"][rows]),
            label=None if label is None else tensor(label[rows]),
            drawn=found,
        )

    own_loss = task.loss

    def loss(phase, batch, kimg):  # rounds of the original add up; ours are averaged, which Adam's eps feels
        found, terms = own_loss(phase, batch, kimg)
        return rounds * found, terms

    task.batch, task.loss, task.ahead = batch, loss, False
    trainer = Trainer(task, task.settings, ALONE, tmp_path / "checkpoints")
    for key, optimizer in (("opt_G", GENERATOR), ("opt_D", DISCRIMINATOR)):
        [group] = trainer.optimizers[optimizer].param_groups
        assert_close([group["lr"], *group["betas"], group["eps"]], e[key], 1e-7)
    averaged = ganzoo.convert(GOLDEN / f"{name}.pkl", part="generator_ema")  # which the original goes on with
    trainer.ema.module.load_state_dict(averaged.state_dict())
    before = {n: p.detach().clone() for n, p in averaged.named_parameters()}
    moved = []

    def note(images):
        moved.append(
            [
                _moves(start, task.generator),
                _moves(judged, task.discriminator),
                _moves(before, trainer.ema.module),
            ]
        )

    trainer.run(Events(step=note))
    for step, found in enumerate(moved):
        for own, key in zip(found, ("G_delta", "D_delta", "G_ema_delta"), strict=True):
            expected = np.sort(e[f"it{step}_{key}"])
            parted = 3 if rounds > 1 and key != "D_delta" else 1
            assert np.abs(np.sort(own) - expected).max() <= parted * OF_MOVES * expected.max(), (step, key)
    if rounds > 1:
        return
    assert_close(task.path_mean, e["pl_mean"][-1])
    assert_close(task.generator.mapping.w_avg, e["end_G_w_avg"])
    assert_close(trainer.ema.module.mapping.w_avg, e["end_G_ema_w_avg"])


def _moves(start, module):
    return [(p - start[name]).norm().item() for name, p in module.named_parameters()]
