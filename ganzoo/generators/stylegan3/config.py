"""Everything that determines a StyleGAN3."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from ganzoo.generators.config import GENERATORS, MAX_WIDTH, WHAT, GeneratorConfig
from ganzoo.generators.stylegan3.synthesis import Synthesis
from ganzoo.generators.stylegan3.table import Frequencies, Shape, layer_shapes
from ganzoo.generators.widths import MAX_RESOLUTION, check_resolution
from ganzoo.system.validation import in_range

MAX_LAYERS, MAX_FACTOR, MAX_FILTER, MAX_MARGIN = 64, 16, 64, 512
WIDTHS = ("channel_base", "channel_max", "num_layers")  # shorthands for channels
_FREQUENCIES = ("num_critical", "first_cutoff", "first_stopband", "last_stopband_rel")
_SHAPES = (
    "num_critical", "margin_size", "kernel_size", "filter_size", "lrelu_upsampling", "radial_filters",
)  # fmt: skip


@GENERATORS.register("stylegan3")
@dataclass(frozen=True, kw_only=True)
class StyleGAN3Config(GeneratorConfig):
    """Everything that determines the architecture; the defaults are T's (Karras et al. 2021, appendix D).

    Args:
        resolution: Side of the image, a power of two from 4 to 2048.
        channels: Width of every layer but the image's, from the first one. `from_dict` also takes
            `channel_base`, `channel_max` and `num_layers` instead: widths
            `min(channel_base / 2 / cutoff, channel_max)`, rounded.
        num_critical: Number of last layers at the image's own cutoff, which are critically sampled.
        first_cutoff: Cutoff of the first layer, in cycles per width of the image.
        first_stopband: Frequency that the first layer's filters stop.
        last_stopband_rel: The same of the last layer, relative to its cutoff.
        margin_size: Samples around the image on each side of it, of all layers but the last two.
        output_scale: Factor of the image.
        kernel_size: Side of the convolutions' kernels: 3 for T, 1 for R.
        filter_size: Taps of a filter per factor of up- or downsampling.
        lrelu_upsampling: Factor of the sampling rate at the activation.
        radial_filters: Whether downsampling is radially symmetric where it is not critical, as of R.
        clamp: Limit of the layers; None does not clip.
        magnitude_decay: Share that a layer's running mean of squares keeps in one step of training.
        mapping: Block, `{"name": ..., option: value}`.

    Raises:
        ValueError: for any value out of its range, an unknown block or option.
    """

    channels: tuple[int, ...]
    num_critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3
    margin_size: int = 10
    output_scale: float = 0.25
    kernel_size: int = 3
    filter_size: int = 6
    lrelu_upsampling: int = 2
    radial_filters: bool = False
    clamp: float | None = 256.0
    magnitude_decay: float = 0.999
    mapping: Mapping[str, Any] = field(default_factory=lambda: {"name": "mlp", "depth": 2})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_resolution(self.resolution, "pixel")
        in_range("the number of channels", len(self.channels), 1, MAX_LAYERS)
        for width in self.channels:
            in_range("a width in channels", width, 1, MAX_WIDTH)
        in_range("num_critical", self.num_critical, 0, len(self.channels) - 1)
        in_range("margin_size", self.margin_size, 0, MAX_MARGIN)
        in_range("filter_size", self.filter_size, 1, MAX_FILTER)
        for name in ("kernel_size", "lrelu_upsampling"):
            in_range(name, getattr(self, name), 1, MAX_FACTOR)
        for name in ("first_cutoff", "first_stopband", "last_stopband_rel", "output_scale"):
            if not 0 < getattr(self, name) < MAX_RESOLUTION:
                raise ValueError(f"{name} is above 0 and below {MAX_RESOLUTION}; got {getattr(self, name)}.")
        if self.clamp is not None and self.clamp <= 0:
            raise ValueError(f"clamp is positive, or null for none; got {self.clamp}.")
        if not 0 <= self.magnitude_decay <= 1:
            raise ValueError(f"magnitude_decay is a share from 0 to 1; got {self.magnitude_decay}.")
        _ = self.shapes  # which raises for numbers that give no filters

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The numbers of all layers, the last of which makes the image."""
        found = frequencies(self.resolution, len(self.channels), vars(self))
        return tuple(
            layer_shapes(
                found,
                self.channels,
                resolution=self.resolution,
                img_channels=self.img_channels,
                **{name: getattr(self, name) for name in _SHAPES},
            )
        )

    @property
    def num_ws(self) -> int:
        """Rows of w: one of the input, one a layer, one of the image's."""
        return len(self.channels) + 2

    @property
    def row_sides(self) -> tuple[int, ...]:
        """The side of an image that has what each row makes, but no finer detail: twice its cutoff.

        To the nearest power of two, which are the sides of other architectures' levels; the features
        themselves are sampled more often.
        """
        cutoffs = (self.shapes[0].in_cutoff, *(shape.out_cutoff for shape in self.shapes))
        return tuple(2 ** round(math.log2(2 * cutoff)) for cutoff in cutoffs)

    @property
    def largest_features(self) -> int:
        return max(s.out_channels * (s.in_size * s.up // max(1, s.down)) ** 2 for s in self.shapes)

    def describe(self) -> str:
        """What it is made of, in a few words."""
        filters = "radial filters" if self.radial_filters else "separable filters"
        size = self.kernel_size
        return f"{len(self.channels)} layers, {size} x {size} convolutions, {filters}, {super().describe()}"

    def build_synthesis(self) -> Synthesis:
        return Synthesis(
            self.shapes,
            w_dim=self.w_dim,
            clamp=self.clamp,
            output_scale=self.output_scale,
            magnitude_decay=self.magnitude_decay,
        )

    @classmethod
    def keys(cls) -> set[str]:
        return {*super().keys(), *WIDTHS}

    @classmethod
    def arguments(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        return with_channels(data)


def with_channels(data: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with `channels` instead of `channel_base`, `channel_max` and `num_layers`.

    Raises:
        ValueError: if the resolution or widths lack, or widths are given twice.
    """
    data, what = dict(data), WHAT.capitalize()
    if "resolution" not in data:
        raise ValueError(f"{what} needs a resolution.")
    check_resolution(data["resolution"], "pixel")
    given = {name: data.pop(name, None) for name in WIDTHS}
    if data.get("channels") is not None:
        layers = given.pop("num_layers")
        if any(value is not None for value in given.values()) or layers not in (None, len(data["channels"])):
            raise ValueError(f"{what} takes channels, or {', '.join(WIDTHS)}, not both.")
        return data
    if lacking := [name for name, value in given.items() if value is None]:
        raise ValueError(f"{what} needs channels, or {', '.join(WIDTHS)}; {', '.join(lacking)} lacks.")
    base, maximum, layers = (given[name] for name in WIDTHS)
    in_range("channel_base", base, 1, MAX_WIDTH * MAX_RESOLUTION)
    in_range("channel_max", maximum, 1, MAX_WIDTH)
    in_range("num_layers", layers, 1, MAX_LAYERS)
    data["channels"] = frequencies(data["resolution"], layers, data).channels(base, maximum)
    return data


def frequencies(resolution: int, num_layers: int, data: Mapping[str, Any]) -> Frequencies:
    """The frequencies of a config's fields, or of data that lacks some of them.

    Raises:
        ValueError: for values that are no numbers, or out of range.
    """
    defaults = {f.name: f.default for f in fields(StyleGAN3Config) if f.name in _FREQUENCIES}
    given = {name: data.get(name, default) for name, default in defaults.items()}
    for name, value in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value < 0 or (value == 0 and name != "num_critical"):
            raise ValueError(f"{name} is a number above 0; got {value!r}.")
    in_range("num_critical", given["num_critical"], 0, num_layers - 1)
    return Frequencies.of(resolution=resolution, num_layers=num_layers, **given)
