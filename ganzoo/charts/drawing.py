"""Drawings: parts of an SVG that go into a page, or into a file of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.system.templates import templates

WIDTH = 880  # of a file
# Colours by the grounds that they stand on; m0 to m7 are those of the models of a page.
PALETTES = {
    "light": {
        "ground": "#fff", "raised": "#f5f6f8", "ink": "#1b1f24", "soft": "#59636e", "line": "#d5dae0",
        "warn": "#9a5b00", "m0": "#2166c2", "m1": "#c8511b", "m2": "#1f8a5b", "m3": "#8a4bc4",
        "m4": "#b3860b", "m5": "#c2397f", "m6": "#0d8aa3", "m7": "#6b6f76",
    },
    "dark": {
        "ground": "#111418", "raised": "#1b2026", "ink": "#e6e9ed", "soft": "#9aa4b0", "line": "#333b45",
        "warn": "#e2a54a", "m0": "#6aa5f2", "m1": "#f08a52", "m2": "#4fc38c", "m3": "#bd8cf0",
        "m4": "#dcb444", "m5": "#ee77b0", "m6": "#4cc1d8", "m7": "#a7adb5",
    },
}  # fmt: skip
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Drawing:
    """Part of an SVG.

    Attributes:
        elements: Markup, in which all text is escaped.
        width, height: Room that it takes, in pixels.
    """

    elements: str
    width: int
    height: int


def draw(template: str, width: int, height: int, **fields: Any) -> Drawing:
    """A drawing from a template of this package."""
    return Drawing(_render(template, width=width, height=height, **fields), width, height)


def inline(drawing: Drawing, title: str) -> str:
    """An SVG element for a page, which holds `style`'s rules."""
    return _render("inline.svg.j2", drawing=drawing, title=title).strip()


def file(drawings: Sequence[Drawing], *, title: str) -> str:
    """An SVG file with its own rules: a title and the drawings, one below the other."""
    return _render("file.svg.j2", title=title, style=style(), drawings=drawings, width=WIDTH)


def style() -> str:
    """CSS rules of drawings, for light and dark grounds; without variables, which viewers of files lack."""
    return _render("chart.css.j2", palettes=PALETTES)


def _render(template: str, **fields: Any) -> str:
    return templates(_TEMPLATES, markup=True).get_template(template).render(fields)
