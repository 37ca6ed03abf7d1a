"""The synthesis network: one loop over levels for all blocks (Karras et al. 2020, figure 7)."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from ganzoo.blocks import (
    CONVS,
    DEMODULATIONS,
    HEADS,
    SHORTCUTS,
    UPSAMPLERS,
    Fold,
    Head,
    ModulatedConv,
    StyledLayer,
)
from ganzoo.blocks.head import OutputKind
from ganzoo.generators.stylegan2.levels import InputLevel, Level, Order, UpsamplingLevel
from ganzoo.generators.synthesis import Noise, Output, RandomSource, SynthesisNetwork
from ganzoo.registry import Spec


class Synthesis(SynthesisNetwork):
    """`w [N, num_ws, w_dim]` to images.

    Level 0 is a learnt constant and one convolution, always a full one, as in both papers; every further
    level is an upsampler, which holds the level's first convolution, a second one, and perhaps a shortcut
    around both. The head looks at every level. Layer i of all reads row i of w, the head of a level the row
    after the level's last layer.

    Args:
        num_ws: Rows of w.
        w_dim: Width of w.
        channels: Width of every level, from 4 x 4 up.
        img_channels: Channels of the image.
        output: Prediction of the head, "pixel" or "wavelet".
        upsampler, conv, demodulation, head, shortcut: Blocks.
        activation, activation_gain, clamp: Options of the styled layers, see `StyledLayer`.
    """

    def __init__(
        self,
        *,
        num_ws: int,
        w_dim: int,
        channels: Sequence[int],
        img_channels: int,
        output: OutputKind,
        upsampler: Spec,
        conv: Spec,
        demodulation: Spec,
        head: Spec,
        shortcut: Spec,
        activation: str,
        activation_gain: float | None,
        clamp: float | None,
    ) -> None:
        sizes = [(4 << level, 4 << level) for level in range(len(channels))]
        super().__init__(
            num_ws=num_ws,
            w_dim=w_dim,
            noise_sizes=[sizes[0], *(size for size in sizes[1:] for _ in range(2))],
        )

        def make_conv(in_channels: int, out_channels: int, spec: Spec = conv) -> ModulatedConv:
            return CONVS.build(
                spec,
                in_channels=in_channels,
                out_channels=out_channels,
                w_dim=w_dim,
                demodulation=DEMODULATIONS.build(demodulation, in_channels=in_channels),
            )

        styled = partial(StyledLayer, activation=activation, gain=activation_gain, clamp=clamp)
        below = channels[0]
        first = make_conv(below, below, {"name": "full", "kernel_size": conv.get("kernel_size", 3)})
        levels: list[Level] = [InputLevel(styled(first, below, sizes[0]), below, sizes[0])]
        for out, size in zip(channels[1:], sizes[1:], strict=True):
            upsample = UPSAMPLERS.build(
                upsampler, in_channels=below, out_channels=out, w_dim=w_dim, make_conv=make_conv
            )
            levels.append(
                UpsamplingLevel(
                    levels[-1].head_row,
                    styled(upsample, out, size),
                    styled(make_conv(out, out), out, size),
                    SHORTCUTS.build(shortcut, in_channels=below, out_channels=out),
                )
            )
            below = out
        self.levels = nn.ModuleList(levels)
        self.head: Head = HEADS.build(
            head,
            channels=tuple(channels),
            w_dim=w_dim,
            img_channels=img_channels,
            output=output,
            clamp=clamp,
        )

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
        return self.to(memory_format=torch.channels_last)
