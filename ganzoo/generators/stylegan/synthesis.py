"""The synthesis network of StyleGAN: levels of interchangeable blocks under one head."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from ganzoo.blocks import CONVS, HEADS, UPSAMPLERS, AdaINLayer, Fold, Head, ModulatedConv, NoDemodulation
from ganzoo.blocks.head import OutputKind
from ganzoo.generators.stylegan.levels import InputLevel, Level, Order, UpsamplingLevel
from ganzoo.generators.synthesis import Noise, Output, RandomSource, SynthesisNetwork
from ganzoo.registry import Spec


class Synthesis(SynthesisNetwork):
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
        self.noises_of_level = 1 if shared_noise else 2
        super().__init__(
            num_ws=num_ws,
            w_dim=w_dim,
            noise_sizes=[size for size in sizes for _ in range(self.noises_of_level)],
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
        below, levels = channels[0], list[Level]()
        for level, (out, size) in enumerate(zip(channels, sizes, strict=True)):
            second = layer(make_conv(out, out), out, None if shared_noise else size)
            if level == 0:
                levels.append(InputLevel(layer(None, out, size), second, out, size))
                continue
            upsample = UPSAMPLERS.build(
                upsampler, in_channels=below, out_channels=out, w_dim=0, make_conv=make_conv
            )
            first = layer(upsample, out, size, bias=not upsample.is_biased)
            levels.append(UpsamplingLevel(2 * level, first, second))
            below = out
        self.levels = nn.ModuleList(levels)
        self.head: Head = HEADS.build(
            head, channels=tuple(channels), w_dim=0, img_channels=img_channels, output=output, clamp=None
        )

    def forward(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Output:
        used = self.layer_noise(w, noise, generator)
        image: Tensor | None = None
        predictions: list[Tensor] = []
        for i, x in enumerate(self._features(w, used)):
            image, prediction = self.head(i, x, w[:, 0], image)
            if prediction is not None:
                predictions.append(prediction)
        if image is None:
            raise RuntimeError(f"{type(self.head).__name__} gave no image at the last level.")
        return Output(image, predictions, self.used_noise(w, used))

    def features(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Iterator[Tensor]:
        return self._features(w, self.layer_noise(w, noise, generator))

    def _features(self, w: Tensor, noise: Sequence[Tensor | None]) -> Iterator[Tensor]:
        x: Tensor | None = None
        for i, level in enumerate(self.levels):
            first = i * self.noises_of_level
            x = level(x, w, noise[first : first + self.noises_of_level])
            yield cast(Tensor, x)

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
        layers = [layer for level in self.levels for layer in cast(Level, level).layers]
        return [(row, matrix) for row, layer in enumerate(layers) for matrix in layer.style_weights()]

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
