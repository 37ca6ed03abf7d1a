"""Adversarial training: a generator learns from images, against a discriminator (Karras et al. 2020a, b)."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import cast

import torch
from torch import Tensor, nn

from ganzoo.blocks import AUGMENTS
from ganzoo.blocks.augment import Augment
from ganzoo.generators.discriminator import Discriminator
from ganzoo.generators.generator import Generator
from ganzoo.generators.standing import with_standing_statistics
from ganzoo.generators.synthesis import Output
from ganzoo.losses import ADVERSARIAL, orthogonality, path_lengths, r1_penalty, top_k
from ganzoo.training.ada import adapted
from ganzoo.training.adversarial_settings import AdversarialSettings
from ganzoo.training.blur import blurred
from ganzoo.training.consistency import Consistency
from ganzoo.training.images import TrainingImages
from ganzoo.training.latents import Latents, Purpose, latents, mixed, noise_sources, stream, uniform
from ganzoo.training.parts import Learning
from ganzoo.training.settings import OptimizerSettings
from ganzoo.training.task import Phase, Task

GENERATOR, PATH_LENGTH, DISCRIMINATOR, PENALTY = "generator", "path_length", "discriminator", "penalty"
LANES = {GENERATOR: 0, PATH_LENGTH: 1, DISCRIMINATOR: 2}  # each phase makes images of its own, in this order
STANDING = 3  # lane of the images whose statistics are measured
OBSERVED = "observed"  # terms that the generator measured itself
_FALL = 0.99  # of the share of top-k, with every pass over the images
_AMP = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(kw_only=True)
class Drawn:
    """What a phase makes images of.

    Attributes:
        latents: Latents and labels.
        noise: Noise mode, or noise of every layer.
        sources: Where random noise comes from.
        directions: Normal numbers of the images' shape, for path lengths.
    """

    latents: Latents
    noise: str | Sequence[Tensor]
    sources: list[torch.Generator] | None = None
    directions: Tensor | None = None


@dataclass(kw_only=True)
class Batch:
    """Real images, and what the phases made.

    Attributes:
        positions: Positions in the run.
        real: `[N, C, R, R]` in -1..1.
        label: Their labels `[N, label_dim]`, one-hot, or None.
        drawn: What each phase makes images of; by default drawn for these positions.
        fake: The generator's images, once the discriminator's phase has made them.
        more: What the discriminator's further turns see, images and latents of their own.
    """

    positions: list[int]
    real: Tensor
    label: Tensor | None
    drawn: dict[str, Drawn] = field(default_factory=dict)
    fake: Tensor | None = None
    more: "list[Batch]" = field(default_factory=list)


class AdversarialTask(Task):
    """Phases: the generator, at times its path lengths, the discriminator, at times its penalty.

    Both networks are in train mode, whatever their blocks make of it. With several turns of the discriminator
    a step, every turn has real images and latents of its own; the generator's images count the run's length.

    The state beside the weights is the augmentation's strength with the signs since its last change, and the
    mean path length; the mean w is a buffer of the generator.

    Args:
        settings: Settings of the run.
        data: Images to learn from.
        generator: Generator on its device.
        discriminator: Discriminator there.
        consistency: Comparison with the generator that the run began with, for its term.
    """

    options = AdversarialSettings
    averaged = GENERATOR

    def __init__(
        self,
        settings: AdversarialSettings,
        data: TrainingImages,
        generator: Generator,
        discriminator: Discriminator,
        consistency: Consistency | None = None,
    ) -> None:
        self.settings: AdversarialSettings = settings
        self.consistency = consistency
        self.data, self.generator, self.discriminator = data, generator.train(), discriminator.train()
        self.modules = {GENERATOR: generator, DISCRIMINATOR: discriminator}
        self.device = generator.device
        self.game = ADVERSARIAL[settings.game.kind]
        self.augment: Augment = AUGMENTS.build(settings.augment).to(self.device)
        if self.augment.p is not None and settings.ada.fixed is not None:
            self.augment.p.fill_(settings.ada.fixed)
        path, penalty = settings.path_length, settings.penalty
        self._path_interval = path.interval if path.weight else 0
        self._penalty_interval = penalty.interval if penalty.used else 0
        self.optimizers = {
            GENERATOR: lazy(settings.optimizer, self._path_interval),
            DISCRIMINATOR: lazy(settings.discriminator_optimizer, self._penalty_interval),
        }
        self.lr_scales = {GENERATOR: settings.lr_scale}
        self._learning = Learning(discriminator)
        self.path_mean = torch.zeros((), device=self.device)
        self.signs = torch.zeros(2, dtype=torch.float64)  # their sum and number since the strength changed
        self._sigma = 0.0  # of the blur at this step
        self._synthesis: nn.Module = generator.synthesis
        self._judge: nn.Module = discriminator
        if settings.compile:
            self._synthesis = torch.compile(generator.synthesis)  # type: ignore[assignment]
            self._judge = torch.compile(discriminator)  # type: ignore[assignment]

    def phases(self, kimg: float) -> list[Phase]:
        """The phases of every step; a regularizer of every step belongs to the phase before it."""
        found = [Phase(GENERATOR, (GENERATOR,))]
        if (interval := self._path_interval) > 1:
            found.append(Phase(PATH_LENGTH, (GENERATOR,), interval))
        turns = range(self.settings.discriminator_steps)
        found += [Phase(DISCRIMINATOR, (DISCRIMINATOR,), turn=turn) for turn in turns]
        if (interval := self._penalty_interval) > 1:
            found.append(Phase(PENALTY, (DISCRIMINATOR,), interval))
        return found

    @torch.no_grad()
    def batch(self, positions: Sequence[int]) -> Batch:
        """The real images at these positions of the run, and their labels, for every turn."""
        turns = self.settings.discriminator_steps
        first, *more = (self._real([p * turns + turn for p in positions]) for turn in range(turns))
        return replace(first, more=more)

    def _real(self, positions: Sequence[int]) -> Batch:
        label = self.data.labels(positions) if self.generator.label_dim else None
        return Batch(
            positions=list(positions),
            real=self.data.images(positions).to(self.device),
            label=None if label is None else label.to(self.device),
        )

    def loss(self, phase: Phase, batch: Batch, kimg: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a phase and its terms."""
        self._learning.switch(phase.name in (DISCRIMINATOR, PENALTY))
        self._sigma = self.settings.blur.at(kimg)
        if phase.name == GENERATOR:
            return self._generator(batch, kimg)
        if phase.name == PATH_LENGTH:
            return self._path_length(batch, phase.interval)
        if phase.name == DISCRIMINATOR:
            return self._discriminator([batch, *batch.more][phase.turn])
        return self._penalty(batch, phase.interval)

    def after_step(self, terms: Mapping[str, Tensor], kimg: float) -> None:
        """Move the mean w, the mean path length, and at times the strength of the augmentation."""
        self.discriminator.after_step()
        prefix = f"{OBSERVED}/"
        if found := {n.removeprefix(prefix): t for n, t in terms.items() if n.startswith(prefix)}:
            self.generator.synthesis.absorb(found)
        for phase in LANES:
            if (mean := terms.get(f"w/{phase}")) is not None:
                average = self.generator.mapping.w_avg
                average.copy_(torch.lerp(mean.to(average), average, self.settings.w_avg_decay))
        if (length := terms.get("path_length/mean")) is not None:
            self.path_mean.lerp_(length.to(self.path_mean), self.settings.path_length.decay)
        if (strength := self.augment.p) is None or "signs/real" not in terms:
            return
        self.signs += torch.tensor([terms["signs/real"].item(), 1.0], dtype=torch.float64)
        if self.signs[1] >= self.settings.ada.interval:
            mean_sign = float(self.signs[0] / self.signs[1])
            moved = adapted(float(strength), mean_sign, self.settings.batch_size, self.settings.ada)
            strength.fill_(moved)
            self.signs.zero_()

    def settled(self, averaged: Generator) -> Generator:
        """The average with statistics of its own: batch norms store those of the weights that learn."""

        def w_of(first: int) -> Tensor:
            own = self._drawn(range(first, first + size), STANDING).latents
            label = None if own.label is None else own.label.to(self.device)
            return cast(Tensor, averaged.mapping(own.z.to(self.device), label))

        size = self.settings.batch_size
        return with_standing_statistics(averaged, map(w_of, range(0, self.settings.standing * size, size)))

    def state_dict(self) -> dict[str, Tensor]:
        """The mean path length, and the augmentation's strength with what will change it."""
        found = {"path_mean": self.path_mean, "signs": self.signs}
        return found if self.augment.p is None else {**found, "p": self.augment.p}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take the state of a checkpoint."""
        own = self.state_dict()
        if state.keys() != own.keys():
            raise ValueError(f"its state holds {', '.join(sorted(state))}, not {', '.join(sorted(own))}")
        for name, tensor in own.items():
            tensor.copy_(state[name])

    def _generator(self, batch: Batch, kimg: float) -> tuple[Tensor, dict[str, Tensor]]:
        with self._autocast():
            images, mean, label = self._images(batch, GENERATOR)
            fake = self._logits(images, label, batch, Purpose.AUGMENT_GENERATOR)
            passes = 1000 * kimg * self.settings.discriminator_steps / self.data.count
            share = max(self.settings.game.top_k, _FALL ** int(passes))
            judged = [top_k(fake, share)]
            if self.game.relativistic:
                with torch.no_grad():
                    judged = [fake, self._logits(batch.real, batch.label, batch, Purpose.AUGMENT_REAL)]
        loss = self.game.generator(*judged)
        terms = {"generator": loss.detach(), f"w/{GENERATOR}": mean}
        if self.settings.orthogonal:
            terms["orthogonal"] = orthogonality(self.generator.synthesis.parameters())
            loss = loss + self.settings.orthogonal * terms["orthogonal"]
            terms["orthogonal"] = terms["orthogonal"].detach()
        if self.consistency is not None:
            with self._autocast():
                kept = self.consistency.loss(self.generator, batch.positions)
            loss, terms["consistency"] = loss + self.settings.consistency.weight * kept, kept.detach()
        if self._path_interval != 1:
            return loss, terms
        penalty, others = self._path_length(batch, 1)
        return loss + penalty, {**terms, **others}

    def _path_length(self, batch: Batch, interval: int) -> tuple[Tensor, dict[str, Tensor]]:
        path = self.settings.path_length
        count = max(1, len(batch.positions) // path.shrink)
        with self._autocast():
            w, mean, _ = self._w(batch, PATH_LENGTH, count)
            w, drawn = w.float(), batch.drawn[PATH_LENGTH]  # so that lengths are float32, too
            if not w.requires_grad:  # of a mapping network that does not learn
                w.requires_grad_(True)
            # What is compiled cannot be differentiated twice.
            images = self.generator.synthesis(w, drawn.noise, drawn.sources).image.float()
            directions = drawn.directions
            if directions is None:
                directions = self._directions(batch.positions[:count], images)
        lengths = path_lengths(images, w, directions.to(images))
        # The mean that the lengths are compared with knows of them.
        penalty = (lengths - torch.lerp(self.path_mean, lengths.mean(), path.decay)).square().mean()
        terms = {"path_length": penalty, "path_length/mean": lengths.mean(), f"w/{PATH_LENGTH}": mean}
        return interval * path.weight * penalty, {name: term.detach() for name, term in terms.items()}

    def _discriminator(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        with self._autocast():
            with torch.no_grad():
                batch.fake, mean, label = self._images(batch, DISCRIMINATOR)
                observed = self.generator.synthesis.observed()
            fake = self._logits(batch.fake, label, batch, Purpose.AUGMENT_FAKE)
            real = self._logits(batch.real, batch.label, batch, Purpose.AUGMENT_REAL)
        loss = self.game.discriminator(real, fake)
        terms = {
            "discriminator": loss,
            "logits/real": real.mean(),
            "logits/fake": fake.mean(),
            "signs/real": real.sign().mean(),
            f"w/{DISCRIMINATOR}": mean,
            **{f"{OBSERVED}/{name}": tensor for name, tensor in observed.items()},
        }
        if self.augment.p is not None:
            terms["augment/p"] = self.augment.p.clone()
        if self._penalty_interval == 1:
            penalty, others = self._penalty(batch, 1)
            loss, terms = loss + penalty, {**terms, **others}
        return loss, {name: term.detach() for name, term in terms.items()}

    def _penalty(self, batch: Batch, interval: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The penalties of all that have a weight, times the interval (Karras et al. 2020b, appendix B)."""
        if batch.fake is None:
            raise RuntimeError("The discriminator's phase comes before its penalty.")
        drawn, penalty = batch.drawn[DISCRIMINATOR], self.settings.penalty
        theirs = None if drawn.latents.label is None else drawn.latents.label.to(self.device)
        sides = [
            ("r1", penalty.r1, batch.real, batch.label, Purpose.AUGMENT_REAL),
            ("r2", penalty.r2, batch.fake, theirs, Purpose.AUGMENT_FAKE),
        ]
        loss, terms = batch.real.new_zeros(()), {}
        for name, gamma, images, label, purpose in sides:
            if not gamma:
                continue
            images = images.detach().float().requires_grad_(True)
            with self._autocast():
                # Of images before they are augmented. What is compiled cannot be differentiated twice.
                logits = self._logits(images, label, batch, purpose, self.discriminator)
            found = r1_penalty(logits, images)
            loss, terms[name] = loss + interval * 0.5 * gamma * found, found.detach()
        return loss, terms

    def _images(self, batch: Batch, phase: str) -> tuple[Tensor, Tensor, Tensor | None]:
        """Images of a phase, the mean of their w, and their labels."""
        w, mean, label = self._w(batch, phase, len(batch.positions))
        drawn = batch.drawn[phase]
        output: Output = self._synthesis(w, drawn.noise, drawn.sources)
        return output.image.float(), mean, label

    def _w(self, batch: Batch, phase: str, count: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """The w `[N, num_ws, w_dim]` of a phase, the mean before rows are mixed, and labels."""
        if phase not in batch.drawn:
            batch.drawn[phase] = self._drawn(batch.positions[:count], LANES[phase])
        own = batch.drawn[phase].latents
        label = None if own.label is None else own.label.to(self.device)
        w: Tensor = self.generator.mapping(own.z.to(self.device), label)
        mean = w.detach().float().mean(dim=(0, 1))
        return mixed(self.generator, own, w), mean, label

    def _drawn(self, positions: Sequence[int], lane: int) -> Drawn:
        settings, config = self.settings, self.generator.config
        found = latents(
            positions,
            seed=settings.seed,
            z_dim=config.z_dim,
            label_dim=0,
            num_ws=config.num_ws,
            mixing=settings.style_mixing,
            lane=lane,
        )
        if config.label_dim:  # classes as often as the images have them
            streams = [stream(settings.seed, Purpose.LABEL, position, lane) for position in positions]
            numbers = [int(random.integers(self.data.count)) for random in streams]
            found = replace(found, label=self.data.labels_of(numbers))
        random = settings.noise == "random"
        sources = noise_sources(positions, seed=settings.seed, lane=lane) if random else None
        return Drawn(latents=found, noise=settings.noise, sources=sources)

    def _directions(self, positions: Sequence[int], images: Tensor) -> Tensor:
        rows = []
        for position in positions:
            random = stream(self.settings.seed, Purpose.PATH, position)
            rows.append(torch.from_numpy(random.standard_normal(images.shape[1:], dtype="float32")))
        return torch.stack(rows)

    def _logits(
        self,
        images: Tensor,
        label: Tensor | None,
        batch: Batch,
        purpose: Purpose,
        judge: nn.Module | None = None,
    ) -> Tensor:
        """The discriminator's answers to blurred and augmented images, float32."""
        random = uniform(
            batch.positions, seed=self.settings.seed, purpose=purpose, count=self.augment.numbers
        )
        seen = self.augment(blurred(images, self._sigma), random.to(self.device))
        logits: Tensor = (judge or self._judge)(seen, label)
        return logits.float()

    def _autocast(self) -> AbstractContextManager[None]:
        precision = self.settings.precision
        return torch.autocast(self.device.type, _AMP[precision], enabled=precision != "fp32")


def lazy(own: OptimizerSettings, interval: int) -> OptimizerSettings:
    """An optimizer's settings where every so many steps a second update follows, for a regularizer.

    Rate and moments are those of as many steps without it (Karras et al. 2020b, appendix B): with
    c = k / (k + 1) the rate is c times its value, and a moment's decay has the power of c.

    Args:
        own: Settings.
        interval: k; 0 for none, and for one that has no update of its own, 1.
    """
    if interval < 2:
        return own
    c = interval / (interval + 1)
    return replace(own, lr=own.lr * c, betas=tuple(beta**c for beta in own.betas))
