"""The teacher: frozen, in its deploy form, and what it shows for given image numbers."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import Generator
from ganzoo.generators.synthesis import Output
from ganzoo.models.weights import weights_digest
from ganzoo.system.images import shrink
from ganzoo.training.distillation_settings import DistillationSettings
from ganzoo.training.latents import Latents, latents, noise_sources, w_of


@dataclass(kw_only=True)
class Drawn:
    """What teacher and student make the images of some numbers from.

    Attributes:
        latents: Latents.
        w: The teacher's w `[N, num_ws, w_dim]`.
        noise: Noise of every layer of the teacher.
    """

    latents: Latents
    w: Tensor
    noise: list[Tensor]


class Teacher:
    """Images at the student's resolution, by their numbers.

    Args:
        generator: Generator on its device.
        settings: Settings of the run.

    Attributes:
        original: Generator as it was given, frozen.
        generator: Deploy form, which gives the same images.
        sha256: Digest of its weights.

    Raises:
        ValueError: if the student cannot learn from it.
    """

    def __init__(self, generator: Generator, settings: DistillationSettings) -> None:
        refuse_mismatch(settings.student, generator.config)
        if settings.inherit_mapping:
            settings.student.rows_of(generator.config)  # which refuses rows that do not correspond
        self.sha256 = weights_digest(generator)
        self.settings = settings
        self.device = generator.mapping.w_avg.device
        self.original = generator.requires_grad_(False)
        self.generator = deploy(generator)
        self.quick = self.generator.synthesis
        if settings.teacher_precision == "bf16":
            self.quick = copy.deepcopy(self.quick).to(torch.bfloat16)
        self.dtype = torch.bfloat16 if settings.teacher_precision == "bf16" else torch.float32

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an image at the student's resolution."""
        student = self.settings.student
        return student.img_channels, student.resolution, student.resolution

    def facts(self, *, held_out: bool) -> dict[str, Any]:
        """Everything that decides on its images, by which they are found on disk."""
        settings = self.settings
        return {
            "teacher": self.sha256,
            "config": self.generator.config.to_dict(),
            "resolution": settings.student.resolution,
            "num_ws": settings.student.num_ws,
            # Held-out images are the same for all seeds of a run, unless it draws where their w cross.
            "seed": settings.seed if not held_out or settings.style_mixing else 0,
            "truncation_psi": settings.truncation_psi,
            "style_mixing": settings.style_mixing,
            "noise": settings.noise,
            "precision": settings.teacher_precision,
            "device": self.device.type,
        }

    def drawn(self, numbers: Sequence[int]) -> Drawn:
        """What the images of these numbers are made from."""
        batch = self.latents(numbers)
        w = self.w(batch)
        return Drawn(latents=batch, w=w, noise=self.noise(w, numbers))

    def w_of_student(self, student: Generator, drawn: Drawn) -> Tensor:
        """What the student is given for the same images: the teacher's w, or that of its own mapping."""
        if self.settings.inherit_mapping:
            return drawn.w[:, student.config.rows_of(self.generator.config)]
        return w_of(student, drawn.latents, self.settings.truncation_psi)

    def latents(self, numbers: Sequence[int]) -> Latents:
        """Latents of images."""
        return latents(
            numbers,
            seed=self.settings.seed,
            z_dim=self.generator.z_dim,
            label_dim=self.generator.label_dim,
            num_ws=self.settings.student.num_ws,
            mixing=self.settings.style_mixing,
        )

    @torch.no_grad()
    def w(self, batch: Latents) -> Tensor:
        """Its w `[N, num_ws, w_dim]`."""
        return w_of(self.generator, batch, self.settings.truncation_psi)

    @torch.no_grad()
    def noise(self, w: Tensor, numbers: Sequence[int]) -> list[Tensor]:
        """Noise of every layer for these images: `[1 or N, 1, r, r]` each."""
        random = self.settings.noise == "random"
        source = noise_sources(numbers, seed=self.settings.seed) if random else None
        found = self.generator.synthesis.layer_noise(w, self.settings.noise, source)
        return self.generator.synthesis.used_noise(w, found)

    @torch.no_grad()
    def images(self, w: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Images `[N, C, R, R]` at the student's resolution, float32.

        On a CPU one at a time, which is quicker there, and takes less memory.
        """
        parts = w.shape[0] if self.device.type == "cpu" else 1
        shown = []
        for i, rows in enumerate(w.chunk(parts)):
            own = [n[i : i + 1] if parts > 1 and n.shape[0] > 1 else n for n in noise]
            output = cast(Output, self.quick(rows.to(self.dtype), own))
            shown.append(shrink(output.image.float(), self.settings.student.resolution))
        return torch.cat(shown)


def refuse_mismatch(student: GeneratorConfig, teacher: GeneratorConfig) -> None:
    """Raise ValueError for a student that cannot learn from this teacher."""
    for what in ("z_dim", "label_dim", "img_channels"):
        ours, theirs = getattr(student, what), getattr(teacher, what)
        if ours != theirs:
            raise ValueError(f"The student's {what} is {ours}, its teacher's {theirs}: give {what}={theirs}.")
    if student.resolution > teacher.resolution:
        raise ValueError(
            f"The student's images, {student.resolution} (num_ws {student.num_ws}), are larger than its "
            f"teacher's, {teacher.resolution} (num_ws {teacher.num_ws}): give "
            f"resolution={teacher.resolution} or less."
        )
    ours, theirs = len(student.level_channels), len(teacher.level_channels)
    if ours > theirs > 0:
        raise ValueError(
            f"The student has {ours} levels and its teacher {theirs}, too few to lend each of them noise: "
            "give the teacher's output or a smaller resolution."
        )
