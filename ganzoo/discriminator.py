"""The discriminator: a registered network behind one call."""

from typing import cast

from torch import Tensor, nn

from ganzoo.blocks import DISCRIMINATORS
from ganzoo.config import DiscriminatorConfig


class Discriminator(nn.Module):
    """Pictures `[N, img_channels, R, R]` in -1..1 to logits `[N, 1]`: above 0 for real.

    Attributes:
        network: the registered block.
        config: what it is made of.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.resolution = config.resolution
        self.img_channels = config.img_channels
        self.label_dim = config.label_dim
        self.network = DISCRIMINATORS.build(
            config.discriminator,
            resolution=config.resolution,
            channels=config.channels,
            img_channels=config.img_channels,
            label_dim=config.label_dim,
        )
        self.eval()

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """Logits `[N, 1]`.

        Args:
            images: `[N, img_channels, R, R]`.
            label: `[N, label_dim]`, one-hot; required if the network is conditional, refused if it is not.

        Raises:
            ValueError: if a shape is wrong, or a label is missing or not asked for.
        """
        shape = (self.img_channels, self.resolution, self.resolution)
        if images.shape[1:] != shape:
            sizes = ", ".join(map(str, shape))
            raise ValueError(f"Pictures have shape [N, {sizes}]; got {list(images.shape)}.")
        if (label is not None) != (self.label_dim > 0):
            has = f"needs a label [N, {self.label_dim}]" if self.label_dim else "takes no label"
            raise ValueError(f"This discriminator {has}.")
        if label is not None and label.shape != (images.shape[0], self.label_dim):
            raise ValueError(
                f"label has shape [{images.shape[0]}, {self.label_dim}]; got {list(label.shape)}."
            )
        return cast(Tensor, self.network(images, label))
