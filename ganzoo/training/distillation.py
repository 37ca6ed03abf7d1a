"""Distillation: a student learns to make its teacher's images (Belousov 2021, section 4)."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganzoo.blocks import AUGMENTS
from ganzoo.blocks.augment import Augment
from ganzoo.features.networks import FeatureNetwork
from ganzoo.generators.discriminator import Discriminator
from ganzoo.generators.generator import Generator
from ganzoo.generators.standing import with_standing_statistics
from ganzoo.generators.synthesis import Output
from ganzoo.losses import (
    ADVERSARIAL,
    feature_l1,
    feature_maps,
    mmd,
    perceptual,
    r1_penalty,
    reconstruction,
    relation,
    slope_penalty,
    triplet,
)
from ganzoo.training.cache import TeacherCache
from ganzoo.training.distillation_settings import DistillationSettings
from ganzoo.training.hidden_features import HiddenFeatures
from ganzoo.training.latents import Purpose, uniform
from ganzoo.training.offsets import Offsets
from ganzoo.training.parts import Learning, freeze
from ganzoo.training.task import Phase, Task
from ganzoo.training.teacher import Drawn, Teacher
from ganzoo.training.teacher_features import TeacherFeatures

STUDENT, PROJECTIONS, DISCRIMINATOR, R1 = "student", "projections", "discriminator", "r1"
_AMP = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(kw_only=True)
class Batch(Drawn):
    """Images of the teacher and what they were made from; made once, used by all phases of a step.

    Attributes:
        positions: Positions in the run.
        target: The teacher's images at the student's resolution.
        fake: The student's, once the student's phase has made them.
    """

    positions: list[int]
    target: Tensor
    fake: Tensor | None = None


class DistillationTask(Task):
    """Phases: the student; with a GAN term, the discriminator and, at times, its gradient penalty.

    Both are in train mode, whatever their blocks make of it.

    Args:
        settings: Settings of the run.
        teacher: Teacher to learn from.
        cache: Its images, if they are on disk.
        student: Student on the teacher's device; with `settings.inherit_mapping`, holding its mapping.
        discriminator: Discriminator for a GAN term.
        network: Network for perceptual terms.
        hidden: Hidden features of the teacher's discriminator, for their term.
    """

    options = DistillationSettings
    averaged = STUDENT

    def __init__(
        self,
        settings: DistillationSettings,
        teacher: Teacher,
        cache: TeacherCache | None,
        student: Generator,
        discriminator: Discriminator | None,
        network: FeatureNetwork | None,
        hidden: HiddenFeatures | None = None,
    ) -> None:
        self.settings: DistillationSettings = settings
        self.teacher = teacher
        self.cache = cache
        self.student = student.train()
        self.network, self.hidden = network, hidden
        self.augment: Augment = AUGMENTS.build(settings.augment)
        # A teacher that works in the meantime would take the student's time and memory; a disk does not.
        self.ahead = cache is not None
        self.modules: dict[str, nn.Module] = {STUDENT: student}
        self.optimizers = dict.fromkeys((STUDENT, PROJECTIONS), settings.optimizer)
        self.optimizers[DISCRIMINATOR] = settings.discriminator_optimizer
        self.discriminator = None if discriminator is None else discriminator.train()
        self.game = ADVERSARIAL[settings.loss.gan.kind]
        if discriminator is not None:
            self.modules[DISCRIMINATOR] = discriminator
            self._learning = Learning(discriminator)
        student.mapping.requires_grad_(not settings.inherit_mapping)
        freeze(student, settings.freeze)
        self.lr_scales = {STUDENT: settings.lr_scale}
        self.features: TeacherFeatures | None = None
        if settings.loss.teacher_features.weight:
            self.features = TeacherFeatures(settings.student, teacher.original)
            self.modules[PROJECTIONS] = self.features.to(teacher.device)
        self.offsets: Offsets | None = None
        if settings.loss.offset_relation.weight:
            self.offsets = Offsets(teacher, settings.loss.offset_relation)
        self._synthesis = student.synthesis
        self._judge: nn.Module | None = discriminator
        if settings.compile:
            self._synthesis = torch.compile(student.synthesis)  # type: ignore[assignment]
            self._judge = torch.compile(discriminator) if discriminator is not None else None  # type: ignore[assignment]

    def phases(self, kimg: float) -> list[Phase]:
        """The phases of a step after so many thousand images."""
        phases = [Phase(STUDENT, (STUDENT, PROJECTIONS) if self.features is not None else (STUDENT,))]
        if self.discriminator is not None and kimg >= self.settings.loss.gan.start_kimg:
            phases.append(Phase(DISCRIMINATOR, (DISCRIMINATOR,)))
            if self.settings.loss.r1.weight:
                phases.append(Phase(R1, (DISCRIMINATOR,), self.settings.loss.r1.interval))
        return phases

    @torch.no_grad()
    def batch(self, positions: Sequence[int], *, cached: bool = True) -> Batch:
        """The teacher's images at these positions of the run, from the disk if they are there."""
        numbers = list(positions)
        cached = cached and self.cache is not None
        if cached and self.cache is not None:
            numbers = [self.cache.number(position) for position in positions]
        drawn = self.teacher.drawn(numbers)
        if cached and self.cache is not None:
            target = self.cache.images(numbers).to(self.teacher.device)
        else:
            target = self.teacher.images(drawn.w, drawn.noise)
        return Batch(positions=list(positions), target=target, **vars(drawn))

    def loss(self, phase: Phase, batch: Batch, kimg: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a phase and its terms, before their weights."""
        if phase.name == STUDENT:
            return self._student(batch, kimg)
        if self.discriminator is None:
            raise RuntimeError("Without a discriminator there is one phase only.")
        self._learning.switch(True)
        if phase.name == R1:
            real = batch.target.detach().requires_grad_(True)
            with self._autocast():
                # What is compiled cannot be differentiated twice.
                logits = self._logits(real, batch, Purpose.AUGMENT_REAL, self.discriminator)
            penalty = r1_penalty(logits, real)
            # Times the interval: it stands for the steps between two of them, as in StyleGAN2's appendix B.
            weight = 0.5 * self.settings.loss.r1.weight * phase.interval
            return weight * penalty, {"r1": penalty.detach()}
        return self._discriminator(self.discriminator, batch)

    def after_step(self, terms: Mapping[str, Tensor], kimg: float) -> None:
        """Let the discriminator follow its weights."""
        if self.discriminator is not None:
            self.discriminator.after_step()

    def settled(self, averaged: Generator) -> Generator:
        """The average with statistics of its own: batch norms store those of the weights that learn."""
        size = self.settings.batch_size
        starts = range(0, self.settings.standing * size, size)
        drawn = (self.teacher.drawn(range(first, first + size)) for first in starts)
        return with_standing_statistics(averaged, (self.teacher.w_of_student(averaged, own) for own in drawn))

    def _discriminator(self, discriminator: Discriminator, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        if batch.fake is None:
            raise RuntimeError("The student's phase comes before the discriminator's.")
        weights = self.settings.loss
        with self._autocast():
            real_logits = self._logits(batch.target, batch, Purpose.AUGMENT_REAL)
            fake_logits = self._logits(batch.fake, batch, Purpose.AUGMENT_FAKE)
        loss = self.game.discriminator(real_logits, fake_logits)
        terms = {"logits/real": real_logits.mean(), "logits/fake": fake_logits.mean()}
        if weights.gan.kind == "wasserstein":
            terms["slope_penalty"] = self._slope_penalty(batch, batch.fake)
            loss = loss + weights.gan.slope_penalty * terms["slope_penalty"]
        if weights.triplet.weight:
            with self._autocast():
                seen = [discriminator.hidden(x, weights.triplet.level) for x in (batch.target, batch.fake)]
            teachers, students = (x.float() for x in seen)
            # There are no photographs: the teacher's image of another latent stands for the real one.
            terms["triplet"] = triplet(teachers.roll(1, 0), teachers, students, weights.triplet.margin)
            loss = loss + weights.triplet.weight * terms["triplet"]
        terms = {"discriminator": loss, **terms}
        return loss, {name: term.detach() for name, term in terms.items()}

    def _slope_penalty(self, batch: Batch, fake: Tensor) -> Tensor:
        """The penalty of the Wasserstein loss, on images between the teacher's and the student's."""
        place = uniform(batch.positions, seed=self.settings.seed, purpose=Purpose.MIXTURE, count=1)
        place = place.to(fake.device)[:, :, None, None]
        between = torch.lerp(batch.target, fake, place).requires_grad_(True)
        with self._autocast():  # what is compiled cannot be differentiated twice
            logits = self._logits(between, batch, Purpose.AUGMENT_REAL, self.discriminator)
        return slope_penalty(logits, between)

    def _student(self, batch: Batch, kimg: float) -> tuple[Tensor, dict[str, Tensor]]:
        weights = self.settings.loss
        noise = self.student.synthesis.borrowed(batch.noise)
        with self._autocast():
            w = self.teacher.w_of_student(self.student, batch)
            if self.features is not None:
                with self.features.listening(self.student):
                    output: Output = self._synthesis(w, noise)
            else:
                output = self._synthesis(w, noise)
        image = output.image.float()
        batch.fake = image.detach()
        images = [level.float() for level in self.student.synthesis.level_images(output.levels)]
        terms = dict(reconstruction(images or [image], batch.target))
        if self.network is not None:
            terms |= self._perceptual(image, batch.target)
        if self.features is not None:
            terms["teacher_features"] = self.features.loss(batch.w, batch.noise)
        if self.offsets is not None:
            with self._autocast():
                terms["offset_relation"] = self.offsets.loss(self.student, batch, batch.positions)
        if self.hidden is not None:
            with self._autocast():
                terms["hidden_l1"] = self.hidden.loss(image, batch.target)
        scales = {name: getattr(weights, name).weight for name in terms}
        if self.discriminator is not None and kimg >= weights.gan.start_kimg:
            self._learning.switch(False)
            with self._autocast():
                logits = self._logits(image, batch, Purpose.AUGMENT_GENERATOR)
            terms["gan"] = self.game.generator(logits)
            scales["gan"] = weights.gan.weight * _ramp(kimg - weights.gan.start_kimg, weights.gan.warmup_kimg)
        used = [name for name in terms if scales[name] or name == "gan"]  # whose weight may start at 0
        loss = sum((scales[name] * terms[name] for name in used), image.new_zeros(()))
        return loss, {name: term.detach() for name, term in {**terms, "total": loss}.items()}

    def _perceptual(self, image: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The terms in features of images; those of weight 0 are left out."""
        assert self.network is not None
        size = shown_size(self.settings, self.network)
        with self._autocast():
            with torch.no_grad():
                target_maps = feature_maps(self.network, target, size)
            maps = feature_maps(self.network, image, size)
        maps, target_maps = [m.float() for m in maps], [m.float() for m in target_maps]
        terms = {}
        if self.settings.loss.feature_l1.weight:
            terms["feature_l1"] = feature_l1(maps, target_maps)
        if self.settings.loss.perceptual.weight:
            terms["perceptual"] = perceptual(maps, target_maps)
        pooled, target_pooled = (m[-1].mean(dim=(2, 3)) for m in (maps, target_maps))
        if self.settings.loss.relation.weight:
            terms["relation"] = relation(pooled, target_pooled)
        if self.settings.loss.mmd.weight:
            terms["mmd"] = mmd(pooled, target_pooled)
        return terms

    def _logits(
        self, images: Tensor, batch: Batch, purpose: Purpose, judge: nn.Module | None = None
    ) -> Tensor:
        """The discriminator's answers to augmented images, float32.

        An image that comes from the disk once more is augmented otherwise.
        """
        judge = judge or self._judge
        assert judge is not None
        count = self.augment.numbers
        random = uniform(batch.positions, seed=self.settings.seed, purpose=purpose, count=count)
        label = None if batch.latents.label is None else batch.latents.label.to(images.device)
        logits: Tensor = judge(self.augment(images, random.to(images.device)), label)
        return logits.float()

    def _autocast(self) -> AbstractContextManager[None]:
        precision = self.settings.precision
        return torch.autocast(self.teacher.device.type, _AMP[precision], enabled=precision != "fp32")


def shown_size(settings: DistillationSettings, network: FeatureNetwork) -> int:
    """Side of the images that the network of the perceptual terms is shown."""
    return settings.features.size or min(settings.student.resolution, network.info.size)


def _ramp(passed: float, whole: float) -> float:
    """From 0 to 1 over a time; 1 at once if it is 0."""
    return 1.0 if whole == 0 else min(1.0, max(0.0, passed / whole))
