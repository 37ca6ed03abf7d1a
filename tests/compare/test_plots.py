import re
from xml.etree import ElementTree

import pytest

from ganzoo.compare.plots import WIDTH, Bar, Point, bars, duration, log_ticks, scatter, si, ticks


def drawn(plot):
    """The SVG of a plot, read as XML."""
    return ElementTree.fromstring(re.search(r"<svg.*</svg>", plot, re.DOTALL)[0])


@pytest.mark.parametrize(("low", "high"), [(0, 1), (165.2, 189), (-0.03, 0.01), (0, 3e9), (1.0, 1.0001)])
def test_ticks_are_few_round_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    assert all(low - 1e-9 * (high - low) <= tick <= high + 1e-9 * (high - low) for tick in found)


@pytest.mark.parametrize(("low", "high"), [(3e5, 9e9), (1e6, 8e6), (5e3, 2e11)])
def test_logarithmic_ticks_are_few_and_inside(low, high):
    found = log_ticks(low, high)
    assert 2 <= len(found) <= 7 and all(low <= tick <= high for tick in found)


def test_a_range_without_a_round_number_has_no_logarithmic_ticks():
    assert log_ticks(7.1e6, 9.9e6) == []  # of a single run, say


@pytest.mark.parametrize(
    "points",
    [
        [Point(0, 1e9, 1.0), Point(1, 75e9, 2.0, 0.5)],
        [Point(0, 7e9, 1.0), Point(1, 7e9, 1.0)],
        [Point(0, 0, 0.0), Point(1, 5, -1e-3)],
    ],
)
def test_every_point_lies_inside_and_every_letter_beside_the_others(points):
    svg = drawn(scatter(points, x_label="MACs", y_label="fd", title="t"))
    circles = [e for e in svg if e.tag == "circle"]
    assert len(circles) == len(points)
    assert all(0 <= float(c.get("cx")) <= WIDTH and 0 <= float(c.get("cy")) <= 250 for c in circles)
    letters = [e for e in svg if e.get("class") == "letter"]
    assert [e.text for e in letters] == ["A", "B"]
    assert len({(e.get("x"), e.get("y")) for e in letters}) == 2


def test_bars_are_as_long_as_their_medians():
    svg = drawn(bars([Bar(0, "a", 0.1, 0.2), Bar(1, "<b>", 0.05, 0.05)], title="t", label="l"))
    widths = [float(e.get("width")) for e in svg if e.tag == "rect"]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    assert "<b>" in [e.text for e in svg]


def test_numbers_are_written_for_people():
    assert [si(7.36e9), si(9_407_643), si(2100), si(12)] == ["7.36 G", "9.41 M", "2.1 k", "12"]
    assert [duration(1.234), duration(0.0123)] == ["1.23 s", "12.3 ms"]
