"""Everything that determines a network of the StyleGAN2 family."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from torch import Tensor

from ganzoo.blocks import HEADS
from ganzoo.blocks.base import prefixed
from ganzoo.generators.config import GENERATORS, IMPORTANCES, MAX_WIDTH, WHAT, GeneratorConfig, Scores
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.importance import response_scores, saliency_scores, weight_scores
from ganzoo.generators.stylegan2.names import layer_side
from ganzoo.generators.stylegan2.narrow import narrowed
from ganzoo.generators.stylegan2.synthesis import Synthesis
from ganzoo.ops.activation import ACTIVATIONS
from ganzoo.system.validation import in_range, unknown

MIN_RESOLUTION, MAX_RESOLUTION = 4, 2048
MAX_SAMPLES = 1_000_000
WIDTHS = ("channel_base", "channel_max")  # shorthands for channels


@GENERATORS.register("stylegan2")
@dataclass(frozen=True, kw_only=True)
class StyleGAN2Config(GeneratorConfig):
    """Everything that determines the architecture.

    Args:
        resolution: Side of the image, a power of two from 4 to 2048 (from 8 for sub-bands).
        channels: Width of every feature level from 4 x 4 up: `log2(resolution) - 1` of them for
            `output="pixel"`, one fewer for `output="wavelet"`. `from_dict` also takes `channel_base` and
            `channel_max` instead: widths `min(channel_base // r, channel_max)` at level r.
        output: Prediction of the head, "pixel" or "wavelet" (sub-bands at half the resolution).
        mapping, upsampler, conv, demodulation, head, shortcut: Blocks, each `{"name": ..., option: value}`.
        activation: Name of the styled layers' activation.
        activation_gain: Factor of the activation; None takes the activation's own.
        clamp: Limit of the styled layers and of the head; None does not clip.

    Raises:
        ValueError: for any value out of its range, an unknown block or option.
    """

    channels: tuple[int, ...]
    output: Literal["pixel", "wavelet"] = "pixel"
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
        check_levels(self.resolution, self.channels, self.output)
        if self.activation not in ACTIVATIONS:
            raise ValueError(unknown("activation", self.activation, ACTIVATIONS))
        for name in ("activation_gain", "clamp"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is positive, or null for none; got {value}.")

    @property
    def num_ws(self) -> int:
        """Rows of w: `2 * log2(resolution) - 2`, in the order of NVIDIA's networks."""
        return 2 * int(math.log2(self.resolution)) - 2

    @property
    def level_channels(self) -> tuple[int, ...]:
        return self.channels

    @property
    def level_sides(self) -> tuple[int, ...]:
        return tuple(4 << level for level in range(len(self.channels)))

    @property
    def row_sides(self) -> tuple[int, ...]:
        return tuple(min(layer_side(row), self.resolution) for row in range(self.num_ws))

    @property
    def largest_features(self) -> int:
        return max(width * (4 << level) ** 2 for level, width in enumerate(self.channels))

    @property
    def family(self) -> str:
        return "mobilestylegan" if self.output == "wavelet" else "stylegan2"

    def describe(self) -> str:
        return f"{self.output} output, {super().describe()}"

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

    def inherited(self, teacher: Generator, scores: Scores) -> dict[str, Tensor]:
        found, theirs = super().inherited(teacher, scores), teacher.config
        if not isinstance(theirs, StyleGAN2Config):
            return found
        if any(own < wide for own, wide in zip(self.channels, theirs.channels, strict=False)):
            with torch.device("meta"):
                target = self.build_synthesis()
            source = cast(Synthesis, teacher.synthesis)
            found |= prefixed("synthesis", narrowed(target, source, scores))
        if HEADS.get(self.head["name"]).combine is HEADS.get(theirs.head["name"]).combine:
            return found
        # A head that sums its levels predicts what those below lack: to another head that is no image.
        return {name: x for name, x in found.items() if not name.startswith("synthesis.head.")}

    @classmethod
    def keys(cls) -> set[str]:
        return {*super().keys(), *WIDTHS}

    @classmethod
    def arguments(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        return with_channels(data, WHAT)


def with_channels(data: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The mapping with `channels` instead of `channel_base` and `channel_max`.

    Raises:
        ValueError: if the resolution or widths lack, or widths are given twice.
    """
    data, what = dict(data), what.capitalize()
    if "resolution" not in data:
        raise ValueError(f"{what} needs a resolution.")
    output = data.get("output", "pixel")
    check_resolution(data["resolution"], output)
    base, maximum = data.pop("channel_base", None), data.pop("channel_max", None)
    if data.get("channels") is not None:
        if base is not None or maximum is not None:
            raise ValueError(f"{what} takes channels, or channel_base and channel_max, not both.")
        return data
    if base is None or maximum is None:
        raise ValueError(f"{what} needs channels, or channel_base and channel_max.")
    in_range("channel_base", base, 1, MAX_WIDTH * MAX_RESOLUTION)
    in_range("channel_max", maximum, 1, MAX_WIDTH)
    levels = range(num_levels(data["resolution"], output))
    data["channels"] = [max(1, min(base // 2 ** (level + 2), maximum)) for level in levels]
    return data


def check_levels(resolution: int, channels: tuple[int, ...], output: str) -> None:
    """Raise ValueError for sizes that no network has."""
    check_resolution(resolution, output)
    levels = num_levels(resolution, output)
    if len(channels) != levels:
        raise ValueError(
            f"channels lists the width of every level from 4 x 4 up: {levels} of them for resolution "
            f"{resolution} and output {output!r}; got {len(channels)}: {channels}."
        )
    for width in channels:
        in_range("a width in channels", width, 1, MAX_WIDTH)


def check_resolution(resolution: object, output: object) -> None:
    """Raise ValueError for a size that no network has."""
    if output not in ("pixel", "wavelet"):
        raise ValueError(unknown("output", output, ["pixel", "wavelet"]))
    least = MIN_RESOLUTION if output == "pixel" else 2 * MIN_RESOLUTION
    whole = isinstance(resolution, int) and not isinstance(resolution, bool)
    if not whole or not least <= resolution <= MAX_RESOLUTION or resolution & (resolution - 1):  # type: ignore[operator]
        sides = "" if isinstance(resolution, int | float) else ", one for both sides of a square"
        raise ValueError(
            f"resolution is a power of two from {least} to {MAX_RESOLUTION} for output {output!r}{sides}; "
            f"got {resolution!r}."
        )


def num_levels(resolution: int, output: str) -> int:
    """Feature levels from 4 x 4 up; a network that predicts sub-bands ends at half the resolution."""
    return int(math.log2(resolution)) - (1 if output == "pixel" else 2)
