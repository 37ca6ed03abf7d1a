"""Augmentations of what a discriminator sees, as pure functions of an image and its random numbers."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ganzoo.registry import Registry

COLORS = 3  # channels; what comes after them is alpha


class Augment(nn.Module, ABC):
    """Base of the augmentations.

    A sample's result depends on its image and its row of numbers alone, whatever else is in the batch, and
    can be differentiated twice with respect to the image (for a gradient penalty).

    Attributes:
        numbers: How many random numbers one sample takes.
        p: Strength that a run moves and saves, a 0-dim tensor that is not learnt; None for an augmentation
            that stays as it is, as all but `ada` do.
    """

    numbers: int
    p: Tensor | None

    def __init__(self) -> None:  # nn.Module's takes anything, and this one is the schema
        super().__init__()
        self.register_buffer("p", None)

    @abstractmethod
    def forward(self, images: Tensor, random: Tensor) -> Tensor:
        """The augmented images, `[N, C, H, W]`.

        Args:
            images: `[N, C, H, W]`, in -1..1.
            random: `[N, numbers]`, uniform in [0, 1), on the images' device.

        Raises:
            ValueError: if `random` has another shape.
        """


AUGMENTS: Registry[Augment] = Registry("augment")


@AUGMENTS.register("none")
class NoAugment(Augment):
    """The images as they are."""

    numbers = 0

    def forward(self, images: Tensor, random: Tensor) -> Tensor:
        check_shape(images, random, self.numbers)
        return images


@AUGMENTS.register("diffaugment")
class DiffAugment(Augment):
    """Colour, mirroring, translation and cutout, in this order (Zhao et al. 2020, section 3).

    Mirroring is not in the paper. The numbers of a row are, in order: brightness, saturation, contrast,
    whether to recolour; shift down, shift right, whether to shift; cutout's row and column, whether to cut;
    whether to mirror. A part that is off leaves its numbers unread, so the others' draws stay as they were.

    Args:
        color: Whether to shift colors: add -0.5..0.5 (brightness), scale the distance from the pixel's mean
            over channels by 0..2 (saturation) and that from the image's mean by 0.5..1.5 (contrast); a fourth
            channel, alpha, is left as it is.
        translation: Furthest shift either way, by whole pixels, as a fraction of the image's side; what comes
            in is 0.
        cutout: Side of the square that is set to 0, as a fraction of the image's side. Its centre lies in the
            image, its rest may not.
        flip: Whether to mirror every second image, left to right.
        probability: Chance that a part is applied to a sample, for each of the four (Karras et al. 2020a,
            section 2.3).

    Raises:
        ValueError: for a fraction or probability that is not in 0..1.
    """

    numbers = 11

    def __init__(
        self,
        *,
        color: bool = True,
        translation: float = 0.125,
        cutout: float = 0.5,
        flip: bool = True,
        probability: float = 1.0,
    ) -> None:
        super().__init__()
        for key, value in (("translation", translation), ("cutout", cutout), ("probability", probability)):
            if not 0 <= value <= 1:
                raise ValueError(f"augment.{key} is between 0 and 1; got {value!r}.")
        self.color = color
        self.translation = translation
        self.cutout = cutout
        self.flip = flip
        self.probability = probability

    def forward(self, images: Tensor, random: Tensor) -> Tensor:
        check_shape(images, random, self.numbers)
        brightness, saturation, contrast, color, *place = random[:, :, None].unbind(1)  # each [N, 1]
        down, right, shift, top, left, cut, mirror = place
        height, width = images.shape[2:]
        if self.color:
            amounts = torch.stack([brightness - 0.5, 2 * saturation - 1, contrast - 0.5])
            amounts = torch.where(color < self.probability, amounts, 0)
            colored = recolor(images[:, :COLORS], *amounts)
            rest = images[:, COLORS:]
            images = torch.cat([colored, rest], dim=1) if images.shape[1] > COLORS else colored
        if self.translation or self.flip:
            rows = _shifted(down, height, self.translation, shift < self.probability)
            columns = _shifted(right, width, self.translation, shift < self.probability)
            mirrored = mirror < (0.5 * self.probability if self.flip else 0)
            images = pick(images, rows, torch.where(mirrored, width - 1 - columns, columns))
        if self.cutout:
            inside = _span(top, height, self.cutout)[:, :, None] & _span(left, width, self.cutout)[:, None]
            kept = ~(inside & (cut < self.probability)[:, :, None])
            images = images * kept[:, None].to(images.dtype)
        return images


def recolor(images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Images brighter by `brightness`, of 1 + `saturation` times and 1 + `contrast` times those they had.

    With c and s for the two factors, contrast around the mean of saturation around gray is
    c (s x + (1 - s) gray) + (1 - c) mean; brightness moves all of it alike, first or last.

    Args:
        images: `[N, C, H, W]`.
        brightness: `[N, 1]`.
        saturation: `[N, 1]`; of no effect on a single channel.
        contrast: `[N, 1]`.
    """
    saturation = 1 + saturation * (images.shape[1] > 1)
    contrast = 1 + contrast
    own, grays, means, added = (
        amount.to(images.dtype)[:, :, None, None]
        for amount in (contrast * saturation, contrast * (1 - saturation), 1 - contrast, brightness)
    )
    gray = images.mean(dim=1, keepdim=True)
    # Row by row, there and back: torch cuts the sum over a lone image into as many parts as there are
    # threads, and a sample's bits would depend on the size of the batch.
    mean = gray.mean(dim=3, keepdim=True)
    mean = mean.mean(dim=2, keepdim=True).expand_as(mean)  # [N, 1, H, 1]
    return images * own + (gray * grays + (mean * means + added))


