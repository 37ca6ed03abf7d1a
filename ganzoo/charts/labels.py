"""Labels beside points, where none covers another one, a point or its error bar."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

RADIUS = 5  # of a point
_CHARACTER, _LINE = 6.9, 15  # room of a label, at 12 px: a little more than common sans-serifs take


@dataclass(frozen=True)
class Box:
    """A rectangle on the drawing."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """Whether the two share any ground."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def holds(self, other: "Box") -> bool:
        """Whether the other lies within."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


@dataclass(frozen=True)
class Label:
    """A text on the drawing.

    Attributes:
        text: What it says.
        x, y: Where its line starts or ends.
        anchor: "start" or "end", whichever of the two `x` is.
        leader: Where a line from the point ends, or None for a label that stands right beside it.
    """

    text: str
    x: float
    y: float
    anchor: str
    leader: tuple[float, float] | None


def place(text: str, x: float, y: float, frame: Box, taken: list[Box]) -> Label | None:
    """The label of a point in the nearest free place, which is taken then; None where there is no room.

    Args:
        text: What it says.
        x: The point, across.
        y: The point, down.
        frame: Where labels may stand.
        taken: Where nothing more may stand.
    """
    free = (box for box in _places(x, y, _CHARACTER * len(text)) if frame.holds(box))
    box = next((b for b in free if not any(b.overlaps(t) for t in taken)), None)
    if box is None:
        return None
    taken.append(box)
    near = (min(max(x, box.left), box.right), min(max(y, box.top), box.bottom))
    leader = near if math.dist((x, y), near) > 3 * RADIUS else None
    # The estimate of the width is a little wide: a label to the left ends at the box's end.
    at, anchor = (box.right, "end") if box.right < x else (box.left, "start")
    return Label(text, round(at, 1), round(box.bottom - 4, 1), anchor, leader)


def _places(x: float, y: float, width: float) -> Iterator[Box]:
    """Where the label of a point may stand, the nearest places first."""
    gap = RADIUS + 4
    for step in range(24):
        for sign in (-1, 1) if step else (1,):
            top = y - _LINE / 2 + sign * step * 8
            lefts = [x + gap, x - gap - width]
            if step * 8 > gap + _LINE / 2:
                lefts.append(x - width / 2)
            for left in lefts:
                yield Box(left, top, left + width, top + _LINE)
    for step in range(-20, 21):
        for far in (40, 80, 120, 160, 220, 300):
            top = y - _LINE / 2 + step * _LINE
            yield Box(x + far, top, x + far + width, top + _LINE)
            yield Box(x - far - width, top, x - far, top + _LINE)
