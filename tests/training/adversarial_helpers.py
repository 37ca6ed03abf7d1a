"""Tiny adversarial runs: a set of made-up images, their settings, and the task of both."""

import dataclasses
import json
from pathlib import Path

import numpy as np
from PIL import Image
from training_helpers import ALONE

from ganzoo.models.factory import build
from ganzoo.training.adversarial import AdversarialTask
from ganzoo.training.adversarial_settings import AdversarialSettings
from ganzoo.training.images import TrainingImages

NETWORKS = {
    "resolution": 8,
    "channels": [8, 8],
    "z_dim": 6,
    "w_dim": 6,
    "mapping": {"name": "mlp", "depth": 1},
}
RUN = {
    **NETWORKS,
    "task": "adversarial",
    "batch_size": 4,
    "kimg": 0.032,
    "log_kimg": 0.004,
    "sample_kimg": 100.0,
    "checkpoint_kimg": 0.016,
    "eval_every": 0.0,
    "device": "cpu",
    "penalty": {"r1": 1.0, "interval": 3},
    "path_length": {"interval": 2},
    "ada": {"interval": 2, "kimg": 0.016, "target": 0.0},
    "discriminator_channel_max": 8,
    "ema": {"half_life_kimg": 0.01, "ramp_up": None},
    "quality": {"metrics": [], "num": 4},
}


def picture(number, side=8):
    """A spot of a color at a place, uint8 `[side, side, 3]`."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[0:side, 0:side] / (side - 1)
    spot = np.exp(-8 * ((y - random.random()) ** 2 + (x - random.random()) ** 2))
    return (255 * spot[..., None] * random.random(3)).astype(np.uint8)


def write_pictures(folder, count=12, side=8, classes=0):
    """A folder of images; with classes, in turns, told by a `dataset.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:03d}.png" for number in range(count)]
    for number, name in enumerate(names):
        Image.fromarray(picture(number, side)).save(folder / name)
    if classes:
        labels = [[name, number % classes] for number, name in enumerate(names)]
        (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return folder


def settings_of(data, out="unused", **changes):
    """Settings of a tiny run on a folder of images."""
    own = {key: value for key, value in RUN.items() if "generator" not in changes or key not in NETWORKS}
    return AdversarialSettings.from_dict({**own, "data": str(data), "out": str(out), **changes})


def task_of(settings, generator=None, discriminator=None, state=ALONE):
    """The task of settings, on its images."""
    own = settings.generator
    pictures = TrainingImages(
        settings.data,
        own.resolution,
        img_channels=own.img_channels,
        mirror=settings.mirror,
        seed=settings.seed,
        folder=str(Path(settings.data).with_name("decoded")),
    )
    pictures.fill(shown=False, workers=1)
    generator = generator or build(own, seed=settings.seed)
    discriminator = discriminator or build(settings.discriminator_config(), seed=settings.seed + 1)
    return AdversarialTask(settings, pictures, generator.to(state.device), discriminator.to(state.device))


def changed(settings, **changes):
    return dataclasses.replace(settings, **changes)
