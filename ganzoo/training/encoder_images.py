"""What an encoder learns from: a generator's own images with their w, made and looked at once."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import Generator
from ganzoo.generators.synthesis import Output
from ganzoo.models.weights import weights_digest
from ganzoo.projection.encoder import Encoder
from ganzoo.system.images import shrink
from ganzoo.training.encoder_settings import EncoderSettings
from ganzoo.training.latents import HELD_OUT, Purpose, latents, mixed, uniform
from ganzoo.training.teacher import Drawn

_PART = 32  # images that the feature network is shown at once


class EncoderTeacher:
    """Images of a generator at the encoder's size, by their numbers, with constant noise.

    Args:
        generator: Generator on its device.
        settings: Settings of the run.

    Attributes:
        original: Generator as it was given, frozen.
        quick: Deploy form of its synthesis network, which gives the same images.
        sha256: Digest of its weights.
    """

    def __init__(self, generator: Generator, settings: EncoderSettings) -> None:
        self.settings = settings
        self.sha256 = weights_digest(generator)
        self.original = generator.requires_grad_(False)
        self.quick = deploy(generator).synthesis
        self.device = generator.mapping.w_avg.device

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an image."""
        return 3, self.settings.side, self.settings.side

    def facts(self, *, held_out: bool) -> dict[str, Any]:
        """Everything that decides on its images, by which they are found on disk."""
        settings = self.settings
        psi = settings.held_out.truncation_psi if held_out else list(settings.truncation_psi)
        return {
            "task": "encoder",
            "teacher": self.sha256,
            "config": self.original.config.to_dict(),
            "resolution": settings.side,
            "seed": settings.seed if not held_out or settings.style_mixing else 0,
            "truncation_psi": psi,
            "style_mixing": settings.style_mixing,
            "device": self.device.type,
        }

    @torch.no_grad()
    def drawn(self, numbers: Sequence[int]) -> Drawn:
        """What these images are made from: w `[N, num_ws, w_dim]`, each truncated by a psi of its own."""
        own, seed = self.original, self.settings.seed
        batch = latents(
            numbers,
            seed=seed,
            z_dim=own.z_dim,
            label_dim=own.label_dim,
            num_ws=own.num_ws,
            mixing=self.settings.style_mixing,
        )
        label = None if batch.label is None else batch.label.to(self.device)
        w = mixed(own, batch, own.mapping(batch.z.to(self.device), label))
        w = own.mapping.w_avg + self._psi(numbers).to(self.device) * (w - own.mapping.w_avg)
        return Drawn(latents=batch, w=w, noise=[])

    def _psi(self, numbers: Sequence[int]) -> Tensor:
        low, high = self.settings.truncation_psi
        random = uniform(numbers, seed=self.settings.seed, purpose=Purpose.TRUNCATION, count=1)[:, :, None]
        held = torch.tensor([number >= HELD_OUT for number in numbers])[:, None, None]
        return torch.where(held, self.settings.held_out.truncation_psi, low + (high - low) * random)

    @torch.no_grad()
    def images(self, w: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Images `[N, 3, side, side]`, float32, with constant noise; on a CPU one at a time: quicker."""
        parts = w.chunk(len(w)) if self.device.type == "cpu" else (w,)
        shown = [cast(Output, self.quick(rows)).image.float() for rows in parts]
        return torch.cat([shrink(image, self.settings.side) for image in shown])


class Seen:
    """What an encoder sees of many images, in memory, and their w.

    Attributes:
        numbers: Numbers of the images.
        looked_at: `[N, dim]`.
        w: `[N, num_ws, w_dim]`.
    """

    def __init__(self, encoder: Encoder, teacher: EncoderTeacher, cache: Any) -> None:
        self.numbers = range(cache.first, cache.first + cache.count)
        parts = [self.numbers[i : i + _PART] for i in range(0, len(self.numbers), _PART)]
        found, w = [], []
        with torch.no_grad():
            for part in parts:
                found.append(encoder.looked_at(cache.images(part).to(teacher.device)))
                w.append(teacher.drawn(part).w)
        self.looked_at, self.w = torch.cat(found), torch.cat(w)
