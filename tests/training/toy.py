"""A task of a few weights, whose gradients can be worked out by hand."""

from dataclasses import dataclass

import torch
from torch import nn
from training_helpers import ALONE

from ganzoo.training.loop import Events, Trainer
from ganzoo.training.settings import OptimizerSettings
from ganzoo.training.task import Phase, Task
from ganzoo.training.task_settings import TaskSettings

COSINE = OptimizerSettings()
CONSTANT = OptimizerSettings(schedule="constant", warmup_kimg=0.0)
LOOP = {
    "out": "out",
    "batch_size": 4,
    "kimg": 0.032,
    "log_kimg": 0.004,
    "sample_kimg": 100.0,
    "checkpoint_kimg": 0.016,
    "eval_every": 0.0,
    "device": "cpu",
    "ema": {"half_life_kimg": 0.01, "ramp_up": None},
}


@dataclass(frozen=True, kw_only=True)
class ToySettings(TaskSettings):
    """The loop's settings, and an optimizer for each network."""

    optimizer: OptimizerSettings = COSINE
    discriminator_optimizer: OptimizerSettings = CONSTANT


class Toy(Task):
    """Two networks learn from a batch of numbers drawn from the positions; `broken` spoils a step's loss."""

    options = ToySettings
    averaged = "student"

    def __init__(self, broken=None, interval=1):
        self.broken, self.interval = broken or {}, interval
        gaussian = torch.Generator().manual_seed(0)
        self.modules = {"student": nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2))}
        self.modules["discriminator"] = nn.Linear(2, 1)
        with torch.no_grad():
            for network in self.modules.values():
                network.to(memory_format=torch.channels_last)
                for parameter in network.parameters():
                    parameter.copy_(0.5 * torch.randn(parameter.shape, generator=gaussian))
        self.seen = []

    def phases(self, kimg):
        return [Phase("student", ("student",)), Phase("judge", ("discriminator",), self.interval)]

    def batch(self, positions):
        self.seen.append(list(positions))
        rows = [torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(p)) for p in positions]
        return list(positions), torch.stack(rows)

    def loss(self, phase, batch, kimg):
        positions, images = batch
        found = self.modules["student"](images)
        if phase.name == "judge":
            loss = self.modules["discriminator"](found.detach()).square().mean()
            return loss, {"judge": loss.detach()}
        factor = self.broken.get(positions[0], 1.0)
        loss = (found - 1).square().mean() * (1.0 if isinstance(factor, str) else factor)
        if factor == "gradient":  # of the square root at 0
            loss = loss + (found * 0).sum().sqrt()
        return loss, {"near": loss.detach()}


def toy_trainer(folder, task=None, state=ALONE, **changes):
    changes = {"optimizer": {"warmup_kimg": 0.0, "lr": 0.05}, **changes}
    settings = ToySettings.from_dict({**LOOP, **changes})
    task = Toy() if task is None else task
    both = {"student": settings.optimizer, "discriminator": settings.discriminator_optimizer}
    task.optimizers = {name: both.get(name, settings.optimizer) for name in task.modules}
    return Trainer(task, settings, state, folder)


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())


def recorded(trainer):
    told = []
    trainer.run(
        Events(
            log=lambda kimg, terms, seconds: told.append(("log", round(1000 * kimg), terms)),
            sheet=lambda kimg: told.append(("sheet", round(1000 * kimg))),
            measure=lambda kimg: told.append(("measure", round(1000 * kimg))),
            step=lambda images: told.append(("step", images)),
        )
    )
    return told
