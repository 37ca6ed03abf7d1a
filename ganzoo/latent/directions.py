"""Directions: unit vectors of w along which something changes, and the files that hold them.

    directions = read_directions("faces", generator)
    older = edit(w, directions["age"], 2)

A set of directions is two files: `directions.yaml` names each one and says what it changes, and
`directions.safetensors` beside it holds the vectors. The names may be changed there, and lines deleted. The
set belongs to a mapping network, which all members of a family share; `ganzoo.latent.collections` finds the
sets that go with a model.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.latent.saved import same_mapping
from ganzoo.system.files import replacing
from ganzoo.system.kinds import open_tensors
from ganzoo.system.paths import missing, user_path
from ganzoo.system.validation import from_mapping, unknown

DIRECTIONS_FILE, VECTORS_FILE = "directions.yaml", "directions.safetensors"
FACTS = ("changes", "method", "origin", "license", "measured")  # what may be said of a direction
MAX_YAML = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
_UNIT = 1e-3  # by which a vector's length may differ from 1
_NO_FACTS: Mapping[str, str] = MappingProxyType({})

Rows = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction in W.

    Attributes:
        name: Letters, digits, `.`, `_` and `-`.
        vector: Unit vector `[w_dim]`, kept in float32 on the CPU.
        deviation: Standard deviation of w along the vector: the unit of strengths.
        rows: First row of w that it is for, and the one after the last; None for all.
        facts: What is said of it, by the keys of `FACTS`.

    Raises:
        ValueError: for another name or key, a vector of another length than 1, a deviation that is not
            positive, or rows that are no range.
    """

    name: str
    vector: Tensor
    deviation: float
    rows: Rows | None = None
    facts: Mapping[str, str] = field(default_factory=lambda: _NO_FACTS)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"A direction's name is up to 64 letters, digits and ._-, such as age; got {self.name!r}."
            )
        vector = self.vector.detach().float().cpu().contiguous()
        if vector.ndim != 1 or not abs(float(vector.norm()) - 1) <= _UNIT:
            raise ValueError(
                f"The vector of {self.name!r} is [w_dim] and of length 1; got {list(vector.shape)} of length "
                f"{float(vector.norm()):.4g}."
            )
        if not 0 < self.deviation < float("inf"):
            raise ValueError(f"The deviation of {self.name!r} is positive; got {self.deviation}.")
        if self.rows is not None:
            check_rows(self.rows, self.name)
        for key in self.facts:
            if key not in FACTS:
                raise ValueError(unknown(f"fact of the direction {self.name!r}", key, FACTS))
        object.__setattr__(self, "vector", vector)