def pick(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Images made of the pixels that lie at whole rows and columns; 0 where those are outside.

    The backward pass adds nothing but zeros to a pixel's one gradient: it gives the same bits in any order.

    Args:
        images: `[N, C, H, W]`.
        rows: `[N, H]`, without repetition inside the image.
        columns: `[N, W]`, likewise.
    """
    height, width = images.shape[2:]
    inside_rows, inside_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
    inside = inside_rows[:, :, None] & inside_columns[:, None]  # [N, H, W]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    index = (rows[:, :, None] * width + columns[:, None]).flatten(1)  # [N, H * W]
    # One gather of pixels took 0.5 ms forward and backward for 16 x 3 x 64 x 64 on two cores; advanced
    # indexing took 1.9, a gather a side 0.8.
    picked = images.flatten(2).gather(2, index[:, None].expand(-1, images.shape[1], -1))
    return picked.view_as(images) * inside[:, None].to(images.dtype)


def _shifted(random: Tensor, size: int, fraction: float, applied: Tensor) -> Tensor:
    """Which pixel, perhaps outside, comes to each place of a side that is shifted, `[N, size]`."""
    furthest = int(fraction * size + 0.5)
    shift = torch.where(applied, _whole(random, -furthest, furthest), 0)
    return torch.arange(size, device=random.device) - shift


def _span(random: Tensor, size: int, fraction: float) -> Tensor:
    """Which places of a side lie in a span of `fraction` of it whose centre lies on it, `[N, size]`."""
    length = int(fraction * size + 0.5)
    first = _whole(random, -(length // 2), size - length + length // 2)
    places = torch.arange(size, device=random.device)
    return (places >= first) & (places < first + length)


def _whole(random: Tensor, low: int, high: int) -> Tensor:
    """Whole numbers from `low` to `high`, equally likely."""
    return low + (random * (high - low + 1)).floor().long()


def check_shape(images: Tensor, random: Tensor, numbers: int) -> None:
    """Refuse random numbers that are no row of `numbers` for every image."""
    expected = (images.shape[0], numbers)  # len() would fix the size of the batch when exported
    if random.shape != expected:
        raise ValueError(
            f"{expected[0]} images take random numbers of shape {list(expected)}, a row each; got "
            f"{list(random.shape)}."
        )
