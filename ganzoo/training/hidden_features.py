"""What the teacher's own discriminator sees in images, as a target for the student (Chen et al. 2020)."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.generators.discriminator import Discriminator
from ganzoo.losses import hidden_l1
from ganzoo.models.weights import load
from ganzoo.system.images import shrink


class HiddenFeatures:
    """Hidden features of a frozen discriminator, which sees images at its own resolution.

    Args:
        discriminator: The teacher's, on the device of the images.
        level: Levels that the features have passed.
    """

    def __init__(self, discriminator: Discriminator, level: int) -> None:
        self.discriminator, self.level = discriminator.requires_grad_(False), level

    def loss(self, images: Tensor, target: Tensor) -> Tensor:
        """L1 between the features of the student's images and of the teacher's."""
        with torch.no_grad():
            wanted = self._features(target)
        return hidden_l1(self._features(images), wanted.float())

    def _features(self, images: Tensor) -> Tensor:
        side = self.discriminator.resolution
        if images.shape[-1] > side:
            images = shrink(images, side)
        elif images.shape[-1] < side:
            images = F.interpolate(images, size=(side, side), mode="bilinear")
        return self.discriminator.hidden(images, self.level).float()


def load_hidden_features(folder: Path, level: int, img_channels: int, device: torch.device) -> HiddenFeatures:
    """The hidden features of the discriminator in a folder.

    Raises:
        ValueError: if there is none, or one of other images or too few levels.
        FileNotFoundError: if there is no such folder.
    """
    discriminator = load(folder)
    if not isinstance(discriminator, Discriminator):
        raise ValueError(
            f"teacher_discriminator={folder} is a generator: give what `ganzoo convert --part discriminator` "
            "wrote."
        )
    if discriminator.img_channels != img_channels:
        raise ValueError(
            f"teacher_discriminator={folder} sees images of {discriminator.img_channels} channels, not of "
            f"{img_channels}."
        )
    levels = len(discriminator.config.channels) - 1
    if level > levels:
        raise ValueError(
            f"loss.hidden_l1.level={level}, but the discriminator in {folder} has {levels} levels."
        )
    return HiddenFeatures(discriminator.to(device), level)
