"""The loop: updates, learning rates, averages, what happens when, and how it stops."""

import math

import pytest
import torch
from torch import nn
from toy import Toy, recorded, same, toy_trainer, weights

from ganzoo.training.checkpoint import checkpoints, load_checkpoint
from ganzoo.training.ema import EMA
from ganzoo.training.loop import Events, TrainingError
from ganzoo.training.settings import EMASettings


def rates(folder, steps=None, **changes):
    """The learning rate of every step's update."""
    trainer = toy_trainer(folder, batch_size=4, **changes)
    found = []
    for _ in range(trainer.settings.steps if steps is None else steps):
        trainer._step()
        found.append(trainer.optimizers["student"].param_groups[0]["lr"])
    return found


def test_the_learning_rate_warms_up_and_falls_along_half_a_cosine(tmp_path):
    options = {"lr": 1.0, "warmup_kimg": 0.011, "final": 0.1}  # warm for 3 steps of 4
    expected = [0.25, 0.5, 0.75]
    expected += [0.1 + 0.9 * (1 + math.cos(math.pi * i / 7)) / 2 for i in range(7)]
    assert rates(tmp_path, kimg=0.04, optimizer=options) == pytest.approx(expected)


def test_a_constant_learning_rate_stays_after_the_warm_up(tmp_path):
    options = {"lr": 1.0, "warmup_kimg": 0.008, "schedule": "constant", "final": 0.5}
    assert rates(tmp_path, kimg=0.024, optimizer=options) == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1])


def test_without_warm_up_the_first_step_has_the_whole_learning_rate(tmp_path):
    assert rates(tmp_path, steps=1, optimizer={"lr": 0.5, "warmup_kimg": 0.0}) == [0.5]


def test_a_run_shorter_than_its_warm_up_goes_as_far_as_it_comes(tmp_path):
    options = {"lr": 1.0, "warmup_kimg": 0.016}
    assert rates(tmp_path, kimg=0.008, optimizer=options) == pytest.approx([0.2, 0.4])


def test_each_network_has_the_learning_rate_of_its_own_settings(tmp_path):
    own = {"discriminator_optimizer": {"lr": 0.125, "warmup_kimg": 0.0, "weight_decay": 0.5}}
    trainer = toy_trainer(tmp_path, **own)
    trainer._step()
    group = trainer.optimizers["discriminator"].param_groups[0]
    assert (group["lr"], group["weight_decay"], group["betas"]) == (0.125, 0.5, (0.0, 0.99))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"optimizer": {"name": "adamm"}}, r"optimizer\.name='adamm' cannot be used"),
        ({"optimizer": {"name": "adan"}}, r"optimizer\.name='adan' .* betas=\[0\.0, 0\.99\]"),
        ({"optimizer": {"name": "adahessian"}}, r"optimizer\.name='adahessian' cannot be used"),
        ({"discriminator_optimizer": {"name": "x"}}, r"^discriminator_optimizer\.name='x' cannot be used"),
    ],
    ids=str,
)
def test_an_optimiser_that_cannot_be_used_is_refused_before_training(tmp_path, settings, told):
    with pytest.raises(ValueError, match=told):
        toy_trainer(tmp_path, **settings)


# Steps


def test_a_step_sees_the_next_images(tmp_path):
    task = Toy()
    trainer = toy_trainer(tmp_path, task)
    for _ in range(2):
        trainer._step()
    assert task.seen == [[0, 1, 2, 3], [4, 5, 6, 7]] and trainer.kimg == 0.008


def test_parts_of_a_step_give_the_whole_steps_update(tmp_path):
    found = []
    for accumulate in (1, 2, 4):
        trainer = toy_trainer(tmp_path, accumulate=accumulate, optimizer={"name": "adam", "lr": 0.01})
        terms = trainer._step()
        found.append((trainer, terms))
    (whole, terms), *parts = found
    assert parts[0][0].task.seen == [[0, 1], [2, 3]]
    for trainer, others in parts:
        torch.testing.assert_close(others, terms)
        for name, network in trainer.task.modules.items():
            torch.testing.assert_close(network.state_dict(), whole.task.modules[name].state_dict())


@pytest.mark.parametrize("batch_size", [3, 6])
def test_a_batch_that_cannot_be_divided_is_refused_with_what_can(tmp_path, batch_size):
    with pytest.raises(ValueError, match=r"cannot be divided among 1 processes .* give a multiple of 4\.$"):
        toy_trainer(tmp_path, batch_size=batch_size, accumulate=4)


class Watched(Toy):
    """Keeps the gradients of the student at its updates."""

    def watch(self, trainer):
        step, self.gradients = trainer.optimizers["student"].step, []

        def kept(*arguments, **options):
            rows = [p.grad.flatten() for p in self.modules["student"].parameters()]
            self.gradients.append(torch.cat(rows))
            return step(*arguments, **options)

        trainer.optimizers["student"].step = kept


