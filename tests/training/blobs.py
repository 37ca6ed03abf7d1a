"""A plug-in's task: a generator against a discriminator on made-up images, with a state of its own."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from ganzoo.losses import logistic_discriminator, nonsaturating_generator, r1_penalty
from ganzoo.metrics.figures import Figure
from ganzoo.training.latents import Purpose, stream
from ganzoo.training.settings import OptimizerSettings
from ganzoo.training.task import TASKS, Phase, Sheet, Task
from ganzoo.training.task_settings import TaskSettings

SIDE, Z_DIM = 8, 4
ADAM = OptimizerSettings(lr=0.01, warmup_kimg=0.0)


@dataclass(frozen=True, kw_only=True)
class BlobsSettings(TaskSettings):
    """Options of the task, and another default of the loop's."""

    measured = ("num",)

    width: int = 6
    gamma: float = 0.5
    interval: int = 3
    target: float = 0.25
    num: int = 8
    clip: float | None = None
    optimizer: OptimizerSettings = ADAM
    discriminator_optimizer: OptimizerSettings = ADAM


@TASKS.register("blobs")
class Blobs(Task):
    """Both see images with noise, which grows where the discriminator is too sure, as ADA's strength does."""

    options = BlobsSettings
    averaged = "generator"
    best = "gap"

    def __init__(self, settings: BlobsSettings, state: Any) -> None:
        super().__init__(settings, state)
        self.optimizers = {
            "generator": settings.optimizer,
            "discriminator": settings.discriminator_optimizer,
        }
        width, random = settings.width, torch.Generator().manual_seed(settings.seed)
        self.modules = {
            "generator": nn.Sequential(
                nn.Linear(Z_DIM, width), nn.LeakyReLU(), nn.Linear(width, 3 * SIDE**2)
            ),
            "discriminator": nn.Sequential(
                nn.Conv2d(3, width, 3), nn.LeakyReLU(), nn.Flatten(), nn.Linear(width * (SIDE - 2) ** 2, 1)
            ),
        }
        with torch.no_grad():
            for module in self.modules.values():
                for parameter in module.parameters():
                    parameter.copy_(0.2 * torch.randn(parameter.shape, generator=random))
        self.strength, self.color = torch.zeros(()), torch.zeros(3)

    def phases(self, kimg):
        both = [Phase("generator", ("generator",)), Phase("discriminator", ("discriminator",))]
        return [*both, Phase("penalty", ("discriminator",), self.settings.interval)]

    def batch(self, positions):
        z, real, noise = [], [], []
        for position in positions:
            random = stream(self.settings.seed, Purpose.LATENT, position)
            z.append(torch.tensor(random.standard_normal(Z_DIM, dtype="float32")))
            real.append(blob(*random.random(2), random.random(3)))
            noise.append(torch.tensor(random.standard_normal((3, SIDE, SIDE), dtype="float32")))
        return {"z": torch.stack(z), "real": torch.stack(real), "noise": torch.stack(noise)}

    def loss(self, phase, batch, kimg):
        discriminator = self.modules["discriminator"].requires_grad_(phase.name != "generator")
        noise = self.strength * batch["noise"]
        if phase.name == "generator":
            fake = images_of(self.modules["generator"], batch["z"])
            batch["fake"] = fake.detach()
            loss = nonsaturating_generator(discriminator(fake + noise))
            return loss, {"generator": loss.detach(), "color": fake.detach().mean(dim=(0, 2, 3))}
        if phase.name == "penalty":
            real = (batch["real"] + noise).requires_grad_(True)
            penalty = r1_penalty(discriminator(real), real)
            return 0.5 * self.settings.gamma * phase.interval * penalty, {"r1": penalty.detach()}
        real, fake = (discriminator(batch[name] + noise) for name in ("real", "fake"))
        loss = logistic_discriminator(real, fake)
        return loss, {"discriminator": loss.detach(), "sure": real.detach().tanh().mean()}

    def after_step(self, terms, kimg):
        self.strength = (self.strength + 0.1 * (terms["sure"] - self.settings.target)).clamp(min=0)
        self.color = self.color.lerp(terms["color"], 0.25)

    def state_dict(self):
        return {"strength": self.strength, "color": self.color}

    def load_state_dict(self, state):
        self.strength, self.color = state["strength"].clone(), state["color"].clone()

    def measure(self, averaged):
        batch = self.batch(range(2**40, 2**40 + self.settings.num))
        with torch.no_grad():
            fake = images_of(averaged, batch["z"])
        return {"gap": Figure((fake.mean(0) - batch["real"].mean(0)).abs().mean().item(), None)}

    def sheet(self, averaged):
        with torch.no_grad():
            image = images_of(averaged, torch.ones(1, Z_DIM))[0]
        pixels = ((image.clamp(-1, 1) + 1) * 127.5).byte().permute(1, 2, 0).numpy()
        return Sheet(Image.fromarray(pixels), {"task": "blobs"})

    def save(self, averaged, folder, recipe):
        folder.mkdir(exist_ok=True)
        save_file(averaged.state_dict(), folder / "model.safetensors")


def blob(x, y, color):
    """An image `[3, SIDE, SIDE]` of one soft spot."""
    at = torch.linspace(0, 1, SIDE)
    spot = torch.exp(-20 * ((at[:, None] - y) ** 2 + (at[None] - x) ** 2))
    return (2 * spot * torch.tensor(color, dtype=torch.float32)[:, None, None] - 1).float()


def images_of(generator, z):
    return F.tanh(generator(z)).view(-1, 3, SIDE, SIDE)
