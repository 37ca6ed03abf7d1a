"""A run of adversarial training: the task with its images, its figures, its sheets and its result."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torch import nn

from ganzoo.cards.trained import generator_card
from ganzoo.features.networks import load_features
from ganzoo.generators.discriminator import Discriminator
from ganzoo.generators.generator import Generator
from ganzoo.metrics.figures import Figure
from ganzoo.models.factory import build, create
from ganzoo.models.folders import TRAINED, find_model
from ganzoo.models.weights import load, save
from ganzoo.system.paths import DIRECTORY, user_path
from ganzoo.training.adversarial import AdversarialTask
from ganzoo.training.adversarial_settings import AdversarialSettings
from ganzoo.training.automatic import automatic_line
from ganzoo.training.checkpoint import CHECKPOINTS, checkpoints
from ganzoo.training.consistency import Consistency
from ganzoo.training.images import TrainingImages
from ganzoo.training.parts import freeze, freeze_layers
from ganzoo.training.quality import Quality
from ganzoo.training.task import TASKS, Sheet
from ganzoo.training.warm_start import WarmStart, copy_matching, learning_lines, start_from

DISCRIMINATOR_FOLDER = "discriminator"
DEFINITIONS = {
    "fd": "Frechet distance between features of the generator's images and of those that it learnt from",
    "kid": "squared kernel distance between the same features",
}


@TASKS.register("adversarial")
class AdversarialRun(AdversarialTask):
    """Adversarial training with all that surrounds it.

    Args:
        settings: Settings of the run.
        data: Images to learn from, decoded.
        generator: Generator on its device.
        discriminator: Discriminator there.
        quality: What measures and draws.
        start: What the networks took over; None where they begin with random weights, or go on.
        consistency: Comparison with the generator that the run began with.
    """

    result = TRAINED

    def __init__(
        self,
        settings: AdversarialSettings,
        data: TrainingImages,
        generator: Generator,
        discriminator: Discriminator,
        quality: Quality,
        start: WarmStart | None,
        consistency: Consistency | None,
    ) -> None:
        super().__init__(settings, data, generator, discriminator, consistency)
        self.quality, self.start = quality, start
        self.begun: dict[str, Any] | None = None
        self.best = settings.quality.best if settings.quality.metrics else None
        self.protocol = f"{settings.quality.num}"

    @classmethod
    def load(cls, settings: AdversarialSettings, state: Any) -> "AdversarialRun":
        """The task, with its images decoded and its networks made."""
        own = settings.generator
        data = TrainingImages(
            settings.data,
            own.resolution,
            img_channels=own.img_channels,
            mirror=settings.mirror,
            labels=settings.labels,
            crop=settings.crop,
            upscale=settings.upscale,
            skip=settings.skip,
            seed=settings.seed,
            folder=settings.cache.folder,
        )
        if data.label_dim != own.label_dim and own.label_dim:
            raise ValueError(
                f"The images have labels of width {data.label_dim}, the generator of {own.label_dim}: "
                f"give label_dim={data.label_dim}, or labels=none and label_dim=0."
            )
        generator = build(own, seed=settings.seed)
        discriminator = build(settings.discriminator_config(), seed=settings.seed + 1)
        start = None
        if settings.init is not None and not checkpoints(Path(settings.out) / CHECKPOINTS):
            start = _begin_with(settings, generator, discriminator)
        freeze(generator, settings.freeze)
        freeze_layers(discriminator, settings.freeze_discriminator)
        generator, discriminator = generator.to(state.device), discriminator.to(state.device)
        if (name := discriminator.features) is not None:
            discriminator.look_through(load_features(name).to(state.device))
        network = None
        if settings.quality.metrics:
            network = load_features(settings.quality.features).to(state.device)
        data.fill(shown=state.is_main_process)
        if network is not None and data.count < 2:
            raise ValueError(
                f"{settings.data} has 1 image, and figures take at least 2: give more, or quality.metrics=[]."
            )
        quality = Quality(settings.quality, data, network, state)
        consistency = None
        if settings.consistency.weight:
            source = create(str(settings.init), pretrained=True, device=state.device)
            consistency = Consistency(source, settings.consistency, settings.seed)
        return cls(settings, data, generator, discriminator, quality, start, consistency)

    def resume(self, facts: dict[str, Any]) -> None:
        """Refuse other images than when the run began, and note what the networks took over."""
        if facts.setdefault("images_sha256", self.data.sha256) != self.data.sha256:
            raise ValueError(
                f"{self.settings.data} holds other images than when the run in {self.settings.out} began: "
                "give another out=."
            )
        if self.start is not None:
            facts["init"] = self.start.record()
        self.begun = facts.get("init")

    def announce(self, kimg: float) -> float:
        """Tell what the run learns from and what it costs."""
        from ganzoo.training.announce_adversarial import announce  # with timm

        lines = self.data.lines()
        if self.settings.automatic:
            lines.append(automatic_line(self.settings))
        if self.start is not None:
            lines += self.start.lines()
        lines += learning_lines(self.generator, self.settings.freeze, self.settings.lr_scale)
        if self.quality.state.is_main_process:
            print(*lines, sep="\n", file=sys.stderr, flush=True)
        return announce(self, self.quality.state, kimg=kimg)

    def measure(self, averaged: nn.Module) -> dict[str, Figure]:
        """Distances from the images."""
        return self.quality.measure(self.settled(cast(Generator, averaged)))

    def figure_name(self, kind: str) -> str:
        """With the network of its features."""
        return self.quality.name(kind)

    def sheet(self, averaged: nn.Module) -> Sheet:
        """Samples, each beside the nearest image of the set."""
        image = self.quality.sheet(self.settled(cast(Generator, averaged)))
        return Sheet(image, {"data": self.settings.data, "order": "sample, nearest image"})

    def describe(self, averaged: nn.Module) -> dict[str, Any]:
        """The images, the generator's cost, and what the figures mean."""
        names = {self.quality.name(metric): metric for metric in self.settings.quality.metrics}
        images = {"source": self.settings.data, "count": self.data.count, "sha256": self.data.sha256}
        if self.data.class_names:
            images["classes"] = list(self.data.class_names)
        return {
            "images": images,
            **super().describe(averaged),
            **({} if self.augment.p is None else {"augment_p": float(self.augment.p)}),
            **({"init": self.begun} if self.begun is not None else {}),
            "definitions": {name: DEFINITIONS[metric] for name, metric in names.items()},
            "measured_on": min(self.settings.quality.num, self.data.count),
        }

    def save(self, averaged: nn.Module, folder: Path, recipe: str | None) -> None:
        """Write the generator, and beside a result the discriminator, which a transfer begins with."""
        super().save(self.settled(cast(Generator, averaged)), folder, recipe)
        if folder.name == self.result:
            save(self.discriminator, folder.with_name(DISCRIMINATOR_FOLDER))

    def card(self, result: Mapping[str, Any]) -> str:
        """Images, settings and figures of the generator."""
        return generator_card(result)


def _begin_with(
    settings: AdversarialSettings, generator: Generator, discriminator: Discriminator
) -> WarmStart:
    """Give both networks what they share with those that a run begins with.

    Raises:
        ValueError, OSError: if they cannot be had.
    """
    name = str(settings.init)
    start = start_from(generator, create(name, pretrained=True), name=name, seed=settings.seed)
    folder = settings.init_discriminator
    if folder is None:
        model = find_model(name.removeprefix(DIRECTORY))
        beside = None if model is None else model.absolute().with_name(DISCRIMINATOR_FOLDER)
        folder = str(beside) if beside is not None and beside.is_dir() else None
    if folder is None:
        return start
    theirs = load(user_path(folder))
    if not isinstance(theirs, Discriminator):
        raise ValueError(
            f"init_discriminator={folder} is a generator: give what `ganzoo convert --part discriminator` "
            "wrote."
        )
    return start.with_discriminator(folder, copy_matching(discriminator, theirs))
