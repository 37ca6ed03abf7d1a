"""What a direction is: a unit vector of w along which something changes, with its name and its scale."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.latent.saved import same_mapping
from ganzoo.system.validation import unknown

FACTS = ("changes", "method", "origin", "license", "measured")  # what may be said of a direction
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
    vector: Tensor = field(repr=False)
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


def shown_rows(rows: Rows) -> str:
    """Rows as commands and files say them, the last one included: `0-6`, or `4`."""
    first, stop = rows
    return str(first) if stop == first + 1 else f"{first}-{stop - 1}"


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
    found: Tensor = vector[vector.abs().argmax()].sign() * vector / length
    return found
