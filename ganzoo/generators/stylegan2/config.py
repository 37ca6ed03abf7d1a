"""Everything that determines a network of the StyleGAN2 family."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from ganzoo.blocks import HEADS
from ganzoo.blocks.base import prefixed
from ganzoo.generators.config import GENERATORS, IMPORTANCES, Scores
from ganzoo.generators.generator import Generator
from ganzoo.generators.leveled import LeveledConfig
from ganzoo.generators.stylegan2.importance import response_scores, saliency_scores, weight_scores
from ganzoo.generators.stylegan2.names import CONST, features_name, last_layer_name, layer_side
from ganzoo.generators.stylegan2.narrow import kept_channels, narrowed
from ganzoo.generators.stylegan2.synthesis import Synthesis
from ganzoo.ops.activation import ACTIVATIONS
from ganzoo.system.validation import in_range, unknown

MAX_SAMPLES = 1_000_000


@GENERATORS.register("stylegan2")
@dataclass(frozen=True, kw_only=True)
class StyleGAN2Config(LeveledConfig):
    """Everything that determines the architecture.

    Args:
        resolution, channels, output: See `LeveledConfig`.
        mapping, upsampler, conv, demodulation, head, shortcut: Blocks, each `{"name": ..., option: value}`.
        activation: Name of the styled layers' activation.
        activation_gain: Factor of the activation; None takes the activation's own.
        clamp: Limit of the styled layers and of the head; None does not clip.

    Raises:
        ValueError: for any value out of its range, an unknown block or option.
    """

    mapping: Mapping[str, Any] = field(default_factory=lambda: {"name": "mlp"})
    upsampler: Mapping[str, Any] = field(default_factory=lambda: {"name": "conv_transpose"})
    conv: Mapping[str, Any] = field(default_factory=lambda: {"name": "full"})
    demodulation: Mapping[str, Any] = field(default_factory=lambda: {"name": "style"})
    head: Mapping[str, Any] = field(default_factory=lambda: {"name": "skip"})
    shortcut: Mapping[str, Any] = field(default_factory=lambda: {"name": "none"})
    activation: str = "lrelu"
    activation_gain: float | None = None
    clamp: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in ACTIVATIONS:
            raise ValueError(unknown("activation", self.activation, ACTIVATIONS))
        for name in ("activation_gain", "clamp"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is positive, or null for none; got {value}.")

    @property
    def row_sides(self) -> tuple[int, ...]:
        return tuple(min(layer_side(row), self.resolution) for row in range(self.num_ws))

    @property
    def family(self) -> str:
        return "mobilestylegan" if self.output == "wavelet" else "stylegan2"

    def build_synthesis(self) -> Synthesis:
        return Synthesis(
            num_ws=self.num_ws,
            w_dim=self.w_dim,
            channels=self.channels,
            img_channels=self.img_channels,
            output=self.output,
            upsampler=self.upsampler,
            conv=self.conv,
            demodulation=self.demodulation,
            head=self.head,
            shortcut=self.shortcut,
            activation=self.activation,
            activation_gain=self.activation_gain,
            clamp=self.clamp,
        )

    def channel_scores(
        self,
        generator: Generator,
        kind: str = "weights",
        *,
        samples: int = 50,
        seed: int = 0,
        levels: int | None = None,
    ) -> Scores:
        in_range("samples", samples, 1, MAX_SAMPLES)
        with torch.no_grad():
            if kind == "weights":
                return weight_scores(generator)
            if kind == "response":
                return response_scores(generator, samples, seed, levels)
            if kind == "saliency":
                return saliency_scores(generator, samples, seed)
        raise ValueError(unknown("importance of channels", kind, IMPORTANCES))

    def kept_channels(self, teacher: Generator, scores: Scores) -> dict[str, Tensor]:
        if not self._is_narrower(teacher.config):
            return {}
        with torch.device("meta"):
            target = self.build_synthesis()
        kept = kept_channels(target, cast(Synthesis, teacher.synthesis), scores)
        layers = {features_name(i): last_layer_name(i) for i in range(len(self.channels))}
        return {layers.get(place, place): indices for place, indices in kept.items() if place != CONST}

    def inherited(self, teacher: Generator, scores: Scores) -> dict[str, Tensor]:
        found, theirs = super().inherited(teacher, scores), teacher.config
        if not isinstance(theirs, StyleGAN2Config):
            return found
        if self._is_narrower(theirs):
            with torch.device("meta"):
                target = self.build_synthesis()
            source = cast(Synthesis, teacher.synthesis)
            found |= prefixed("synthesis", narrowed(target, source, scores))
        if HEADS.get(self.head["name"]).combine is HEADS.get(theirs.head["name"]).combine:
            return found
        # A head that sums its levels predicts what those below lack: to another head that is no image.
        return {name: x for name, x in found.items() if not name.startswith("synthesis.head.")}

    def _is_narrower(self, theirs: Any) -> bool:
        """Whether a level has fewer channels than in another StyleGAN2."""
        if not isinstance(theirs, StyleGAN2Config):
            return False
        return any(own < wide for own, wide in zip(self.channels, theirs.channels, strict=False))
