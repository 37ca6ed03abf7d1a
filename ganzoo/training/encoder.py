"""An encoder learns to find w in a generator's own images; a closed form is where it begins."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.features.networks import FeatureNetwork
from ganzoo.latent.saved import fingerprint
from ganzoo.losses import feature_maps, perceptual
from ganzoo.projection.encoder import Encoder
from ganzoo.training.cache import TeacherCache
from ganzoo.training.encoder_fit import fit_linear, normalise
from ganzoo.training.encoder_images import EncoderTeacher, Seen
from ganzoo.training.encoder_settings import EncoderSettings
from ganzoo.training.latents import Purpose, uniform
from ganzoo.training.task import Phase, Task

ENCODER = "encoder"


@dataclass(kw_only=True)
class EncoderBatch:
    """Images as an encoder sees them.

    Attributes:
        looked_at: `[N, dim]`.
        answer: Answers to give, `[N, groups, w_dim]`.
        kept: Factors of the hidden layer, `[N, hidden]`; None if all of it is kept.
        images: Images, `[N, 3, side, side]`, where a term looks at them.
    """

    looked_at: Tensor
    answer: Tensor
    kept: Tensor | None
    images: Tensor | None


class EncoderTask(Task):
    """One phase: the encoder.

    Args:
        settings: Settings of the run.
        state: Accelerate's `PartialState`.
        teacher: Generator that makes the images.
        encoder: Encoder on its device.
        cache: Images to learn from.
        network: Network of the perceptual term, and of the figures.
    """

    options = EncoderSettings
    averaged = ENCODER
    settings: EncoderSettings

    def __init__(
        self,
        settings: EncoderSettings,
        state: Any,
        teacher: EncoderTeacher,
        encoder: Encoder,
        cache: TeacherCache,
        network: FeatureNetwork,
    ) -> None:
        super().__init__(settings, state)
        self.teacher, self.encoder, self.cache, self.network = teacher, encoder, cache, network
        self.modules: dict[str, nn.Module] = {ENCODER: encoder}
        self.optimizers = {ENCODER: settings.optimizer}
        encoder.linear.requires_grad_(settings.hidden == 0)  # the closed form is its best where there is more
        self.seen: Seen | None = None

    def learnt_from(self) -> Seen:
        """What the encoder sees of the images, looked at when it is first asked for."""
        if self.seen is None:
            self.seen = Seen(self.encoder, self.teacher, self.cache)
        return self.seen

    def begin(self) -> None:
        """Fit the linear map in closed form."""
        own, seen = self.encoder, self.learnt_from()
        mapping = self.teacher.original.mapping
        with torch.no_grad():
            own.w_avg.copy_(mapping.w_avg)
            own.deviation.copy_((seen.w - own.w_avg).square().mean().sqrt())
            own.mapping.copy_(torch.tensor(fingerprint(self.teacher.original)))
        normalise(own, seen.looked_at)
        strength, share = fit_linear(own, seen.looked_at, self.target(seen.w), self.settings.ridge)
        if self.state.is_main_process:
            print(
                f"A linear map, fitted to {len(seen.w)} images with strength {strength:g}, explains "
                f"{share:.1%} of w in those kept back.",
                file=sys.stderr,
            )

    def target(self, w: Tensor) -> Tensor:
        """The answers that an encoder should give, `[N, groups, w_dim]`, of w `[N, num_ws, w_dim]`."""
        first = [row for row in self.encoder.config.groups if row < w.shape[1]]
        ends = [*first[1:], w.shape[1]]
        means = [w[:, a:b].mean(dim=1) for a, b in zip(first, ends, strict=True)]
        means += means[-1:] * (len(self.encoder.config.groups) - len(first))
        return (torch.stack(means, dim=1) - self.encoder.w_avg) / self.encoder.deviation

    def phases(self, kimg: float) -> list[Phase]:
        """The one phase."""
        return [Phase(ENCODER, (ENCODER,))]

    @torch.no_grad()
    def batch(self, positions: Sequence[int]) -> EncoderBatch:
        """What the encoder sees of the images at these positions of the run."""
        seen, settings = self.learnt_from(), self.settings
        numbers = [self.cache.number(position) for position in positions]
        rows = torch.tensor(numbers) - self.cache.first
        kept = None
        if settings.hidden and settings.dropout:
            random = uniform(
                positions, seed=settings.seed, purpose=Purpose.DROPOUT, count=settings.hidden
            ).to(self.teacher.device)
            kept = (random >= settings.dropout) / (1 - settings.dropout)
        images = self.cache.images(numbers).to(self.teacher.device) if settings.loss.draws else None
        rows = rows.to(self.teacher.device)
        return EncoderBatch(
            looked_at=seen.looked_at[rows], answer=self.target(seen.w[rows]), kept=kept, images=images
        )

    def loss(self, phase: Phase, batch: EncoderBatch, kimg: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its terms, before their weights."""
        weights = self.settings.loss
        answer = self.encoder.answer(batch.looked_at, batch.kept)
        terms = {"w": (answer - batch.answer).square().mean()}
        if batch.images is not None:
            generator = self.teacher.original
            w = self.encoder.rows(answer)[:, : generator.num_ws]
            image = generator.synthesis(w).image
            small = nn.functional.adaptive_avg_pool2d(image, self.settings.side)
            terms["pixel_l1"] = (small - batch.images).abs().mean()
            if weights.perceptual.weight:
                size = max(self.settings.side, 32)
                with torch.no_grad():
                    wanted = feature_maps(self.network, batch.images, size)
                terms["perceptual"] = perceptual(feature_maps(self.network, small, size), wanted)
        loss = torch.stack([getattr(weights, name).weight * term for name, term in terms.items()]).sum()
        return loss, {name: term.detach() for name, term in {**terms, "total": loss}.items()}
