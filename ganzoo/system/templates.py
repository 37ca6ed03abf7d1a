"""Jinja templates of a folder."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


@cache
def templates(folder: Path, *, markup: bool) -> Environment:
    """Templates by the names of their files; a field that is not given is an error.

    Args:
        folder: Where they lie.
        markup: Whether they make HTML or SVG, so that every value is escaped.
    """
    return Environment(
        loader=FileSystemLoader(folder, encoding="utf-8"),
        autoescape=markup,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
