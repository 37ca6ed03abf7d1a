"""Everything that determines a BigGAN."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from ganzoo.blocks import KINDS
from ganzoo.blocks.classes import columns, has_parts, row_width
from ganzoo.generators.biggan.levels import Place
from ganzoo.generators.biggan.synthesis import BigGANSynthesis
from ganzoo.generators.config import GENERATORS, MAX_WIDTH, WHAT, GeneratorConfig
from ganzoo.generators.widths import MAX_RESOLUTION, WIDTHS, with_channels
from ganzoo.ops.activation import ACTIVATIONS
from ganzoo.system.validation import check_fields, in_range, unknown

MAX_DEPTH, MAX_BLOCKS = 16, 128


@GENERATORS.register("biggan")
@dataclass(frozen=True, kw_only=True)
class BigGANConfig(GeneratorConfig):
    """Everything that determines the architecture (Brock et al. 2019, appendix B).

    Row 0 of w feeds the linear layer that makes the first features, row i the normalisations of block i; the
    last row's truncation counts for the normalisation behind the last block.

    Args:
        resolution: Side of the image, `base_side` times a power of two.
        channels: Width of every level from `base_side` up. `from_dict` also takes `channel_base` and
            `channel_max` instead: widths `min(channel_base // r, channel_max)` at level r.
        w_dim: Width of a row; 0 takes what a mapping network of classes gives.
        block: "residual", two 3 x 3 convolutions (BigGAN), or "bottleneck", two of a quarter of the width
            between 1 x 1 ones (BigGAN-deep).
        depth: Blocks a level; the last of them doubles the size and changes the width.
        layers: Every block's `[doubles, width before, width after]`, where they are not `depth` a level; null
            where they are.
        attention: Numbers of blocks behind which self-attention stands, such as `[4]`. A number that is
            larger than that of all blocks has no effect, so that a recipe holds for smaller images, too.
        base_side: Side of the first features.
        mapping, norm: Blocks, each `{"name": ..., option: value}`.
        activation: Name of the activation, without its gain.
        slope: Slope of the negative part of `lrelu`.
        separable: Whether every 3 x 3 convolution is a depthwise and a pointwise one, for students.
        spectral: Spectral norm: "step" takes a step of power iteration in every call, "stored" none in eval
            mode, "none" does not scale the weights.
        spectral_eps: Least length that its vectors are divided by.
        initial: Initial weights, "orthogonal" or "normal" with deviation 0.02.
        rgb_channels: Channels of the last convolution, of which the first are the image; null takes
            `img_channels`.

    Raises:
        ValueError: for any value out of its range, an unknown block or option.
    """

    channels: tuple[int, ...]
    w_dim: int = 0
    z_dim: int = 128
    block: Literal["residual", "bottleneck"] = "residual"
    depth: int = 1
    layers: tuple[tuple[bool, int, int], ...] | None = None
    attention: tuple[int, ...] = ()
    base_side: int = 4
    mapping: Mapping[str, Any] = field(default_factory=lambda: {"name": "classes"})
    norm: Mapping[str, Any] = field(default_factory=lambda: {"name": "batch"})
    activation: str = "relu"
    slope: float = 0.2
    separable: bool = False
    spectral: Literal["step", "stored", "none"] = "step"
    spectral_eps: float = 1e-6
    initial: Literal["orthogonal", "normal"] = "orthogonal"
    rgb_channels: int | None = None

    def __post_init__(self) -> None:
        check_fields(self, KINDS)
        check_levels(self)
        if self.w_dim == 0 and self.has_classes:
            object.__setattr__(self, "w_dim", row_width(self.mapping, **self.row_settings))
        super().__post_init__()
        self.build_mapping()
        if self.activation not in ACTIVATIONS:
            raise ValueError(unknown("activation", self.activation, ACTIVATIONS))
        for name in ("slope", "spectral_eps"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is positive; got {getattr(self, name)}.")
        for count in self.attention:
            in_range("a number of blocks in attention", count, 0, MAX_BLOCKS)
        if len(set(self.attention)) != len(self.attention):
            raise ValueError(f"attention names every place once; got {list(self.attention)}.")
        if self.rgb_channels is not None:
            in_range("rgb_channels", self.rgb_channels, self.img_channels, MAX_WIDTH)
        low, high = self.condition_columns
        if low == high:
            raise ValueError("Blocks without a part of z need classes: give label_dim, or spread=chunks.")

    @property
    def places(self) -> tuple[Place, ...]:
        """Where every block stands, in the order of the blocks."""
        return tuple(places(self.channels, self.depth, self.layers))

    @property
    def first_channels(self) -> int:
        """Width of the features that the linear layer makes."""
        return self.places[0].in_channels if self.places else self.channels[0]

    @property
    def num_ws(self) -> int:
        """Rows of w: one for the linear layer and one for every block."""
        return len(self.places) + 1

    @property
    def has_classes(self) -> bool:
        """Whether rows of w have parts of their own, and a place for the truncation perhaps."""
        return has_parts(self.mapping["name"])

    @property
    def row_settings(self) -> dict[str, int]:
        """What the width of such a row depends on besides the mapping network."""
        return {"z_dim": self.z_dim, "num_ws": self.num_ws, "label_dim": self.label_dim}

    @property
    def input_columns(self) -> tuple[int, int]:
        """Columns of row 0 that the linear layer reads: of BigGAN those of z, of BigGAN-deep all of them."""
        if not self.has_classes:
            return 0, self.w_dim
        label, z = columns(self.mapping, **self.row_settings)
        return (0, max(label[1], z[1])) if self.mapping["spread"] == "whole" else z

    @property
    def condition_columns(self) -> tuple[int, int]:
        """Columns of the other rows that the blocks read."""
        if not self.has_classes:
            return 0, self.w_dim
        label, z = columns(self.mapping, **self.row_settings)
        return label if self.mapping["spread"] == "first" else (0, max(label[1], z[1]))

    @property
    def level_channels(self) -> tuple[int, ...]:
        return self.channels

    @property
    def level_sides(self) -> tuple[int, ...]:
        return tuple(self.base_side << level for level in range(len(self.channels)))

    @property
    def row_sides(self) -> tuple[int, ...]:
        return (self.base_side, *(self.level_sides[place.level] for place in self.places))

    @property
    def largest_features(self) -> int:
        sides, found = self.row_sides, [self.first_channels * self.base_side**2]
        for place, side in zip(self.places, sides[1:], strict=True):
            found.append(max(place.in_channels, place.out_channels) * side**2)
        # From every place to a quarter of them.
        maps = [sides[count] ** 4 // 4 for count in self.attention if count < len(sides)]
        return max(*found, *maps, self.img_channels * self.resolution**2)

    @property
    def family(self) -> str:
        return "biggan_deep" if self.block == "bottleneck" else "biggan"

    def describe(self) -> str:
        convs = ", depthwise" if self.separable else ""
        return f"{self.block} blocks{convs}, {super().describe()}"

    def build_synthesis(self) -> BigGANSynthesis:
        return BigGANSynthesis(
            num_ws=self.num_ws,
            w_dim=self.w_dim,
            places=self.places,
            first_channels=self.first_channels,
            base_side=self.base_side,
            attention=self.attention,
            input_columns=self.input_columns,
            condition_columns=self.condition_columns,
            with_psi=self.has_classes and self.mapping["with_psi"],
            of_classes=self.has_classes and self.label_dim > 0 and self.mapping["embed_dim"] is None,
            img_channels=self.img_channels,
            rgb_channels=self.rgb_channels or self.img_channels,
            block=self.block,
            norm=self.norm,
            activation=self.activation,
            slope=self.slope,
            separable=self.separable,
            spectral={
                "spectral": self.spectral != "none",
                "stored": self.spectral == "stored",
                "eps": self.spectral_eps,
                "initial": self.initial,
            },
        )

    @classmethod
    def keys(cls) -> set[str]:
        return {*super().keys(), *WIDTHS}

    @classmethod
    def arguments(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        return with_channels(data, WHAT) if set(WIDTHS) & data.keys() else dict(data)


def places(
    channels: tuple[int, ...], depth: int, layers: tuple[tuple[bool, int, int], ...] | None
) -> Iterator[Place]:
    """Where every block stands; see the fields of `BigGANConfig`."""
    level = 0
    if layers is None:
        for below, above in pairwise(channels):
            for _ in range(depth - 1):
                yield Place(level, below, below, False)
            level += 1
            yield Place(level, below, above, True)
        return
    for doubles, below, above in layers:
        level += doubles
        yield Place(level, below, above, doubles)


def check_levels(config: BigGANConfig) -> None:
    """Raise ValueError for levels and blocks that contradict each other."""
    levels = len(config.channels)
    in_range("base_side", config.base_side, 1, MAX_RESOLUTION)
    in_range("resolution", config.resolution, 1, MAX_RESOLUTION)
    in_range("depth", config.depth, 1, MAX_DEPTH)
    if not levels or config.base_side << (levels - 1) != config.resolution:
        raise ValueError(
            f"channels lists the width of every level from {config.base_side} x {config.base_side} up, each "
            f"twice as large, to the resolution, {config.resolution}; got {levels}: {list(config.channels)}."
        )
    found = config.places
    for width in (*config.channels, *(width for place in found for width in place[1:3])):
        in_range("a width in channels", width, 1, MAX_WIDTH)
    last = dict.fromkeys(range(levels), config.channels[0])
    for place, after in zip(found, (*found[1:], None), strict=True):
        if after is not None and place.out_channels != after.in_channels:
            raise ValueError(
                f"A block of layers takes {after.in_channels} channels where {place.out_channels} come."
            )
        if config.block == "bottleneck" and place.out_channels > place.in_channels:
            raise ValueError(
                f"A bottleneck block keeps channels or drops some; {place.in_channels} cannot become "
                f"{place.out_channels}."
            )
        last[place.level] = place.out_channels
    if config.layers is not None and [last[level] for level in sorted(last)] != list(config.channels):
        raise ValueError(
            f"layers lead to the widths {[last[level] for level in sorted(last)]} and channels to "
            f"{list(config.channels)}: they are one."
        )
