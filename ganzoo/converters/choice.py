"""Which of a file's networks is converted: by part, by place, or the one that is meant by default."""

from collections.abc import Iterable, Mapping
from typing import Any

from ganzoo.converters.candidates import WRAPPERS, Candidate
from ganzoo.system.validation import unknown

# The first of them that a file has is the default.
PARTS = ("generator_ema", "student", "teacher", "generator", "discriminator")
_LISTED = 6


def choose(candidates: list[Candidate], part: str | None, key: str | None) -> Candidate:
    """The network that was asked for, or the default.

    Args:
        candidates: Networks of the file, at least one.
        part: One of `PARTS`, or None.
        key: Place of the network, or its end where no other network's ends so; None for any.

    Raises:
        ValueError: if the file lacks it, or has several.
    """
    left = candidates if key is None else _at(candidates, key)
    if part is None:
        part = next(name for name in PARTS if any(c.part == name for c in left))
    found = [c for c in left if c.part == part]
    if not found and key is not None:
        raise ValueError(f"The network at {key!r} is no {part}; the file has: {_listed(candidates)}.")
    if not found:
        raise ValueError(f"The file has no {part}; it has: {_listed(candidates)}.")
    if len(found) > 1 and not all(c.is_foreign for c in found):
        flags = ", ".join(f"--key {c.key or '.'}" for c in found[:_LISTED])
        raise ValueError(f"The file has {len(found)} networks that are a {part}. Choose one: {flags}.")
    return found[0]


def check_settings(chosen: Candidate, assume: Mapping[str, Any]) -> None:
    """Raise ValueError for a setting that the network's file does not leave open."""
    if assume and not chosen.settings:
        name = next(iter(assume))
        raise ValueError(f"Nothing is assumed of a file of this kind ({chosen.format}): leave out {name!r}.")
    for name in assume:
        if name not in chosen.settings:
            raise ValueError(unknown("setting to assume", name, chosen.settings))


def _at(candidates: list[Candidate], key: str) -> list[Candidate]:
    """The networks of a place; wrappings may be named or not.

    Raises:
        ValueError: if there is none.
    """
    wanted = ".".join(step for step in key.split(".") if step and step not in WRAPPERS)
    if exact := [c for c in candidates if c.key == wanted]:
        return exact
    ends = [c for c in candidates if c.key.endswith(f".{wanted}")]
    if len(ends) == 1:
        return ends
    # A file's part of several networks, such as all of a state dict's: the part may choose among them.
    if below := [c for c in candidates if c.key.startswith(f"{wanted}.")]:
        return below
    raise ValueError(f"{unknown('key', key, [c.key or '.' for c in candidates])}")


def _listed(candidates: Iterable[Candidate]) -> str:
    """Parts with their keys, in the parts' order."""
    ordered = sorted(candidates, key=lambda c: PARTS.index(c.part))
    shown = [f"{c.part} ({c.key})" if c.key else c.part for c in ordered]
    return ", ".join(shown[:_LISTED]) + (" …" if len(shown) > _LISTED else "")
