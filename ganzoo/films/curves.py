"""Curves through points: straight, along a sphere, and smooth ones; open or closed."""

import math

import torch
from torch import Tensor

CURVES = ("linear", "spherical", "cubic")
EASES = ("linear", "smooth")
_STRAIGHT = 1e-4  # radians: an arc as short as that is a straight line


def along(points: Tensor, turn: float, curve: str, ease: str = "linear", *, loop: bool) -> Tensor:
    """The place `[1, …]` on a curve through points `[N, …]`.

    Args:
        points: Points in their order; at each the curve is exactly there.
        turn: Part of the way, 0 to 1; 1 is the last point, or the first again in a loop.
        curve: Name in `CURVES`. "cubic" is the spline of Catmull and Rom (1974), whose tangent at a point is
            half the way from the point before to the one after.
        ease: "linear" for one pace between two points, "smooth" to be slow at both.
        loop: Whether the way leads on from the last point to the first.
    """
    count = len(points)
    ways = count if loop else count - 1
    if count == 1:
        return points
    whole = min(math.floor(turn * ways), ways if loop else ways - 1)
    part = turn * ways - whole
    if ease == "smooth":
        part = part * part * (3 - 2 * part)

    def point(number: int) -> Tensor:
        inside = number % count if loop else min(max(number, 0), count - 1)
        return points[inside : inside + 1]

    a, b = point(whole), point(whole + 1)
    if part == 0:
        return a
    if part == 1:
        return b
    if curve == "spherical":
        return _arc(a, b, part)
    if curve == "cubic":
        return _spline(point(whole - 1), a, b, point(whole + 2), part)
    return a + part * (b - a)


def _arc(a: Tensor, b: Tensor, part: float) -> Tensor:
    """Between two vectors `[1, width]` on the arc of their directions (Shoemake 1985); lengths by a line."""
    lengths = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    if not min(lengths[0].item(), lengths[1].item()) > 0:
        return a + part * (b - a)
    one, other = a / lengths[0], b / lengths[1]
    angle = torch.acos((one * other).sum(dim=1, keepdim=True).clamp(-1, 1))
    if angle.item() < _STRAIGHT or angle.item() > math.pi - _STRAIGHT:
        return a + part * (b - a)
    weights = torch.sin((1 - part) * angle) / torch.sin(angle), torch.sin(part * angle) / torch.sin(angle)
    length = lengths[0] + part * (lengths[1] - lengths[0])
    here: Tensor = length * (weights[0] * one + weights[1] * other)
    return here


def _spline(before: Tensor, a: Tensor, b: Tensor, after: Tensor, t: float) -> Tensor:
    """Between a and b by Hermite's cubic; at an open end, the point stands for the one beyond it."""
    leaves, arrives = (b - before) / 2, (after - a) / 2
    square, cube = t * t, t * t * t
    return (
        (2 * cube - 3 * square + 1) * a
        + (cube - 2 * square + t) * leaves
        + (3 * square - 2 * cube) * b
        + (cube - square) * arrives
    )
