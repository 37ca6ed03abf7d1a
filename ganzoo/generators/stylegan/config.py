"""Everything that determines a StyleGAN."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ganzoo.blocks.adain import EPS
from ganzoo.generators.config import GENERATORS, WHAT, GeneratorConfig
from ganzoo.generators.stylegan.names import layer_side
from ganzoo.generators.stylegan.synthesis import Synthesis
from ganzoo.generators.stylegan2.config import WIDTHS, check_levels, with_channels
from ganzoo.ops.activation import ACTIVATIONS
from ganzoo.system.validation import unknown


@GENERATORS.register("stylegan")
@dataclass(frozen=True, kw_only=True)
class StyleGANConfig(GeneratorConfig):
    """Everything that determines the architecture (Karras et al. 2019, section 2 and appendix C).

    Args:
        resolution: Side of the image, a power of two from 4 to 2048 (from 8 for sub-bands).
        channels: Width of every feature level from 4 x 4 up: `log2(resolution) - 1` of them for
            `output="pixel"`, one fewer for `output="wavelet"`. `from_dict` also takes `channel_base` and
            `channel_max` instead: widths `min(channel_base // r, channel_max)` at level r.
        output: Prediction of the head, "pixel" or "wavelet" (sub-bands at half the resolution).
        mapping, upsampler, conv, head: Blocks, each `{"name": ..., option: value}`; none of the last three
            is modulated.
        activation: Name of the layers' activation.
        eps: What AdaIN adds to the variance.
        shared_noise: Whether the two layers of a level get one noise, as in rosinality's networks.

    Raises:
        ValueError: for any value out of its range, an unknown block or option.
    """

    channels: tuple[int, ...]
    output: Literal["pixel", "wavelet"] = "pixel"
    mapping: Mapping[str, Any] = field(default_factory=lambda: {"name": "mlp"})
    upsampler: Mapping[str, Any] = field(default_factory=lambda: {"name": "nearest"})
    conv: Mapping[str, Any] = field(default_factory=lambda: {"name": "full"})
    head: Mapping[str, Any] = field(default_factory=lambda: {"name": "single"})
    activation: str = "lrelu"
    eps: float = EPS
    shared_noise: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_levels(self.resolution, self.channels, self.output)
        if self.activation not in ACTIVATIONS:
            raise ValueError(unknown("activation", self.activation, ACTIVATIONS))
        if self.eps <= 0:
            raise ValueError(f"eps is positive; got {self.eps}.")

    @property
    def num_ws(self) -> int:
        """Rows of w: `2 * log2(resolution) - 2`, a layer each; with sub-bands the last two are not read."""
        return 2 * int(math.log2(self.resolution)) - 2

    @property
    def level_channels(self) -> tuple[int, ...]:
        return self.channels

    @property
    def level_sides(self) -> tuple[int, ...]:
        return tuple(4 << level for level in range(len(self.channels)))

    @property
    def row_sides(self) -> tuple[int, ...]:
        return tuple(layer_side(row) for row in range(self.num_ws))

    @property
    def largest_features(self) -> int:
        return max(width * (4 << level) ** 2 for level, width in enumerate(self.channels))

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
            head=self.head,
            activation=self.activation,
            eps=self.eps,
            shared_noise=self.shared_noise,
        )

    @classmethod
    def keys(cls) -> set[str]:
        return {*super().keys(), *WIDTHS}

    @classmethod
    def arguments(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        return with_channels(data, WHAT)