@pytest.mark.parametrize("clip", [0.1, 1e6, None])
def test_the_gradients_norm_is_limited(tmp_path, clip):
    task = Watched()
    trainer = toy_trainer(tmp_path, task, clip=clip)
    task.watch(trainer)
    terms = trainer._step()
    norm = task.gradients[0].norm()
    if clip == 0.1:
        torch.testing.assert_close(norm, torch.tensor(0.1), rtol=1e-4, atol=0.0)
        assert terms["gradient/student"] > 1
    else:
        torch.testing.assert_close(norm, terms["gradient/student"])
    free = toy_trainer(tmp_path, clip=None)
    torch.testing.assert_close(free._step()["gradient/student"], terms["gradient/student"])


def test_a_phase_takes_place_at_its_interval(tmp_path):
    trainer = toy_trainer(tmp_path, Toy(interval=3))
    assert ["judge" in trainer._step() for _ in range(7)] == [True, False, False] * 2 + [True]


def test_a_gradient_does_not_outlast_its_phase(tmp_path):
    trainer = toy_trainer(tmp_path)
    trainer._step()
    assert all(p.grad is None for network in trainer.task.modules.values() for p in network.parameters())


# The average


@pytest.mark.parametrize(
    ("settings", "kimg", "half_life"),
    [
        ({"half_life_kimg": 0.5, "ramp_up": None}, 0.1, 500.0),
        ({"half_life_kimg": 0.5, "ramp_up": 0.05}, 2.0, 100.0),
        ({"half_life_kimg": 0.5, "ramp_up": 0.05}, 50.0, 500.0),
    ],
)
def test_the_share_kept_of_the_average_halves_over_a_half_life(settings, kimg, half_life):
    ema = EMA(nn.Linear(1, 1), EMASettings(**settings))
    assert ema.decay(20, kimg) ** (half_life / 20) == pytest.approx(0.5)


def test_an_average_without_half_life_is_the_network():
    ema = EMA(nn.Linear(1, 1), EMASettings(half_life_kimg=0.0))
    assert ema.decay(16, 1.0) == 0.0
    assert EMA(nn.Linear(1, 1), EMASettings()).decay(16, 0.0) == 0.0


def test_the_average_follows_its_formula(tmp_path):
    trainer = toy_trainer(tmp_path, ema={"half_life_kimg": 0.01, "ramp_up": None})
    network = trainer.task.modules["student"]
    network[0].weight.requires_grad_(False)
    expected, share = weights(network), 0.5 ** (4 / 10)
    for _ in range(5):
        trainer._step()
        for name, value in network.state_dict().items():
            expected[name] = share * expected[name] + (1 - share) * value
    torch.testing.assert_close(trainer.ema.module.state_dict(), expected)
    assert not any(p.requires_grad for p in trainer.ema.module.parameters())
    assert torch.equal(trainer.ema.module[0].weight, network[0].weight)


def test_buffers_are_taken_as_they_are():
    network = nn.BatchNorm1d(2)
    ema = EMA(network, EMASettings())
    network.running_mean.fill_(7.0)
    ema.update(network, batch_size=4, kimg=100.0)
    assert torch.equal(ema.module.running_mean, network.running_mean)


# What happens when


def times(told, name):
    return [item[1] for item in told if item[0] == name]


def test_everything_happens_at_its_time(tmp_path):
    changes = {"log_kimg": 0.008, "sample_kimg": 0.012, "eval_every": 0.010, "checkpoint_kimg": 0.016}
    told = recorded(toy_trainer(tmp_path, kimg=0.042, keep_checkpoints=9, **changes))
    assert times(told, "step") == list(range(4, 45, 4))
    assert times(told, "log") == [8, 16, 24, 32, 40, 44]
    assert times(told, "sheet") == [12, 24, 36, 44]
    assert times(told, "measure") == [12, 20, 32, 40]
    assert [int(path.name) for path in checkpoints(tmp_path)] == [3, 4, 5, 8, 10, 11]


@pytest.mark.parametrize("cut", ["sheet", "measure"])
def test_what_an_interruption_kept_from_being_drawn_and_measured_comes_first_when_the_run_goes_on(
    tmp_path, cut
):
    changes = {"sample_kimg": 0.008, "eval_every": 0.016, "checkpoint_kimg": 100.0, "log_kimg": 100.0}

    def fail(kimg):
        if kimg == 0.016:
            raise InterruptedError

    first = toy_trainer(tmp_path, **changes)
    with pytest.raises(InterruptedError):
        first.run(Events(**{cut: fail}))
    again = toy_trainer(tmp_path, **changes)
    again.resume()
    told = recorded(again)
    names = [item[:2] for item in told if item[0] != "log"]
    assert names[:3] == [("sheet", 16), ("measure", 16), ("step", 20)]
    last = toy_trainer(tmp_path, **changes)
    last.resume()
    assert recorded(last) == []


