"""`bars`: times as horizontal bars."""

from collections.abc import Sequence
from dataclasses import dataclass

from ganzoo.charts.drawing import Drawing, draw
from ganzoo.charts.text import duration

_ROW = 48


@dataclass(frozen=True)
class Bar:
    """Median and 90th percentile of a time in seconds.

    Attributes:
        name: What took it.
        p50, p90: The two.
        letter: Stands before the name, or nothing.
        color: Number of its colour in the palette.
    """

    name: str
    p50: float
    p90: float
    letter: str = ""
    color: int = 0


def bars(values: Sequence[Bar], *, width: int) -> Drawing:
    """Bars of the medians, each with a line up to the 90th percentile."""
    full = max(bar.p90 for bar in values) or 1.0
    rows = [
        {
            "bar": bar,
            "top": i * _ROW,
            "p50": round(max(1.0, bar.p50 / full * width), 1),
            "p90": round(max(1.0, bar.p90 / full * width), 1),
            "figures": f"{duration(bar.p50)}, p90 {duration(bar.p90)}",
        }
        for i, bar in enumerate(values)
    ]
    return draw("bars.svg.j2", width, len(values) * _ROW, rows=rows)
