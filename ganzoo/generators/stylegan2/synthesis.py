"""The synthesis network: one loop over levels for all blocks (Karras et al. 2020, figure 7)."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

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
from ganzoo.generators.leveled import LeveledSynthesis
from ganzoo.generators.stylegan2.levels import InputLevel, StyledLevel, UpsamplingLevel
from ganzoo.registry import Spec


class Synthesis(LeveledSynthesis):
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
        levels: list[StyledLevel] = [InputLevel(styled(first, below, sizes[0]), below, sizes[0])]
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

    def folded(self, fold: Fold | None = None) -> nn.Module:
        return super().folded(fold).to(memory_format=torch.channels_last)
