"""Heads: what leaves the network, pixels at the level's size or sub-bands of an image twice that size.

The synthesis loop calls a head once per level, from 4 x 4 up, with the level's features and the image so far.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.base import Block, Fold, is_overridden, prefixed
from ganzoo.blocks.conv import FoldedConv, FullConv
from ganzoo.blocks.demodulation import NoDemodulation
from ganzoo.ops.resample import Upsample
from ganzoo.ops.wavelet import IDWT, BlocksToSpace, haar_pixels, subband_order
from ganzoo.registry import Registry

OutputKind = Literal["pixel", "wavelet"]
_DETAILS = 0.1  # of an image are about so strong as its low band; a head of noise learns far more slowly


class ToImage(nn.Module):
    """Modulated 1 x 1 convolution and a bias, no demodulation: `[N, C, r, r]` to `[N, out, r, r]`.

    With `w_dim=0` it is not modulated.

    Args:
        subbands: Whether the output is sub-bands: those of details start at a tenth of the low bands'.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        *,
        subbands: bool = False,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        conv = SubbandConv if subbands else FullConv
        self.conv = conv(
            in_channels=in_channels,
            out_channels=out_channels,
            w_dim=w_dim,
            demodulation=NoDemodulation(in_channels=in_channels),
            kernel_size=1,
        )
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.clamp = clamp
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Bias 0."""
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.conv(x, w) + self.bias[:, None, None]
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)

    def narrowed(self, keep_in: Tensor) -> dict[str, Tensor]:
        """Tensors by name for features of these channels alone, as in `Block.narrowed`."""
        every = torch.arange(len(self.bias), device=keep_in.device)
        return {"bias": self.bias, **prefixed("conv", self.conv.narrowed(keep_in, every))}


class SubbandConv(FullConv):
    """A convolution to sub-bands."""

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew, those of details weaker."""
        super().reset_parameters(generator)
        if not self.weight.is_meta:
            self.weight[self.out_channels // 4 :] *= _DETAILS


class Head(Block, ABC):
    """Base of the heads. A new one gives `predicting_levels`, and `image_levels` and `combine` as it needs.

    Args:
        channels: Width of every feature level, from 4 x 4 up.
        w_dim: Width of w.
        img_channels: Channels of the image.
        output: "pixel" or "wavelet".
        clamp: Limit of the predictions; None does not clip.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        w_dim: int,
        img_channels: int,
        output: OutputKind,
        clamp: float | None,
    ) -> None:
        super().__init__()
        self.idwt = IDWT() if output == "wavelet" else None
        self.last_level = len(channels) - 1
        subbands = output == "wavelet"
        outputs = 4 * img_channels if subbands else img_channels
        self.to_image = nn.ModuleDict(
            {
                str(level): ToImage(channels[level], outputs, w_dim, subbands=subbands, clamp=clamp)
                for level in self.predicting_levels()
            }
        )

    @abstractmethod
    def predicting_levels(self) -> list[int]:
        """Levels at which this head predicts; the last one always."""

    def image_levels(self) -> list[int]:
        """Levels whose predictions make the image; the others serve the training alone."""
        return self.predicting_levels()

    def combine(self, image: Tensor | None, pixels: Tensor) -> Tensor:
        """The image so far, from the image below and the pixels of this level's prediction."""
        return pixels

    def pixels(self, prediction: Tensor) -> Tensor:
        """The pixels that a prediction stands for: `[N, img_channels, R, R]`."""
        return prediction if self.idwt is None else self.idwt(prediction)

    def images(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """The image that the network stands for at every level that predicts, `[N, img_channels, R, R]`.

        Args:
            levels: Predictions of all of them, from low to high, as in `Output.levels`; the last one's
                image is `Output.image`.

        Raises:
            ValueError: for another number of predictions.
        """
        if len(levels) != len(self.to_image):
            raise ValueError(f"This head predicts at {len(self.to_image)} levels; got {len(levels)}.")
        image: Tensor | None = None
        found = []
        for prediction in levels:
            image = self.combine(image, self.pixels(prediction))
            found.append(image)
        return found

    def forward(
        self, level: int, x: Tensor, w: Tensor, image: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """The image so far and this level's own prediction; None where the head does not have them yet.

        Args:
            level: Number of the level, 0 for 4 x 4.
            x: Features `[N, channels[level], r, r]`.
            w: Row of w, `[N, w_dim]`.
            image: Image that the level below returned.
        """
        if str(level) not in self.to_image:
            return image, None
        prediction = self.to_image[str(level)](x, w)
        if level in self.image_levels():
            image = self.combine(image, self.pixels(prediction))
        return image, prediction

    def can_fold(self) -> bool:
        return not is_overridden(self, Head, "forward")

    def folded_at(self, orders: Sequence[Tensor | None]) -> nn.Module:
        """The head that gives the image alone, called like this one.

        Args:
            orders: Order of the channels of every level's features, as in `Fold`.
        """
        return FoldedHead(self, orders) if self.can_fold() else self

    def input_norms_at(self, level: int, w: Tensor) -> Tensor:
        """How much the weights make of every channel of a level's features, as in `Block.input_norms`."""
        if str(level) not in self.to_image:
            return w.new_zeros(1)
        return cast(ToImage, self.to_image[str(level)]).conv.input_norms(w)

    def style_weights(self) -> list[Tensor]:
        return cast(ToImage, self.to_image[str(self.last_level)]).conv.style_weights()

    def narrowed_at(self, keep: Mapping[int, Tensor]) -> dict[str, Tensor]:
        """Tensors by name of the same head on features with fewer channels, as in `Block.narrowed`.

        Args:
            keep: Indices of the channels of the features by level; other levels have no prediction.
        """
        if not self.can_fold():
            return {}
        found: dict[str, Tensor] = {}
        for level, channels in keep.items():
            if str(level) in self.to_image:
                prediction = cast(ToImage, self.to_image[str(level)])
                found |= prefixed(f"to_image.{level}", prediction.narrowed(channels))
        return found


HEADS: Registry[Head] = Registry("head", context=["channels", "w_dim", "img_channels", "output", "clamp"])


@HEADS.register("skip")
class SkipHead(Head):
    """Predictions of all levels, upsampled and summed (Karras et al. 2020, section 4.1).

    Args:
        taps: Taps of the separable filter that upsamples the image so far.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        w_dim: int,
        img_channels: int,
        output: OutputKind,
        clamp: float | None,
        taps: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0),
    ) -> None:
        super().__init__(
            channels=channels, w_dim=w_dim, img_channels=img_channels, output=output, clamp=clamp
        )
        self.upsample = Upsample(taps)

    def predicting_levels(self) -> list[int]:
        return list(range(self.last_level + 1))

    def combine(self, image: Tensor | None, pixels: Tensor) -> Tensor:
        return pixels if image is None else self.upsample(image) + pixels


@HEADS.register("aux")
class AuxHead(Head):
    """A prediction at every level for the loss; the last is the image (Belousov 2021, section 3)."""

    def predicting_levels(self) -> list[int]:
        return list(range(self.last_level + 1))

    def image_levels(self) -> list[int]:
        return [self.last_level]


@HEADS.register("fade")
class FadeHead(Head):
    """The last level's prediction while it is faded in over the one below (Karras et al. 2018, figure 2).

    Args:
        alpha: Share of the last level, 0 to 1; the rest is the level below, every pixel repeated.

    Raises:
        ValueError: for an alpha out of range.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        w_dim: int,
        img_channels: int,
        output: OutputKind,
        clamp: float | None,
        alpha: float = 1.0,
    ) -> None:
        super().__init__(
            channels=channels, w_dim=w_dim, img_channels=img_channels, output=output, clamp=clamp
        )
        self.alpha = check_alpha("head", alpha)

    def predicting_levels(self) -> list[int]:
        return list(range(max(0, self.last_level - 1), self.last_level + 1))

    def combine(self, image: Tensor | None, pixels: Tensor) -> Tensor:
        if image is None:
            return pixels
        below = F.interpolate(image, scale_factor=2.0, mode="nearest")
        return pixels * self.alpha + below * (1 - self.alpha)


def check_alpha(kind: str, alpha: float) -> float:
    """A share of the last level.

    Raises:
        ValueError: unless it is from 0 to 1.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"{kind}.alpha is 0 to 1; got {alpha}.")
    return alpha


@HEADS.register("single")
class SingleHead(Head):
    """One prediction, at the last level: what an auxiliary head leaves after training."""

    def predicting_levels(self) -> list[int]:
        return [self.last_level]


class FoldedHead(nn.Module):
    """A head that keeps only what the image needs; called like the `Head` that it takes over.

    The inverse transform of sub-bands moves into the convolution that predicts them.
    """

    def __init__(self, head: Head, orders: Sequence[Tensor | None]) -> None:
        super().__init__()
        to_image = {level: cast(ToImage, head.to_image[str(level)]) for level in head.image_levels()}
        self.clamp = to_image[head.last_level].clamp
        # A clamp limits the sub-bands themselves: then all of the transform stays behind it.
        transforms = head.idwt is not None and self.clamp is None and not is_overridden(head, Head, "pixels")
        self.to_space = BlocksToSpace() if transforms else None
        self.to_image = nn.ModuleDict()
        for level, prediction in to_image.items():
            bias = prediction.bias
            folded = FoldedConv(prediction.conv, Fold(bias=bias, order_in=orders[level]))
            if transforms:
                order = subband_order(bias.numel()).to(bias.device)
                [weight] = folded.weights
                folded.weights = nn.ParameterList([nn.Parameter(haar_pixels(0.5 * weight[order]))])
                folded.bias = nn.Parameter(haar_pixels(0.5 * bias[order]))
            self.to_image[str(level)] = folded
        head.to_image = nn.ModuleDict()
        self.head = head

    def forward(self, level: int, x: Tensor, w: Tensor, image: Tensor | None) -> tuple[Tensor | None, None]:
        if str(level) not in self.to_image:
            return image, None
        prediction = self.to_image[str(level)](x, w)
        if self.clamp is not None:
            prediction = prediction.clamp(-self.clamp, self.clamp)
        pixels = self.head.pixels(prediction) if self.to_space is None else self.to_space(prediction)
        return self.head.combine(image, pixels), None
