"""The synthesis network of StyleGAN: levels of interchangeable blocks under one head."""

from collections.abc import Sequence
from functools import partial

from torch import nn

from ganzoo.blocks import CONVS, HEADS, UPSAMPLERS, AdaINLayer, Head, ModulatedConv, NoDemodulation
from ganzoo.blocks.head import OutputKind
from ganzoo.generators.leveled import LeveledSynthesis
from ganzoo.generators.stylegan.levels import AdaINLevel, InputLevel, UpsamplingLevel
from ganzoo.registry import Spec


class Synthesis(LeveledSynthesis):
    """`w [N, num_ws, w_dim]` to images.

    Layer i of all reads row i of w; the head reads none. Convolutions, upsamplers and the head are the blocks
    of StyleGAN2, built without modulation.

    Args:
        num_ws: Rows of w.
        w_dim: Width of w.
        channels: Width of every level, from 4 x 4 up.
        img_channels: Channels of the image.
        output: Prediction of the head, "pixel" or "wavelet".
        upsampler, conv, head: Blocks.
        activation, eps: Options of the layers, see `AdaINLayer`.
        shared_noise: Whether the two layers of a level get one noise.
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
        head: Spec,
        activation: str,
        eps: float,
        shared_noise: bool,
    ) -> None:
        sizes = [(4 << level, 4 << level) for level in range(len(channels))]
        each = 1 if shared_noise else 2  # noises a level
        super().__init__(
            num_ws=num_ws, w_dim=w_dim, noise_sizes=[size for size in sizes for _ in range(each)]
        )

        def make_conv(in_channels: int, out_channels: int) -> ModulatedConv:
            return CONVS.build(
                conv,
                in_channels=in_channels,
                out_channels=out_channels,
                w_dim=0,
                demodulation=NoDemodulation(in_channels=in_channels),
            )

        layer = partial(AdaINLayer, w_dim=w_dim, activation=activation, eps=eps)
        below, levels = channels[0], list[AdaINLevel]()
        for level, (out, size) in enumerate(zip(channels, sizes, strict=True)):
            noises = (each * level, each * (level + 1) - 1)
            second = layer(make_conv(out, out), out, None if shared_noise else size)
            if level == 0:
                levels.append(InputLevel(layer(None, out, size), second, out, size, noises))
                continue
            upsample = UPSAMPLERS.build(
                upsampler, in_channels=below, out_channels=out, w_dim=0, make_conv=make_conv
            )
            first = layer(upsample, out, size, bias=not upsample.is_biased)
            levels.append(UpsamplingLevel(2 * level, first, second, noises))
            below = out
        self.levels = nn.ModuleList(levels)
        self.head: Head = HEADS.build(
            head, channels=tuple(channels), w_dim=0, img_channels=img_channels, output=output, clamp=None
        )
