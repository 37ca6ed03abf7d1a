"""A run of an encoder: the task with its images, its figures, its sheets and its result."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor, nn

from ganzoo.cards.encoder import encoder_card
from ganzoo.charts.text import si
from ganzoo.features.networks import FeatureNetwork, load_features
from ganzoo.metrics.distances import DEFINITIONS, perceptual, psnr
from ganzoo.metrics.figures import Figure, figure_name
from ganzoo.models.factory import create
from ganzoo.projection.encoder import RESULT, Encoder, save_encoder
from ganzoo.system.images import contact_sheet, to_images
from ganzoo.training.announce import bytes_of, size_text
from ganzoo.training.cache import TeacherCache, fill_together
from ganzoo.training.encoder import EncoderTask
from ganzoo.training.encoder_images import EncoderTeacher
from ganzoo.training.encoder_settings import EncoderSettings
from ganzoo.training.latents import HELD_OUT
from ganzoo.training.pace import duration
from ganzoo.training.task import TASKS, Sheet
from ganzoo.training.trial import timed

_SHOWN = 8  # images of a sheet
_PART = 8  # images at once


@TASKS.register("encoder")
class EncoderRun(EncoderTask):
    """Training of an encoder with all that surrounds it.

    Args:
        settings, state, teacher, encoder, cache, network: As the task's.
        held: Images to measure on.
    """

    result = RESULT
    best = "psnr"

    def __init__(
        self,
        settings: EncoderSettings,
        state: Any,
        teacher: EncoderTeacher,
        encoder: Encoder,
        cache: TeacherCache,
        network: FeatureNetwork,
        held: TeacherCache,
    ) -> None:
        super().__init__(settings, state, teacher, encoder, cache, network)
        self.held = held
        self.protocol = f"{settings.held_out.num}"
        self.seconds_an_image = 0.0

    @classmethod
    def load(cls, settings: EncoderSettings, state: Any) -> "EncoderRun":
        """The task, with its generator loaded and its encoder made.

        Raises:
            ValueError, OSError: if one of them cannot be had, or the settings do not fit them.
        """
        generator = create(settings.teacher, pretrained=True, device=state.device)
        if generator.img_channels != 3:
            raise ValueError(
                f"An encoder looks at color images; those of {settings.teacher} have "
                f"{generator.img_channels} channels."
            )
        if generator.resolution < settings.side:
            raise ValueError(
                f"{settings.teacher} makes images of {generator.resolution} x {generator.resolution}: give "
                f"side={generator.resolution}."
            )
        if settings.num_ws is not None and settings.num_ws < generator.num_ws:
            raise ValueError(
                f"{settings.teacher} takes {generator.num_ws} rows of w: give num_ws={generator.num_ws} "
                "or more."
            )
        features = load_features(settings.features).to(state.device)
        blank = torch.zeros(1, 3, settings.side, settings.side, device=state.device)
        with torch.no_grad():
            widths = tuple(stage.shape[1] for stage in features.maps(blank))
        config = settings.config(widths, generator.w_dim, generator.num_ws)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            encoder = Encoder(config, features).to(state.device)
        teacher = EncoderTeacher(generator, settings)
        folder, limit = settings.cache.folder, settings.cache.limit_gib
        cache = TeacherCache(teacher, settings.cache.images, folder=folder, limit_gib=limit)
        held = TeacherCache(teacher, settings.held_out.num, first=HELD_OUT, folder=folder, limit_gib=limit)
        network = load_features(settings.held_out.features).to(state.device)
        return cls(settings, state, teacher, encoder, cache, network, held)

    def resume(self, facts: dict[str, Any]) -> None:
        """Refuse a teacher of other weights than when the run began."""
        if facts.setdefault("teacher_sha256", self.teacher.sha256) != self.teacher.sha256:
            raise ValueError(
                f"{self.settings.teacher} has other weights than when the run in {self.settings.out} began: "
                "give another out=."
            )

    def announce(self, kimg: float) -> float | None:
        """Tell what the encoder looks at, its size, and how long its images take."""
        config = self.encoder.config
        _, self.seconds_an_image = timed(
            lambda: self.teacher.images(self.teacher.drawn([0]).w, []), self.teacher.device
        )
        missing = sum(c.length(k) for c in (self.cache, self.held) for k in c.missing())
        count = sum(p.numel() for p in self.encoder.parameters())
        lines = [
            f"Encoder: {si(count)} parameters ({size_text(bytes_of(self.encoder))}) on {config.dim} numbers "
            f"of an image of {config.side} x {config.side}, by {config.features}.",
        ]
        if missing:
            seconds = missing * self.seconds_an_image / self.state.num_processes
            lines.append(f"{missing} images of the teacher are missing, about {duration(seconds)}.")
        if self.state.is_main_process:
            print(*lines, sep="\n", file=sys.stderr, flush=True)
        return None

    def prepare(self) -> None:
        """Make the images that are missing."""
        for cache in (self.held, self.cache):
            fill_together(cache, self.state, self.seconds_an_image)

    @torch.inference_mode()
    def measure(self, averaged: nn.Module) -> dict[str, Figure]:
        """Of held-out images: error of w, and both distances in one pass and refined."""
        encoder, held = cast(Encoder, averaged), self.settings.held_out
        found: dict[str, list[Tensor]] = {"w_error": []}
        numbers = range(self.held.first, self.held.first + self.held.count)
        for i in range(0, len(numbers), _PART):
            part = numbers[i : i + _PART]
            images = self.held.images(part).to(self.teacher.device)
            w = self.teacher.drawn(part).w
            for rounds, suffix in ((0, ""), (held.rounds, "_refined")):
                got = encoder.refined(images, self.teacher.original, rounds)
                shown = self.teacher.images(got, [])
                found.setdefault(f"psnr{suffix}", []).append(psnr(shown, images))
                name = figure_name(f"perceptual{suffix}", held.features)
                found.setdefault(name, []).append(perceptual(self.network, shown, images))
                if not rounds:
                    error, own = (
                        (w - x).square().mean(dim=(1, 2)) for x in (got, self.teacher.original.mapping.w_avg)
                    )
                    found["w_error"].append(error / own.clamp(min=1e-12))
        return {name: _figure(torch.cat(values)) for name, values in found.items()}

    @torch.inference_mode()
    def sheet(self, averaged: nn.Module) -> Sheet:
        """Rows of four: target, mean w, one pass, refined."""
        encoder, generator = cast(Encoder, averaged), self.teacher.original
        numbers = range(self.held.first, self.held.first + min(_SHOWN, self.held.count))
        images = self.held.images(numbers).to(self.teacher.device)
        blank = torch.zeros(
            len(images), len(encoder.config.groups), encoder.config.w_dim, device=self.teacher.device
        )
        mean = encoder.rows(blank)
        columns = [
            images,
            self.teacher.images(mean[:, : generator.num_ws], []),
            *(
                self.teacher.images(encoder.refined(images, generator, rounds), [])
                for rounds in (0, self.settings.held_out.rounds)
            ),
        ]
        rows = [_strip(to_images(torch.stack(row))) for row in zip(*columns, strict=True)]
        facts = {"teacher": self.settings.teacher, "order": "target, mean w, encoder, refined"}
        return Sheet(contact_sheet(rows), facts, "encoder")

    def describe(self, averaged: nn.Module) -> dict[str, Any]:
        """The generator, the encoder's size, and what the figures mean."""
        held = self.settings.held_out
        refined = f"after {held.rounds} rounds of refinement"
        return {
            "teacher": self.settings.teacher,
            "teacher_sha256": self.teacher.sha256,
            **super().describe(averaged),
            "definitions": {
                "w_error": "squared error of w over its squared distance from the mean w",
                "psnr": DEFINITIONS["psnr"],
                "psnr_refined": f"{DEFINITIONS['psnr']}, {refined}",
                figure_name("perceptual", held.features): DEFINITIONS["perceptual"],
                figure_name("perceptual_refined", held.features): f"{DEFINITIONS['perceptual']}, {refined}",
            },
            "held_out": held.num,
        }

    def save(self, averaged: nn.Module, folder: Path, recipe: str | None) -> None:
        """Write the encoder: config.json and model.safetensors."""
        save_encoder(cast(Encoder, averaged), folder)

    def card(self, result: Mapping[str, Any]) -> str:
        """What the encoder learnt from, and how near it comes."""
        return encoder_card(result)


def _figure(values: Tensor) -> Figure:
    values = values.cpu().double()
    return Figure(float(values.mean()), float(values.std() / len(values) ** 0.5))


def _strip(images: list[Image.Image]) -> Image.Image:
    """Images side by side."""
    side = images[0].width
    strip = Image.new("RGB", (len(images) * side, side))
    for i, image in enumerate(images):
        strip.paste(image, (i * side, 0))
    return strip
