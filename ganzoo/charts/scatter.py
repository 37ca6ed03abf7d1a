"""`scatter`: named points with error bars."""

from collections.abc import Sequence
from dataclasses import dataclass

from ganzoo.charts.axis import Axis
from ganzoo.charts.drawing import Drawing, draw
from ganzoo.charts.labels import RADIUS, Box, place
from ganzoo.charts.text import short, si

_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 24, 12, 44  # around the axes
_LONGEST = 48  # characters of a label


@dataclass(frozen=True)
class Point:
    """A point of a plot.

    Attributes:
        label: What stands beside it.
        x, y: Its values.
        spread: Of y, to either side, or None.
        color: Number of its colour in the palette.
    """

    label: str
    x: float
    y: float
    spread: float | None = None
    color: int = 0


def scatter(points: Sequence[Point], *, x_label: str, width: int, height: int) -> Drawing:
    """Points over axes; a label without room is left out, and the number of those is told."""
    frame = Box(_LEFT, _TOP, width - _RIGHT, height - _BOTTOM)
    if not points:
        return draw("scatter.svg.j2", width, height, frame=frame, x_label=x_label, marks=[])
    x_axis = Axis.fitting([p.x for p in points], frame.left, frame.right)
    ends = [p.y + sign * (p.spread or 0.0) for p in points for sign in (-1, 1)]
    y_axis = Axis.linear(ends, frame.bottom, frame.top)
    taken, marks, labels = [], [], []
    for point in points:
        x, y = x_axis.place(point.x), y_axis.place(point.y)
        bar = None
        if point.spread:
            bar = (y_axis.place(point.y - point.spread), y_axis.place(point.y + point.spread))
            taken.append(Box(x - 2, bar[1], x + 2, bar[0]))
        taken.append(Box(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS))
        marks.append({"point": point, "x": x, "y": y, "bar": bar})
    for point in sorted(points, key=lambda p: (p.x, p.y)):
        x, y = x_axis.place(point.x), y_axis.place(point.y)
        label = place(short(point.label, _LONGEST), x, y, frame, taken)
        if label is not None:
            labels.append({"label": label, "x": x, "y": y})
    return draw(
        "scatter.svg.j2",
        width,
        height,
        frame=frame,
        x_label=f"{x_label}, logarithmic" if x_axis.logarithmic else x_label,
        x_ticks=[(x_axis.place(tick), si(tick)) for tick in x_axis.ticks()],
        y_ticks=[(y_axis.place(tick), f"{tick:.4g}") for tick in y_axis.ticks()],
        marks=marks,
        labels=labels,
        radius=RADIUS,
        unnamed=len(points) - len(labels),
    )
