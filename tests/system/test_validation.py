"""Plain data to dataclasses and back: closed, strict, and messages that name the place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from ganzoo.system.validation import check_fields, checked, from_mapping, plain


@dataclass(frozen=True, kw_only=True)
class File:
    """A source."""

    file: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Repo:
    """Another source."""

    repo: str
    revision: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Term:
    """Settings within settings."""

    weight: float = 0.0
    shape: Literal["flat", "round"] = "flat"

    def __post_init__(self) -> None:
        check_fields(self)
        if self.weight < 0:
            raise ValueError(f"weight is not negative; got {self.weight}.")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Settings that hold settings, one with another default than its class has."""

    pixel: Term = Term(weight=2.0, shape="round")
    other: Term = Term()


@dataclass(frozen=True, kw_only=True)
class Whole:
    """All kinds of fields."""

    name: str
    sources: tuple[File | Repo, ...] = ()
    loss: Loss = Loss()
    sizes: tuple[int, int] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    block: Mapping[str, Any] | None = None


FULL = {
    "name": "x",
    "sources": [{"file": "a", "bytes": 1}, {"repo": "b", "revision": "c", "bytes": 2}],
    "loss": {"pixel": {"weight": 1.0, "shape": "flat"}, "other": {"weight": 0.5, "shape": "round"}},
    "sizes": [1, 2],
    "counts": {"a": 1},
    "more": {"list": [1, {"deep": [2]}]},
    "block": None,
}


def whole(**changes):
    return from_mapping(Whole, {"name": "x", **changes}, "a whole")


def test_from_mapping_and_plain_are_there_and_back():
    made = whole(**FULL)
    assert plain(made) == FULL
    assert made.sources == (File(file="a", bytes=1), Repo(repo="b", revision="c", bytes=2))
    assert made.sizes == (1, 2)


def test_what_a_mapping_does_not_give_stays_as_the_whole_has_it():
    assert whole(loss={"pixel": {"weight": 1}}).loss == Loss(pixel=Term(weight=1.0, shape="round"))


def test_a_record_that_is_made_already_is_taken_as_it_is():
    loss = Loss()
    assert whole(loss=loss).loss is loss


WRONG = {
    "missing": ({"name": 3}, "name must be str; got 3."),
    "unknown": ({"nam": 1}, "Unknown setting of a whole: 'nam'. Did you mean 'name'? Choose from: block, "),
    "nested unknown": (
        {"loss": {"pixel": {"wieght": 1}}},
        "Unknown setting of loss.pixel: 'wieght'. Did you mean 'weight'? Choose from: shape, weight.",
    ),
    "nested type": ({"loss": {"pixel": {"weight": "1"}}}, "loss.pixel.weight must be float; got '1'."),
    "nested range": ({"loss": {"pixel": {"weight": -1}}}, "loss.pixel: weight is not negative; got -1.0."),
    "nested choice": (
        {"loss": {"pixel": {"shape": "rund"}}},
        "Unknown loss.pixel.shape: 'rund'. Did you mean 'round'? Choose from: flat, round.",
    ),
    "no settings": (
        {"loss": {"pixel": 1}},
        "loss.pixel holds settings of its own, such as loss.pixel.weight.",
    ),
    "an item lacks": ({"sources": [FULL["sources"][0], {"repo": "b"}]}, "sources[1] lacks revision, bytes."),
    "an item's type": (
        {"sources": [{"file": "a", "bytes": True}]},
        "sources[0].bytes must be int; got True.",
    ),
    "an item's key": ({"sources": [{"fil": "a", "bytes": 1}]}, "Unknown setting of sources[0]: 'fil'."),
    "an item is none": ({"sources": ["a"]}, "sources[0] must be File or Repo; got 'a'."),
    "length": ({"sizes": [1]}, "sizes must be a list of 2 int or null; got [1]."),
    "value": ({"counts": {"a": "1"}}, "counts.a must be int; got '1'."),
    "no mapping": ({"counts": [1]}, "counts must be a mapping; got [1]."),
}


@pytest.mark.parametrize(("changes", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_its_place(changes, told):
    with pytest.raises(ValueError) as error:
        whole(**changes)
    assert str(error.value).startswith(told)


def test_a_list_of_another_length_is_refused():
    assert checked([1, 2], tuple[int, int], "x") == (1, 2)
    with pytest.raises(ValueError, match=r"^x must be a list of 2 int; got \[1\]"):
        checked([1], tuple[int, int], "x")


def test_all_that_lacks_is_named():
    with pytest.raises(ValueError, match=r"^A whole lacks name\.$"):
        from_mapping(Whole, {}, "a whole")


class Blocks:
    """A registry that knows one block."""

    def complete(self, spec):
        if not isinstance(spec, str):
            raise TypeError(f"A block is a name; got {spec!r}.")
        return {"name": spec, "size": 3}


def test_fields_that_hold_blocks_are_completed_by_their_registry():
    made = from_mapping(Whole, {"name": "x", "block": "b"}, "a whole", blocks={"block": Blocks()})
    assert made.block == {"name": "b", "size": 3}
    with pytest.raises(ValueError, match="A block is a name; got 5"):
        from_mapping(Whole, {"name": "x", "block": 5}, "a whole", blocks={"block": Blocks()})