def test_measuring_only_at_the_end_is_left_to_the_end(tmp_path):
    assert times(recorded(toy_trainer(tmp_path, eval_every=0.0)), "measure") == []


def test_a_line_of_the_log_is_the_mean_since_the_last_one(tmp_path):
    task = Toy(interval=2)
    told = recorded(toy_trainer(tmp_path, task, log_kimg=0.016, checkpoint_kimg=100.0))
    other = toy_trainer(tmp_path, Toy(interval=2))
    for line in (item[2] for item in told if item[0] == "log"):
        steps = [other._step() for _ in range(4)]
        for name in ("near", "judge", "gradient/student"):
            own = [terms[name].item() for terms in steps if name in terms]
            assert line[name] == pytest.approx(sum(own) / len(own), rel=1e-6)


def test_a_line_of_the_log_does_not_depend_on_an_interruption(tmp_path):
    changes = {"log_kimg": 0.012, "checkpoint_kimg": 0.008, "kimg": 0.024}
    whole = recorded(toy_trainer(tmp_path / "whole", **changes))
    first = toy_trainer(tmp_path / "cut", **changes)

    def stop(images):
        if images == 20:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        first.run(Events(step=stop))
    second = toy_trainer(tmp_path / "cut", **changes)
    assert second.resume() and second.step == 4
    lines = [item for item in whole if item[0] == "log"]
    assert [item for item in recorded(second) if item[0] == "log"] == lines[1:]


def test_a_run_that_is_over_does_nothing(tmp_path):
    trainer = toy_trainer(tmp_path)
    trainer.run(Events())
    again = toy_trainer(tmp_path)
    again.resume()
    assert recorded(again) == []


def test_more_kimg_go_on(tmp_path):
    toy_trainer(tmp_path, kimg=0.016).run(Events())
    longer = toy_trainer(tmp_path, kimg=0.032)
    longer.resume()
    assert times(recorded(longer), "step") == [20, 24, 28, 32]
    assert longer.optimizers["student"].param_groups[0]["lr"] < 0.05 * 0.2


# What is not finite


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_with_the_last_good_checkpoint(tmp_path, factor):
    trainer = toy_trainer(tmp_path, Toy(broken={20: factor}), checkpoint_kimg=0.008)
    with pytest.raises(TrainingError) as error:
        trainer.run(Events())
    told = (
        f"At 0.020 kimg the loss near of phase student is not finite. The last good checkpoint is {tmp_path}"
    )
    assert str(error.value).startswith(f"{told}/000000004; a lower optimizer.lr")
    tensors, facts = load_checkpoint(tmp_path / "000000004")
    assert facts["step"] == 4 and all(torch.isfinite(value).all() for value in tensors.values())
    assert all(torch.isfinite(p).all() for p in trainer.task.modules["student"].parameters())


def test_a_gradient_that_is_not_finite_stops(tmp_path):
    trainer = toy_trainer(tmp_path, Toy(broken={0: "gradient"}))
    with pytest.raises(
        TrainingError, match=r"the gradient of phase student .* No checkpoint was written yet"
    ):
        trainer.run(Events())
    assert checkpoints(tmp_path) == []


def half_precision(folder, task=None):
    """A trainer with the loss scale of fp16, which needs no GPU."""
    return toy_trainer(folder, task, precision="fp16", kimg=1.0)


def test_a_step_of_fp16_that_overflows_is_skipped_and_the_loss_scale_falls(tmp_path):
    trainer = half_precision(tmp_path, Toy(broken={0: math.inf}))
    before = weights(trainer.task.modules["student"])
    trainer._step()
    assert same(weights(trainer.task.modules["student"]), before)
    assert trainer.scalers["student"].get_scale() == 2.0**15
    trainer._step()
    assert not same(weights(trainer.task.modules["student"]), before)


def test_fp16_stops_where_no_loss_scale_helps(tmp_path):
    trainer = half_precision(tmp_path, Toy(broken=dict.fromkeys(range(0, 1000, 4), math.nan)))
    with pytest.raises(TrainingError, match="the loss near of phase student is not finite"):
        trainer.run(Events())
    assert trainer.step < 25


def test_fp16_resumes_to_the_bit(tmp_path):
    def broken():
        return Toy(broken={4: math.inf})

    whole, first, second = (half_precision(tmp_path, broken()) for _ in range(3))
    for _ in range(3):
        first._step()
    first.save()
    second.resume()
    for _ in range(6):
        whole._step()
    for _ in range(3):
        second._step()
    assert same(whole._tensors(), second._tensors())
    assert second.scalers["student"].get_scale() == 2.0**15
    assert second.scalers["student"].get_growth_interval() == 2000
