"""The discriminators of BigGAN and BigGAN-deep (Brock et al. 2019, appendix B)."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.discriminator import DISCRIMINATORS, DiscriminatorBlock
from ganzoo.ops.activation import ACTIVATIONS, bias_act
from ganzoo.ops.attention import SelfAttention
from ganzoo.ops.spectral import EPS, Initial, SpectralConv2d, SpectralEmbedding, SpectralLinear
from ganzoo.system.validation import in_range, unknown

Activation = Callable[[Tensor], Tensor]
BOTTLENECK = 4  # a deep block computes with a quarter of its channels


@DISCRIMINATORS.register("biggan")
class BigGANDiscriminator(DiscriminatorBlock):
    """Images `[N, img_channels, R, R]` and labels `[N, label_dim]` to logits `[N, 1]`.

    Residual blocks without normalisation of their features, each with a mean over 2 x 2, down to `last_side`,
    and some that keep the size; the sum over all places is judged by a linear layer, and by its product with
    the vector of the label. All weights are divided by their largest singular value, whose vectors move with
    every call in train mode.

    Args:
        resolution: Side of the images.
        channels: Width of every level from 4 x 4 up. A block has the width of the level that it leads to; the
            first convolution of a deep one that of the last level, which else has no use.
        img_channels: Channels of the images.
        label_dim: Width of the label, 0 for none.
        deep: Whether blocks are BigGAN-deep's: four convolutions around a narrow middle, and a shortcut that
            keeps the channels it has.
        depth: Blocks for every level; all but the first keep size and width.
        last_side: Side at which the blocks stop to halve.
        flat: Widths of blocks behind that, which keep the size. The original's has one, and with 32 x 32, two
            at a side of 8; BigGAN-deep has none.
        attention: Numbers of the levels, counted from the image and from 0, that end in self-attention.
        wide: Whether the first convolution of a block that is not deep widens, not the second.
        activation: Name in `ganzoo.ops.activation.ACTIVATIONS`, without its gain; what enters a block
            passes a ReLU, whatever it is.
        slope: Slope of the negative part of `lrelu`.
        spectral: Whether weights are divided by their largest singular value.
        eps: Least length by which the vectors of the power method are divided.
        initial: Weights of a new network: "orthogonal", or "normal" of deviation 0.02.

    Raises:
        ValueError: for an option out of range, or a deep network that becomes narrower.
    """

    layered = True

    def __init__(
        self,
        *,
        resolution: int,
        channels: tuple[int, ...],
        img_channels: int,
        label_dim: int,
        deep: bool = False,
        depth: int = 1,
        last_side: int = 4,
        flat: tuple[int, ...] = (),
        attention: tuple[int, ...] = (),
        wide: bool = True,
        activation: str = "relu",
        slope: float = 0.2,
        spectral: bool = True,
        eps: float = EPS,
        initial: Initial = "orthogonal",
    ) -> None:
        super().__init__()
        in_range("discriminator.depth", depth, 1, 16)
        last = last_side.bit_length() - 3 if last_side > 0 else -1  # level of the last features
        if last_side != 4 << max(0, last) or last > len(channels) - 2:
            raise ValueError(
                f"discriminator.last_side is a power of two from 4 to {resolution // 2}; got {last_side}."
            )
        if activation not in ACTIVATIONS:
            raise ValueError(unknown("activation", activation, ACTIVATIONS))
        self.act = partial(bias_act, activation=activation, slope=slope, gain=1.0)
        widths = [*reversed(channels[last:-1]), *flat]
        if flat and min(flat) < 1:
            raise ValueError(f"discriminator.flat holds widths of at least 1; got {list(flat)}.")
        if attention and not 0 <= min(attention) <= max(attention) < len(widths):
            raise ValueError(
                f"discriminator.attention holds numbers of levels, 0 to {len(widths) - 1}; got "
                f"{list(attention)}."
            )
        options: dict[str, Any] = {"spectral": spectral, "eps": eps, "initial": initial}
        width = img_channels
        self.first: SpectralConv2d | None = None
        if deep:
            self.first = SpectralConv2d(img_channels, channels[-1], 3, **options)
            width = channels[-1]
        self.levels = nn.ModuleList()
        for i, out in enumerate(widths):
            level = nn.Sequential()
            for j in range(depth):
                down = j == 0 and i < len(widths) - len(flat)
                if deep:
                    level.append(DeepBlock(width, out, self.act, down=down, **options))
                else:
                    activated = i + j > 0  # images are not
                    how = {"down": down, "activated": activated, "wide": wide}
                    level.append(PlainBlock(width, out, self.act, **how, **options))
                width = out
            if i in attention:
                level.append(SelfAttention(width, **options))
            self.levels.append(level)
        self.out = SpectralLinear(width, 1, **options)
        self.embed = SpectralEmbedding(label_dim, width, **options) if label_dim else None

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        x = self.act(self.hidden(images, len(self.levels))).sum(dim=(2, 3))
        logits: Tensor = self.out(x)
        if self.embed is None:
            return logits
        projected: Tensor = self.embed(label) * x
        return logits + projected.sum(dim=1, keepdim=True)

    def hidden(self, images: Tensor, levels: int) -> Tensor:
        in_range("levels", levels, 1, len(self.levels))
        if images.device.type == "cpu":  # all that follows keeps the layout, and is quicker with it
            images = images.contiguous(memory_format=torch.channels_last)
        x: Tensor = images if self.first is None else self.first(images)
        for level in list(self.levels)[:levels]:
            x = level(x)
        return x


class PlainBlock(nn.Module):
    """`[N, in, H, W]` to `[N, out, H / 2, W / 2]`, or of the same size: two convolutions and a shortcut.

    Args:
        in_channels, out_channels: Channels of the features.
        act: Activation between the convolutions.
        down: Whether a mean over 2 x 2 follows.
        activated: Whether the input passes a ReLU first.
        wide: Whether the first convolution has the output's width, else the input's.
        options: Options of the convolutions; see `ganzoo.ops.spectral.SpectralLayer`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        act: Activation,
        *,
        down: bool,
        activated: bool,
        wide: bool,
        **options: Any,
    ) -> None:
        super().__init__()
        self.down, self.activated, self.act = down, activated, act
        middle = out_channels if wide else in_channels
        self.conv0 = SpectralConv2d(in_channels, middle, 3, **options)
        self.conv1 = SpectralConv2d(middle, out_channels, 3, **options)
        self.shortcut: SpectralConv2d | None = None
        if down or in_channels != out_channels:
            self.shortcut = SpectralConv2d(in_channels, out_channels, 1, **options)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.act(self.conv0(F.relu(x) if self.activated else x)))
        # The mean first: it costs the convolution three places in four, and the order makes no difference.
        x = F.avg_pool2d(x, 2) if self.down else x
        around = x if self.shortcut is None else self.shortcut(x)
        return cast(Tensor, around + (F.avg_pool2d(y, 2) if self.down else y))


