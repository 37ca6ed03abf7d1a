"""What networks have in common whose levels double the side from 4 x 4 up, all under one head."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

from torch import Tensor, nn

from ganzoo.blocks import AdaINLayer, Fold, Head, NoiseInjection, StyledLayer
from ganzoo.generators.config import WHAT, GeneratorConfig
from ganzoo.generators.synthesis import Noise, Output, RandomSource, SynthesisNetwork
from ganzoo.generators.widths import WIDTHS, check_levels, with_channels

Layer = StyledLayer | AdaINLayer
Order = Tensor | None  # of a level's channels; None for their own


@dataclass(frozen=True, kw_only=True)
class LeveledConfig(GeneratorConfig):
    """What determines the levels.

    Args:
        resolution: Side of the image, a power of two from 4 to 2048 (from 8 for sub-bands).
        channels: Width of every feature level from 4 x 4 up: `log2(resolution) - 1` of them for
            `output="pixel"`, one fewer for `output="wavelet"`. `from_dict` also takes `channel_base` and
            `channel_max` instead: widths `min(channel_base // r, channel_max)` at level r.
        output: Prediction of the head, "pixel" or "wavelet" (sub-bands at half the resolution).

    Raises:
        ValueError: for any value out of its range.
    """

    channels: tuple[int, ...]
    output: Literal["pixel", "wavelet"] = "pixel"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_levels(self.resolution, self.channels, self.output)

    @property
    def num_ws(self) -> int:
        """Rows of w: `2 * log2(resolution) - 2`, as NVIDIA's networks of pixels have them."""
        return 2 * int(math.log2(self.resolution)) - 2

    @property
    def level_channels(self) -> tuple[int, ...]:
        return self.channels

    @property
    def level_sides(self) -> tuple[int, ...]:
        return tuple(4 << level for level in range(len(self.channels)))

    @property
    def largest_features(self) -> int:
        return max(width * side**2 for width, side in zip(self.channels, self.level_sides, strict=True))

    def describe(self) -> str:
        return f"{self.output} output, {super().describe()}"

    @classmethod
    def keys(cls) -> set[str]:
        return {*super().keys(), *WIDTHS}

    @classmethod
    def arguments(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        return with_channels(data, WHAT)


class Level(nn.Module, ABC):
    """Base of the levels.

    Attributes:
        first_row: Row of w that the first of its layers reads.
        names: Names of its layers in the order in which they read rows of w and take noise.
    """

    def __init__(self, first_row: int, names: Sequence[str]) -> None:
        super().__init__()
        self.first_row = first_row
        self.names = tuple(names)

    @abstractmethod
    def forward(self, x: Tensor | None, w: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        """Features `[N, C, h, w]` of those of the level below, all rows of w and the noise of all layers."""

    @property
    def layers(self) -> list[Layer]:
        """Its layers in their order."""
        return [cast(Layer, getattr(self, name)) for name in self.names]

    @property
    def head_row(self) -> int:
        """Row of w that the head reads at this level."""
        return self.first_row + len(self.names)

    def noises(self) -> list[NoiseInjection]:
        """The noise inputs of its layers."""
        return [layer.noise for layer in self.layers]

    def input_order(self) -> Order:
        """The order of the channels from the level below that suits the folded form best."""
        return None

    def can_fold(self) -> bool:
        """Whether all of its blocks take channels in another order."""
        return all(layer.can_fold() for layer in self.layers)

    def fold(self, order_in: Order, order_out: Order) -> None:
        """Put the folded form of every layer in its place."""
        for name, layer in zip(self.names, self.layers, strict=True):
            fold = Fold(
                order_in=order_in if name == self.names[0] else None,
                order_out=order_out if name == self.names[-1] else None,
            )
            setattr(self, name, layer.folded(fold))


class LeveledSynthesis(SynthesisNetwork):
    """`w [N, num_ws, w_dim]` to images by way of `levels`, at every one of which the `head` looks."""

    levels: nn.ModuleList
    head: Head

    def forward(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Output:
        used = self.layer_noise(w, noise, generator)
        image: Tensor | None = None
        predictions: list[Tensor] = []
        for i, (x, row) in enumerate(self._features(w, used)):
            image, prediction = self.head(i, x, w[:, row], image)
            if prediction is not None:
                predictions.append(prediction)
        if image is None:
            raise RuntimeError(f"{type(self.head).__name__} gave no image at the last level.")
        return Output(image, predictions, self.used_noise(w, used))

    def features(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Iterator[Tensor]:
        used = self.layer_noise(w, noise, generator)
        return (x for x, _ in self._features(w, used))

    def _features(self, w: Tensor, noise: Sequence[Tensor | None]) -> Iterator[tuple[Tensor, int]]:
        """Every level's features and the row of w that the head reads there."""
        x: Tensor | None = None
        for level in self.levels:
            x = level(x, w, noise)
            yield cast(Tensor, x), cast(Level, level).head_row

    def constant_noise(self) -> list[Tensor]:
        noises = [noise for level in self.levels for noise in cast(Level, level).noises()]
        return [noise.const for noise in noises if noise.const is not None]

    def level_modules(self) -> list[nn.Module]:
        return list(self.levels)

    def level_parts(self) -> list[list[nn.Module]]:
        predictions = self.head.to_image
        return [
            [level, *([predictions[str(i)]] if str(i) in predictions else [])]
            for i, level in enumerate(self.levels)
        ]

    def style_weights_of_rows(self) -> list[tuple[int, Tensor]]:
        levels = [cast(Level, level) for level in self.levels]
        rows = [
            (level.first_row + i, matrix)
            for level in levels
            for i, layer in enumerate(level.layers)
            for matrix in layer.style_weights()
        ]
        return [*rows, *((levels[-1].head_row, matrix) for matrix in self.head.style_weights())]

    def level_images(self, levels: Sequence[Tensor]) -> list[Tensor]:
        return self.head.images(levels)

    def folded(self, fold: Fold | None = None) -> nn.Module:
        levels = [cast(Level, level) for level in self.levels]
        orders: list[Order] = [None] * len(levels)
        if self.head.can_fold():
            for i, (level, above) in enumerate(pairwise(levels)):
                orders[i] = above.input_order() if level.can_fold() else None
        self.head = cast(Head, self.head.folded_at(orders))
        for level, order_in, order_out in zip(levels, [None, *orders], orders, strict=False):
            level.fold(order_in, order_out)
        return self
