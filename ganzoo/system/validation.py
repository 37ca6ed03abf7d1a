"""Plain data to frozen dataclasses and back, and any value held against its annotation.

One validator for every config, record, setting and block option. The annotations are the schema: it is
closed, no string becomes a number, and a message names what is wrong by its path in the whole.
"""

import difflib
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Completer(Protocol):
    """What completes the spec of a block: the registry of its kind."""

    def complete(self, spec: Any) -> Any:
        """The spec with every option spelt out."""


_NO_BLOCKS: Mapping[str, Completer] = types.MappingProxyType({})


def from_mapping(
    cls: type[T],
    data: Mapping[str, Any],
    what: str = "",
    *,
    path: str = "",
    blocks: Mapping[str, Completer] = _NO_BLOCKS,
) -> T:
    """The dataclass that a mapping describes, and those within it.

    Args:
        cls: Dataclass to make.
        data: All of its required fields, and no other keys.
        what: Name of the whole for messages, with its article.
        path: Place of the mapping in the whole, such as `loss.gan`; empty for the whole.
        blocks: Registries of the fields that hold blocks, by field.

    Raises:
        ValueError: for an unknown or missing key, or a value of another type.
    """
    known: dict[str, Field[Any]] = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    only(data, known, f"setting of {path or what}")
    needed = [name for name, f in known.items() if MISSING is f.default is f.default_factory]
    if missing := [name for name in needed if name not in data]:
        raise ValueError(f"{path or what[0].upper() + what[1:]} lacks {', '.join(missing)}.")
    values = {}
    for key, value in data.items():
        default = known[key].default
        if is_dataclass(default) and isinstance(value, Mapping):  # what it does not give stays as it is here
            value = {**_shallow(default), **value}
        values[key] = _field(cls, key, value, f"{path}.{key}" if path else key, blocks)
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}" if path else str(error)) from error


def check_fields(record: Any, blocks: Mapping[str, Completer] = _NO_BLOCKS) -> None:
    """Bring every field of a frozen dataclass to its type; for its `__post_init__`.

    Raises:
        ValueError: for a value of another type.
    """
    for name, value in _shallow(record).items():
        object.__setattr__(record, name, _field(type(record), name, value, name, blocks))


def plain(value: Any) -> Any:
    """A value with dataclasses and mappings as dicts and tuples as lists, all the way down."""
    if is_dataclass(value):
        value = _shallow(value)
    if isinstance(value, Mapping):
        return {key: plain(v) for key, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


def checked(value: Any, hint: Any, path: str) -> Any:
    """A value as its annotation asks: lists become tuples, whole numbers floats, mappings dataclasses.

    Args:
        value: Value to hold against the annotation.
        hint: Annotation.
        path: Name of the value for messages.

    Raises:
        ValueError: if it is of another type.
    """
    kind, items = typing.get_origin(hint) or hint, typing.get_args(hint)
    if hint is Any:
        return value
    if kind is typing.Literal:
        if value in items:
            return value
        raise ValueError(unknown(path, value, map(str, items)))
    if kind in _UNIONS:
        records: list[Any] = [item for item in items if is_dataclass(item) and isinstance(value, Mapping)]
        if records:  # the one that has most of the keys
            return checked(value, max(records, key=lambda r: len(value.keys() & hints(r).keys())), path)
        for item in items:
            try:
                return checked(value, item, path)
            except ValueError:
                continue
    if kind is tuple and isinstance(value, list | tuple) and (items[-1] is ... or len(items) == len(value)):
        kinds = items[:1] * len(value) if items[-1] is ... else items
        return tuple(checked(v, k, f"{path}[{i}]") for i, (v, k) in enumerate(zip(value, kinds, strict=True)))
    if kind is Mapping and isinstance(value, Mapping):
        key_hint, value_hint = items
        return {checked(k, key_hint, path): checked(v, value_hint, f"{path}.{k}") for k, v in value.items()}
    if is_dataclass(hint) and isinstance(hint, type) and not isinstance(value, hint):
        if isinstance(value, Mapping):
            return from_mapping(hint, value, path=path)
        raise ValueError(f"{path} holds settings of its own, such as {path}.{fields(hint)[0].name}.")
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= sys.float_info.max:  # neither NaN, nor infinite, nor an integer beyond floats
            return float(value)
    elif isinstance(hint, type) and isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
        return value
    raise ValueError(f"{path} must be {_spelt(hint)}; got {value!r}.")


def only(data: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    """Raise ValueError if a mapping has a key that is not known."""
    for key in data:
        if key not in known:
            raise ValueError(unknown(what, key, known))


def in_range(what: str, value: object, low: int, high: int) -> None:
    """Raise ValueError unless a value is a whole number in a range."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{what} is a whole number from {low} to {high}; got {value!r}.")


def unknown(what: str, name: object, known: Iterable[str], *, shown: Iterable[str] | None = None) -> str:
    """Message for a name that does not exist: what exists, and one near match.

    Args:
        what: What it should be the name of.
        name: Name that was given.
        known: Names that exist.
        shown: Those of them to list, where there are very many.
    """
    known = sorted(known)
    lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0.6)
    hint = f" Did you mean {lower[near[0]]!r}?" if near else ""
    listed = ", ".join(known if shown is None else sorted(shown))
    return f"Unknown {what}: {name!r}.{hint} Choose from: {listed or 'none'}."


_UNIONS = (typing.Union, types.UnionType)
hints = cache(typing.get_type_hints)  # a class's or a function's annotations, by name


def _field(cls: type, name: str, value: Any, path: str, blocks: Mapping[str, Completer]) -> Any:
    """The value of a field, checked; of a block, completed."""
    if name not in blocks:
        return checked(value, hints(cls)[name], path)
    try:
        return blocks[name].complete(value)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _shallow(record: Any) -> dict[str, Any]:
    return {f.name: getattr(record, f.name) for f in fields(record)}


def _spelt(hint: Any) -> str:
    """An annotation as a message says it."""
    kind, items = typing.get_origin(hint), typing.get_args(hint)
    if kind in _UNIONS:
        return " or ".join(map(_spelt, items))
    if kind is typing.Literal:
        return " or ".join(map(str, items))
    if kind is tuple:
        number = "" if items[-1] is ... else f"{len(items)} "
        return f"a list of {number}{_spelt(items[0])}"
    if kind is Mapping:
        return "a mapping"
    return {type(None): "null"}.get(hint, getattr(hint, "__name__", str(hint)))
