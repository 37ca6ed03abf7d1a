"""The discriminator of StyleGAN, to which a progressive GAN's has grown (Karras et al. 2018, section 2)."""

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.discriminator import (
    CHANNELS_LAST,
    DISCRIMINATORS,
    ConvLayer,
    DiscriminatorBlock,
    MinibatchDeviation,
    Taps,
)
from ganzoo.blocks.head import check_alpha
from ganzoo.ops.activation import ACTIVATIONS, bias_act
from ganzoo.ops.equalized import EqualizedLinear
from ganzoo.ops.resample import Blur
from ganzoo.system.validation import in_range, unknown


@DISCRIMINATORS.register("stylegan")
class StyleGANDiscriminator(DiscriminatorBlock):
    """Images `[N, img_channels, R, R]` and labels `[N, label_dim]` to logits `[N, 1]`.

    Every level is a convolution, a blur, and a convolution whose result is averaged over 2 x 2 pixels, down
    to 4 x 4; there the deviation over the minibatch joins the features, and a convolution and two linear
    layers judge them. A conditional network gives a logit a class, of which the label chooses.

    Args:
        resolution: Side of the images.
        channels: Width of every level, from 4 x 4 up.
        img_channels: Channels of the images.
        label_dim: Width of the label, 0 for none.
        activation: Name in `ganzoo.ops.activation.ACTIVATIONS`.
        image_activation: The same for what reads the image; null takes `activation`.
        taps: Taps of the separable blur.
        widening: Which of a level's two convolutions changes the width.
        mbstd_group_size: Samples that share one deviation; null for the whole batch.
        mbstd_num_channels: Channels of deviation to add; 0 for none.
        alpha: Share of the last level while it is faded in, 0 to 1; the rest is the level below, of
            images of half the size.

    Raises:
        ValueError: for an unknown activation, or an option out of range.
    """

    layered = True
    family = "stylegan"

    def __init__(
        self,
        *,
        resolution: int,
        channels: tuple[int, ...],
        img_channels: int,
        label_dim: int,
        activation: str = "lrelu",
        image_activation: str | None = None,
        taps: Taps = (1.0, 2.0, 1.0),
        widening: Literal["first", "second"] = "second",
        mbstd_group_size: int | None = 4,
        mbstd_num_channels: int = 1,
        alpha: float = 1.0,
    ) -> None:
        super().__init__()
        reading = activation if image_activation is None else image_activation
        for name in (activation, reading):
            if name not in ACTIVATIONS:
                raise ValueError(unknown("activation", name, ACTIVATIONS))
        width = channels[0]
        if mbstd_num_channels < 0 or (mbstd_num_channels and width % mbstd_num_channels):
            raise ValueError(
                f"discriminator.mbstd_num_channels divides the width at 4 x 4, {width}; "
                f"got {mbstd_num_channels}."
            )
        self.alpha = check_alpha("discriminator", alpha)
        self.activation = activation
        self.last_level = len(channels) - 1
        first = self.last_level - 1 if alpha < 1 and self.last_level else self.last_level
        self.from_image = nn.ModuleDict(
            {
                str(i): ConvLayer(img_channels, channels[i], 1, activation=reading, clamp=None)
                for i in range(first, self.last_level + 1)
            }
        )
        inner = channels if widening == "second" else (0, *channels)
        self.levels = nn.ModuleDict(
            {
                str(i): nn.Sequential(
                    ConvLayer(channels[i], inner[i], 3, activation=activation, clamp=None),
                    AveragedConvLayer(inner[i], channels[i - 1], activation=activation, taps=taps),
                )
                for i in range(self.last_level, 0, -1)
            }
        )
        self.deviation = MinibatchDeviation(mbstd_group_size, mbstd_num_channels)
        self.conv = ConvLayer(width + mbstd_num_channels, width, 3, activation=activation, clamp=None)
        self.linear = EqualizedLinear(width * 16, width)
        self.out = EqualizedLinear(width, max(1, label_dim))

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        x: Tensor = self.conv(self.deviation(self._descended(images, self.last_level)))
        x = bias_act(self.linear(x.flatten(1)), activation=self.activation)
        x = self.out(x)
        return x if label is None else (x * label).sum(dim=1, keepdim=True)

    def layers(self) -> list[nn.Module]:
        parts = [*self.from_image.items(), *self.levels.items()]
        level = {id(layer): int(i) for i, part in parts for layer in part.modules()}
        return sorted(super().layers(), key=lambda layer: -level.get(id(layer), -1))

    def hidden(self, images: Tensor, levels: int) -> Tensor:
        in_range("levels", levels, 1, self.last_level)
        return self._descended(images, levels)

    def _descended(self, images: Tensor, levels: int) -> Tensor:
        """Features after so many levels from the image down."""
        if images.device.type == "cpu" and CHANNELS_LAST:  # all that follows keeps the layout
            images = images.contiguous(memory_format=torch.channels_last)
        last = self.last_level
        x: Tensor = self.from_image[str(last)](images)
        for level in range(last, last - levels, -1):
            x = cast(Tensor, self.levels[str(level)](x))
            if level == last and self.alpha < 1:
                below = self.from_image[str(last - 1)](F.avg_pool2d(images, 2))
                x = x * self.alpha + below * (1 - self.alpha)
        return x


class AveragedConvLayer(ConvLayer):
    """Blur, convolution, mean over 2 x 2 pixels, bias and activation: `[N, in, H, W]` to half the size.

    The mean is taken in front of the convolution, which then needs a quarter of its places.
    """

    def __init__(self, in_channels: int, out_channels: int, *, activation: str, taps: Taps) -> None:
        super().__init__(in_channels, out_channels, 3, activation=activation, clamp=None)
        self.filter = nn.Sequential(
            Blur(taps, (len(taps) // 2, (len(taps) - 1) // 2)), Blur((1.0, 1.0), (1, 1))
        )
        self.stride, self.padding = 2, 0
