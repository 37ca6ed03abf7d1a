import itertools
import re
from xml.etree import ElementTree

import pytest

from ganzoo.charts.axis import log_ticks, ticks
from ganzoo.charts.bars import Bar, bars
from ganzoo.charts.drawing import file, inline
from ganzoo.charts.labels import Box
from ganzoo.charts.scatter import Point, scatter
from ganzoo.charts.text import duration, short, si

SVG = "{http://www.w3.org/2000/svg}"


def drawn(drawing):
    """The SVG of a drawing inside a page, read as XML."""
    return ElementTree.fromstring(inline(drawing, "t"))


def plot(points):
    """A file with one plot."""
    return file([scatter(points, x_label="MACs", width=880, height=400)], title="x")


@pytest.mark.parametrize(("low", "high"), [(0, 1), (165.2, 189), (-0.03, 0.01), (0, 3e9), (1.0, 1.0001)])
def test_ticks_are_few_round_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    assert all(low - 1e-9 * (high - low) <= tick <= high + 1e-9 * (high - low) for tick in found)


@pytest.mark.parametrize(("low", "high"), [(3e5, 9e9), (1e6, 8e6), (5e3, 2e11)])
def test_logarithmic_ticks_are_few_and_inside(low, high):
    found = log_ticks(low, high)
    assert 2 <= len(found) <= 7 and all(low <= tick <= high for tick in found)


@pytest.mark.parametrize(
    "points",
    [
        [Point("A", 1e9, 1.0), Point("B", 75e9, 2.0, 0.5)],
        [Point("A", 7e9, 1.0), Point("B", 7e9, 1.0)],
        [Point("A", 0, 0.0), Point("B", 5, -1e-3)],
    ],
)
def test_every_point_lies_inside_and_every_letter_beside_the_others(points):
    svg = drawn(scatter(points, x_label="MACs", width=340, height=250))
    circles = [e for e in svg if e.tag == "circle"]
    assert len(circles) == len(points)
    assert all(0 <= float(c.get("cx")) <= 340 and 0 <= float(c.get("cy")) <= 250 for c in circles)
    letters = [e for e in svg if e.get("class") == "label"]
    assert sorted(e.text for e in letters) == ["A", "B"]
    assert len({(e.get("x"), e.get("y")) for e in letters}) == 2


def test_bars_are_as_long_as_their_medians():
    svg = drawn(bars([Bar("a", 0.1, 0.2), Bar("<b>", 0.05, 0.05, "B", color=1)], width=340))
    widths = [float(e.get("width")) for e in svg if e.tag == "rect"]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    assert [e.get("class") for e in svg if e.tag == "rect"] == ["m0", "m1"]
    assert {"a", "B", "<b>"} == {e.text for e in svg.iter("tspan")}


def test_numbers_are_written_for_people():
    assert [si(7.36e9), si(9_407_643), si(2100), si(12)] == ["7.36 G", "9.41 M", "2.1 k", "12"]
    assert [duration(1.234), duration(0.0123)] == ["1.23 s", "12.3 ms"]
    assert [short("student"), short("runs/first/student", 9)] == ["student", "…/student"]


def test_an_axis_is_logarithmic_where_values_are_far_apart():
    for far, said in ((6, "MACs"), (7, "MACs, logarithmic")):
        svg = plot([Point("a", 1e9, 1.0), Point("b", far * 1e9, 2.0)])
        assert f">{said}</text>" in svg


def test_names_in_a_drawing_are_escaped():
    hostile = "</svg><script>alert(1)</script>"
    for svg in (
        plot([Point(hostile, 1, 1)]),
        file([bars([Bar(hostile, 1, 1, hostile)], width=9)], title=hostile),
    ):
        assert "<script" not in svg and hostile in "".join(ElementTree.fromstring(svg).itertext())


# Labels


def labels(svg):
    """Rectangles of the labels of each panel, at the width that the chart reckons with, and the points."""
    for panel in ElementTree.fromstring(svg).findall(f"{SVG}g"):
        boxes = []
        for text in panel.iter(f"{SVG}text"):
            if text.get("class") == "label":
                x, y, width = float(text.get("x")), float(text.get("y")), 6.5 * len(text.text)
                left = x - width if text.get("text-anchor") == "end" else x
                boxes.append(Box(left, y - 10, left + width, y + 2))
        points = [(float(c.get("cx")), float(c.get("cy"))) for c in panel.iter(f"{SVG}circle")]
        yield boxes, points


CROWDS = {
    "all in one place": [Point(f"conv-full+seed-{i}", 1e9, 0.2, 0.01) for i in range(12)],
    "one cost": [Point(f"conv-full+seed-{i}", 1e9, 0.2 + i * 1e-3, 0.01) for i in range(24)],
    "a cloud": [Point(f"mobile_{i}", 1e9 * 1.1 ** (i % 5), 0.2 + (i % 7) / 100, 0.01) for i in range(30)],
    "long names": [Point("full+upsampler-conv_transpose" * 2 + str(i), 1e9 * 2**i, 0.1) for i in range(8)],
    "one": [Point("alone", 5, 0.0)],
}  # fmt: skip


@pytest.mark.parametrize("case", CROWDS)
def test_labels_overlap_neither_each_other_nor_points(case):
    dots = CROWDS[case]
    [(boxes, points)] = labels(plot(dots))
    assert len(boxes) == len(points) == len(dots)
    assert not [1 for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]
    assert not [1 for box in boxes for x, y in points if box.overlaps(Box(x - 3, y - 3, x + 3, y + 3))]
    assert all(Box(0, 0, 880, 400).holds(box) for box in boxes)


def test_points_without_room_for_their_names_are_counted():
    svg = plot([Point("a rather long name of a run", 1e9, 0.2) for _ in range(100)])
    [(boxes, points)] = labels(svg)
    assert len(points) == 100 and f"{100 - len(boxes)} points without room for their names" in svg


def test_the_plot_of_nothing_says_so():
    assert "nothing was measured" in plot([])


def test_the_plot_is_readable_on_light_and_on_dark_grounds():
    svg = plot([Point("a", 1, 1)])
    light, dark = svg.split("@media (prefers-color-scheme: dark)")
    for part in (light, dark):
        colours = dict(re.findall(r"(\.ground|\.title)[^{]*\{ fill: (#\w+)", part))
        assert len(colours) == 2 and len(set(colours.values())) == 2


def test_a_range_without_a_round_number_has_no_logarithmic_ticks():
    assert log_ticks(7.1e6, 9.9e6) == []  # of a single run, say