@dataclass(frozen=True, eq=False)
class Directions:
    """Directions that belong to one mapping network.

    Attributes:
        directions: Directions of different names and one width.
        mapping: Fingerprint of the mapping network (`ganzoo.latent.saved.fingerprint`).
        model: Name of the model in which they were found.

    Raises:
        ValueError: for none, a name that comes twice, or widths that differ.
    """

    directions: tuple[Direction, ...]
    mapping: tuple[float, ...]
    model: str = ""

    def __post_init__(self) -> None:
        names, widths = self.names, {len(direction.vector) for direction in self.directions}
        if len(widths) != 1:
            raise ValueError(f"Directions are one or more, of one width; got the widths {sorted(widths)}.")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"Every direction has a name of its own; {', '.join(twice)} come twice.")

    @property
    def names(self) -> list[str]:
        """Names, in their order."""
        return [direction.name for direction in self.directions]

    def __len__(self) -> int:
        return len(self.directions)

    def __iter__(self) -> Iterator[Direction]:
        return iter(self.directions)

    def __getitem__(self, name: str) -> Direction:
        """The direction of that name.

        Raises:
            ValueError: if there is none; the message says which there are, and a near one.
        """
        for direction in self.directions:
            if direction.name == name:
                return direction
        raise ValueError(unknown("direction", name, self.names))

    def check(self, generator: Generator) -> None:
        """Raise ValueError unless they are directions of a generator's w."""
        width = len(self.directions[0].vector)
        if width != generator.w_dim:
            raise ValueError(
                f"These directions are {width} wide and this model's w {generator.w_dim}: they are another "
                "model's."
            )
        if not same_mapping(self.mapping, generator):
            raise ValueError(
                f"These directions are of another model{f', {self.model}' if self.model else ''}: its "
                "mapping network is not this one's."
            )

    def with_others(self, others: Iterable[Direction]) -> "Directions":
        """These and others of the same mapping network; of two with one name, the other."""
        merged = {direction.name: direction for direction in (*self.directions, *others)}
        return Directions(tuple(merged.values()), self.mapping, self.model)


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A direction in the YAML file; `vector` is its name in the other file where it was given a new one."""

    name: str
    deviation: float
    rows: Rows | None = None
    vector: str | None = None
    changes: str | None = None
    method: str | None = None
    origin: str | None = None
    license: str | None = None
    measured: str | None = None


@dataclass(frozen=True, kw_only=True)
class _File:
    """The YAML file."""

    mapping: tuple[float, ...]
    directions: tuple[_Entry, ...]
    model: str = ""


def read_file(path: str | os.PathLike[str], vectors: Path | None = None) -> Directions:
    """The directions of two files.

    Args:
        path: The YAML file, or the folder that holds `directions.yaml`.
        vectors: The file of vectors; None for the one beside the YAML file.

    Raises:
        ValueError: for an unknown or missing key, a value of another type, or a vector that is missing.
        FileNotFoundError: if one of the files is not there.
    """
    file = yaml_file(path)
    vectors = vectors or file.with_suffix(".safetensors")
    for needed in (file, vectors):
        if not needed.is_file():
            raise FileNotFoundError(missing(needed))
    try:
        data = from_mapping(_File, _read_yaml(file), "a file of directions")
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    with open_tensors(vectors) as opened:
        there = set(opened.keys())
        found = []
        for entry in data.directions:
            key = entry.vector or entry.name
            if key not in there:
                raise ValueError(f"{file}: {entry.name!r}: {unknown(f'vector of {vectors}', key, there)}")
            facts = {fact: text for fact in FACTS if (text := getattr(entry, fact)) is not None}
            found.append((entry, opened.get_tensor(key), facts))
    try:
        directions = (Direction(e.name, vector, e.deviation, e.rows, facts) for e, vector, facts in found)
        return Directions(tuple(directions), data.mapping, data.model)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def write_directions(
    path: str | os.PathLike[str], directions: Directions, vectors: Path | None = None
) -> Path:
    """Write directions as YAML and safetensors; each file appears whole or not at all. The YAML's path.

    Args:
        path: The YAML file to write, or the folder for `directions.yaml`, which is made if need be.
        directions: Directions to write.
        vectors: The file of vectors; None for one beside the YAML file.

    Raises:
        OSError: if they cannot be written.
    """
    file = yaml_file(path)
    vectors = vectors or file.with_suffix(".safetensors")
    entries = []
    for direction in directions:
        entry: dict[str, Any] = {"name": direction.name, "deviation": round(direction.deviation, 5)}
        if direction.rows is not None:
            entry["rows"] = list(direction.rows)
        entries.append({**entry, **{key: direction.facts[key] for key in FACTS if key in direction.facts}})
    data = {"model": directions.model, "mapping": list(directions.mapping), "directions": entries}
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(vectors) as temporary:
        save_file({d.name: d.vector for d in directions}, temporary, {"format": "pt"})
    with replacing(file) as temporary:
        temporary.write_text(OmegaConf.to_yaml(OmegaConf.create(data)), encoding="utf-8")
    return file


def yaml_file(path: str | os.PathLike[str]) -> Path:
    """The YAML file that a path stands for: itself, or `directions.yaml` in the folder."""
    file = user_path(path)
    return file if file.suffix == ".yaml" else file / DIRECTIONS_FILE


def check_rows(rows: Sequence[int], what: str) -> None:
    """Raise ValueError for what is no first row and the one after the last."""
    if not (len(rows) == 2 and 0 <= rows[0] < rows[1]):
        raise ValueError(
            f"The rows of {what} are the first one and the one after the last, such as (0, 3); got {rows}."
        )


def unit(vector: Tensor) -> Tensor:
    """A vector `[w_dim]` brought to length 1, its largest number positive: the sign says nothing.

    Raises:
        ValueError: if it has no length.
    """
    length = torch.linalg.vector_norm(vector)
    if not length > 0:
        raise ValueError("A vector of length 0 is no direction.")
    return vector / length * vector[vector.abs().argmax()].sign()


def _read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file as plain values; what a stranger wrote is neither resolved nor unfolded.

    Raises:
        ValueError: if it is no readable mapping.
    """
    import yaml

    if path.stat().st_size > MAX_YAML:
        raise ValueError(f"it is larger than {MAX_YAML} bytes.")
    try:
        text = path.read_text(encoding="utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise ValueError("it refers to parts of itself, which no file of directions does.")
        data = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except Exception as error:
        raise ValueError(f"it cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ValueError("it holds no mapping.")
    return data  # type: ignore[return-value]
