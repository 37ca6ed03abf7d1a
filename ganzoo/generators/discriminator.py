"""The discriminator and its config: a registered network behind one call."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast

from torch import Tensor, nn

from ganzoo.blocks import DISCRIMINATORS, KINDS, DiscriminatorBlock
from ganzoo.blocks.discriminator import layers_of
from ganzoo.generators.config import MAX_IMG_CHANNELS, MAX_LABELS
from ganzoo.generators.widths import WIDTHS, check_levels, with_channels
from ganzoo.system.validation import check_fields, from_mapping, in_range, only, plain


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Everything that determines a discriminator's architecture.

    Args:
        resolution: Side of the images, a power of two from 4 to 2048.
        channels: Width of every level from 4 x 4 up, `log2(resolution) - 1` of them. `from_dict` also takes
            `channel_base` and `channel_max` instead.
        label_dim: Width of the label, 0 for an unconditional network.
        img_channels: Channels of the images, 3 for color.
        discriminator: Block, `{"name": ..., option: value}`.

    Raises:
        ValueError: for any value out of its range, an unknown block or option.
    """

    resolution: int
    channels: tuple[int, ...]
    label_dim: int = 0
    img_channels: int = 3
    discriminator: Mapping[str, Any] = field(default_factory=lambda: {"name": "residual"})

    def __post_init__(self) -> None:
        check_fields(self, KINDS)
        check_levels(self.resolution, self.channels, "pixel")
        in_range("label_dim", self.label_dim, 0, MAX_LABELS)
        in_range("img_channels", self.img_channels, 1, MAX_IMG_CHANNELS)

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Width of every level, from 4 x 4 up."""
        return self.channels

    @property
    def family(self) -> str:
        """Name by which people look for such a network."""
        return str(
            getattr(DISCRIMINATORS.get(self.discriminator["name"]), "family", DiscriminatorBlock.family)
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "DiscriminatorConfig":
        """The config that a config.json describes; see `StyleGAN2Config`."""
        what = "a discriminator"
        only(data, [*(f.name for f in fields(cls)), *WIDTHS], f"setting of {what}")
        return from_mapping(cls, with_channels(data, what), what, blocks=KINDS)

    def to_dict(self) -> dict[str, Any]:
        """All fields and block options as plain lists, numbers and strings; `from_dict` takes them back."""
        return dict(plain(self))


class Discriminator(nn.Module):
    """Images `[N, img_channels, R, R]` in -1..1 to logits `[N, K]`: above 0 for real.

    K is 1, or the number of places that the block judges.

    Attributes:
        network: Registered block.
        config: Config that it is made of.
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

    @property
    def features(self) -> str | None:
        """Name of the frozen feature network that it needs from `look_through`; None for none."""
        return self.network.features if isinstance(self.network, DiscriminatorBlock) else None

    @property
    def seen(self) -> nn.Module | None:
        """Feature network that it was given; None for none."""
        return self.network.seen if isinstance(self.network, DiscriminatorBlock) else None

    def look_through(self, network: nn.Module) -> None:
        """Take the feature network, on the device of the images; it is neither trained nor saved.

        Raises:
            ValueError: if there is nothing to look through: the block judges images.
        """
        if self.features is None:
            raise ValueError("This discriminator judges images, not the features of a network.")
        cast(DiscriminatorBlock, self.network).look_through(network)

    def hidden(self, images: Tensor, levels: int) -> Tensor:
        """Features `[N, C, h, w]` of images `[N, img_channels, R, R]` after so many levels.

        Raises:
            ValueError: if the block gives none, or not so many.
        """
        if not isinstance(self.network, DiscriminatorBlock):
            raise ValueError(f"{type(self.network).__name__} gives no hidden features.")
        return self.network.hidden(images, levels)

    def layers(self) -> list[nn.Module]:
        """The modules with parameters of their own, in the order in which images pass them."""
        network = self.network
        return network.layers() if isinstance(network, DiscriminatorBlock) else layers_of(network)

    def after_step(self) -> None:
        """Move what follows the weights; to be called after every step of training."""
        if isinstance(self.network, DiscriminatorBlock):
            self.network.after_step()

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """Logits `[N, K]`.

        Args:
            images: `[N, img_channels, R, R]`.
            label: `[N, label_dim]`, one-hot; required if the network is conditional, refused if it is not.

        Raises:
            ValueError: if a shape is wrong, or a label is missing or not asked for.
        """
        shape = (self.img_channels, self.resolution, self.resolution)
        if images.shape[1:] != shape:
            sizes = ", ".join(map(str, shape))
            raise ValueError(f"Images have shape [N, {sizes}]; got {list(images.shape)}.")
        if (label is not None) != (self.label_dim > 0):
            has = f"needs a label [N, {self.label_dim}]" if self.label_dim else "takes no label"
            raise ValueError(f"This discriminator {has}.")
        if label is not None and label.shape != (images.shape[0], self.label_dim):
            raise ValueError(
                f"label has shape [{images.shape[0]}, {self.label_dim}]; got {list(label.shape)}."
            )
        return cast(Tensor, self.network(images, label))
