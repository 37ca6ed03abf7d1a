"""Plots as inline SVG; colours and type come from the page's style sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ganzoo.compare.markup import Markup, join, tag

# A plot is as wide as a phone, so that its type is never shrunk.
WIDTH, HEIGHT = 340, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 24, 12, 40
_LOG_SPAN = 6.0  # of the values on an axis, from where on it is logarithmic
_MOST_TICKS = 7
_BAR, _BAR_ROW = 12, 44


@dataclass(frozen=True)
class Point:
    """A model in a plot.

    Attributes:
        index: of the model: its letter and colour.
        x, y: its place.
        spread: of y, to either side, or None.
    """

    index: int
    x: float
    y: float
    spread: float | None = None


@dataclass(frozen=True)
class Bar:
    """A model's latency in seconds: median and 90th percentile."""

    index: int
    name: str
    p50: float
    p90: float


def letter(index: int) -> str:
    """The letter of a model: A, B, C and so on."""
    return chr(ord("A") + index)


def scatter(points: Sequence[Point], *, x_label: str, y_label: str, title: str) -> Markup:
    """Points with error bars, each with its letter."""
    xs, ys = [p.x for p in points], [p.y for p in points]
    log = min(xs) > 0 and max(xs) / min(xs) > _LOG_SPAN
    left, right = (min(xs) / 1.5, max(xs) * 1.5) if log else _padded(min(xs), max(xs))
    spreads = [p.spread or 0.0 for p in points]
    low, high = _padded(
        min(y - s for y, s in zip(ys, spreads, strict=True)),
        max(y + s for y, s in zip(ys, spreads, strict=True)),
    )

    def place_x(x: float) -> float:
        part = math.log(x / left) / math.log(right / left) if log else (x - left) / (right - left)
        return round(_LEFT + part * (WIDTH - _LEFT - _RIGHT), 1)

    def place_y(y: float) -> float:
        return round(HEIGHT - _BOTTOM - (y - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM), 1)

    parts = []
    for tick in log_ticks(left, right) if log else ticks(left, right):
        x = place_x(tick)
        parts.append(tag("line", class_="grid", x1=x, x2=x, y1=_TOP, y2=HEIGHT - _BOTTOM))
        parts.append(tag("text", si(tick), x=x, y=HEIGHT - _BOTTOM + 16, text_anchor="middle"))
    for tick in ticks(low, high):
        y = place_y(tick)
        parts.append(tag("line", class_="grid", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y))
        parts.append(tag("text", f"{tick:.4g}", x=_LEFT - 6, y=y + 4, text_anchor="end"))
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    scale = f"{x_label}, logarithmic" if log else x_label
    parts.append(tag("text", scale, class_="axis", x=middle, y=HEIGHT - 6, text_anchor="middle"))
    taken: list[tuple[float, float]] = []
    for p in points:
        x, y = place_x(p.x), place_y(p.y)
        if p.spread:
            ends = {"y1": place_y(p.y - p.spread), "y2": place_y(p.y + p.spread)}
            parts.append(tag("line", class_=f"spread m{p.index}", x1=x, x2=x, **ends))
        parts.append(tag("circle", class_=f"m{p.index}", cx=x, cy=y, r=6))
        # Letters stand to the right of their points, or left at the edge, and step aside for each other.
        at, anchor = (x + 10, "start") if x < WIDTH - _RIGHT - 24 else (x - 10, "end")
        while any(abs(at - u) < 14 and abs(y - v) < 14 for u, v in taken):
            at += 14 if anchor == "start" else -14
        taken.append((at, y))
        parts.append(tag("text", letter(p.index), class_="letter", x=at, y=y + 5, text_anchor=anchor))
    return _figure(title, y_label, parts, HEIGHT)


def bars(values: Sequence[Bar], *, title: str, label: str) -> Markup:
    """Horizontal bars of the medians, with a line up to the 90th percentile."""
    full = max(bar.p90 for bar in values) or 1.0
    parts = []
    for i, bar in enumerate(values):
        top = i * _BAR_ROW
        to_p50, to_p90 = (round(max(value / full * (WIDTH - 4), 1), 1) for value in (bar.p50, bar.p90))
        figures = f"{duration(bar.p50)}, p90 {duration(bar.p90)}"
        parts += [
            tag("text", letter(bar.index), class_="letter", x=0, y=top + 16),
            tag("text", bar.name, x=18, y=top + 16),
            tag("text", figures, x=WIDTH, y=top + 16, text_anchor="end"),
            tag("rect", class_=f"m{bar.index}", x=0, y=top + 22, width=to_p50, height=_BAR, rx=2),
            tag("line", class_="p90", x1=to_p50, x2=to_p90, y1=top + 28, y2=top + 28),
            tag("line", class_="p90", x1=to_p90, x2=to_p90, y1=top + 23, y2=top + 33),
        ]
    return _figure(title, label, parts, len(values) * _BAR_ROW)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from low to high, about `count` of them."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten from low to high, with others between them where there is room."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [m * 10.0**p for p in powers for m in factors if low <= m * 10.0**p <= high]
        if len(found) <= _MOST_TICKS:
            break
    return found[:: max(1, math.ceil(len(found) / _MOST_TICKS))]


def si(value: float) -> str:
    """A count with its prefix: 7.36 G."""
    for limit, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {prefix}"
    return f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds with three digits, as ms below one second."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def _padded(low: float, high: float) -> tuple[float, float]:
    """The range of an axis: a little more than the values', and never empty."""
    pad = (high - low) * 0.12 or abs(high) * 0.12 or 1.0
    return (0.0 if low >= 0 and low - pad < 0 else low - pad), high + pad


def _figure(title: str, label: str, parts: Sequence[Markup], height: int) -> Markup:
    drawing = tag("svg", tag("title", title), join(*parts), viewBox=f"0 0 {WIDTH} {height}", role="img")
    return tag("figure", tag("figcaption", tag("b", title), tag("span", label)), drawing, class_="plot")