class DeepBlock(nn.Module):
    """`[N, in, H, W]` to `[N, out, H / 2, W / 2]`, or of the same size: four convolutions and a shortcut.

    Args:
        in_channels, out_channels: Channels of the features; the shortcut adds what the output has more.
        act: Activation between the convolutions.
        down: Whether a mean over 2 x 2 comes before the last convolution.
        options: Options of the convolutions; see `ganzoo.ops.spectral.SpectralLayer`.

    Raises:
        ValueError: if the output has fewer channels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, act: Activation, *, down: bool, **options: Any
    ) -> None:
        super().__init__()
        if out_channels < in_channels:
            raise ValueError(
                f"A deep discriminator becomes no narrower from the image on; got a block from {in_channels} "
                f"to {out_channels} channels."
            )
        self.down, self.act = down, act
        middle = max(1, out_channels // BOTTLENECK)
        self.conv0 = SpectralConv2d(in_channels, middle, 1, **options)
        self.conv1 = SpectralConv2d(middle, middle, 3, **options)
        self.conv2 = SpectralConv2d(middle, middle, 3, **options)
        self.conv3 = SpectralConv2d(middle, out_channels, 1, **options)
        self.shortcut: SpectralConv2d | None = None
        if out_channels > in_channels:
            self.shortcut = SpectralConv2d(in_channels, out_channels - in_channels, 1, **options)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.conv2(self.act(self.conv1(self.act(self.conv0(F.relu(x)))))))
        if self.down:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        if self.shortcut is not None:
            x = torch.cat([x, self.shortcut(x)], dim=1)
        return cast(Tensor, x + self.conv3(y))
