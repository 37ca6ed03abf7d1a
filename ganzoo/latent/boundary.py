"""Boundaries: the direction that divides w by a score of their images (InterFaceGAN, Shen et al. 2020, 3.2).

    w, scores = scored(generator, smile, range(5000))
    direction = boundary(w, scores, name="smile")

The w of the highest and of the lowest scores are two classes; a linear support vector machine divides them,
and its normal is the direction. On it the score rises.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ganzoo.latent.direction import Direction, Rows
from ganzoo.system.validation import in_range

_STEPS = 100
_OFFSET, _SMALLEST = 1e-9, 1e-8
_LEAST = 10  # w of a class


def boundary(
    w: Tensor,
    scores: Tensor,
    *,
    name: str,
    share: float = 0.02,
    held_out: float = 0.3,
    cost: float = 1.0,
    seed: int = 0,
    rows: Rows | None = None,
) -> Direction:
    """The direction along which a score rises; its facts tell how well it divides w that it has not seen.

    Args:
        w: `[N, w_dim]`, untruncated.
        scores: `[N]`, any numbers; only their order matters.
        name: Name of the direction.
        share: Share of all w that is each of the two classes.
        held_out: Share of each class that is kept for the test.
        cost: Weight of the errors against the width of the margin.
        seed: Seed of the choice of what is held out.
        rows: Rows of w that the direction is for; None for all.

    Raises:
        ValueError: for shapes that do not fit, numbers that are not finite, scores that are all the same, or
            fewer than ten w a class.
    """
    w, scores = w.cpu().double(), scores.cpu()
    low, high = _classes(w, scores, share, name)
    mean = w.mean(dim=0)
    spread = (w - mean).square().mean().sqrt()
    source = torch.Generator("cpu").manual_seed(seed)
    parts = []
    kept = round(len(low) * held_out)
    for chosen in (low, high):
        order = chosen[torch.randperm(len(chosen), generator=source, device="cpu")]
        parts.append((order[:kept], order[kept:]))
    (low_test, low_train), (high_test, high_train) = parts

    def labelled(negative: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        x = (w[torch.cat([negative, positive])] - mean) / spread
        y = torch.cat([x.new_full([len(negative)], -1), x.new_ones(len(positive))])
        return x, y

    normal, offset = _machine(*labelled(low_train, high_train), cost)
    facts = {"method": f"InterFaceGAN, {len(w)} w, {len(low)} a class"}
    if len(low_test):
        x, y = labelled(low_test, high_test)
        right = float(((x @ normal + offset).sign() == y).float().mean())
        facts["measured"] = f"divides {right:.1%} of {len(y)} w held out"
    normal = normal / normal.norm()
    deviation = float(((w - mean) @ normal).square().mean().sqrt())
    return Direction(name, normal, deviation, rows, facts)


def conditioned(direction: Direction, others: Sequence[Direction], w: Tensor | None = None) -> Direction:
    """A direction without what others change: its part at right angles to all of them, of length 1.

    Args:
        direction: Direction to change.
        others: Directions that are to stay where they are.
        w: `[N, w_dim]`, on which the new deviation is measured; None keeps the old one.

    Raises:
        ValueError: if next to nothing of it is left, or widths differ.
    """
    if any(len(other.vector) != len(direction.vector) for other in others):
        raise ValueError(f"{direction.name!r} and the others must be of one width.")
    if not others:
        return direction
    basis = torch.linalg.qr(torch.stack([other.vector.cpu().double() for other in others], dim=1)).Q
    vector = direction.vector.cpu().double()
    vector = vector - basis @ (basis.T @ vector)
    if vector.norm() < 0.05:
        raise ValueError(
            f"{direction.name!r} is the same as {', '.join(o.name for o in others)}: next to "
            "nothing of it is left."
        )
    vector = vector / vector.norm()
    deviation = direction.deviation
    if w is not None:
        deviation = float((w.cpu().double() @ vector).std())
    names = f"conditioned on {', '.join(other.name for other in others)}"
    facts = {key: text for key, text in direction.facts.items() if key != "measured"}  # of the old one
    facts["method"] = f"{facts['method']}; {names}" if "method" in facts else names
    return replace(direction, vector=vector, deviation=deviation, facts=facts)


def _classes(w: Tensor, scores: Tensor, share: float, name: str) -> tuple[Tensor, Tensor]:
    """Indices of the w of the lowest and of the highest scores."""
    if w.ndim != 2 or scores.shape != w.shape[:1]:
        raise ValueError(
            f"A boundary takes w [N, w_dim] and scores [N]; got {list(w.shape)} and {list(scores.shape)}."
        )
    if not (w.isfinite().all() and scores.isfinite().all()):
        raise ValueError(f"{name!r}: w and scores must be finite numbers.")
    if not 0 < share <= 0.5:
        raise ValueError(f"share is above 0 and at most 0.5; got {share}.")
    count = round(len(w) * share)
    in_range(f"The number of w a class of {name!r} ({share:g} of {len(w)})", count, _LEAST, len(w))
    order = scores.argsort(stable=True)
    low, high = order[:count], order[-count:]
    if not scores[low[-1]] < scores[high[0]]:
        raise ValueError(f"{name!r}: the lowest and the highest {count} scores are the same.")
    return low, high


def _machine(x: Tensor, y: Tensor, cost: float) -> tuple[Tensor, Tensor]:
    """Normal and offset of the linear machine with squared hinge loss, by Newton's method (Chapelle 2007)."""
    x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
    penalty = torch.ones_like(x[0])
    penalty[-1] = _OFFSET  # of the offset: next to nothing

    def loss(weights: Tensor) -> Tensor:
        errors = (1 - y * (x @ weights)).clamp(min=0)
        return 0.5 * (penalty * weights.square()).sum() + cost * errors.square().sum()

    weights = torch.zeros_like(x[0])
    for _ in range(_STEPS):
        active = y * (x @ weights) < 1
        inside, signs = x[active], y[active]
        hessian = penalty.diag() + 2 * cost * inside.T @ inside
        step = torch.linalg.solve(hessian, 2 * cost * inside.T @ signs) - weights
        size = 1.0
        while loss(weights + size * step) > loss(weights) and size > _SMALLEST:
            size /= 2
        weights = weights + size * step
        if step.norm() <= _SMALLEST * weights.norm():
            break
    return weights[:-1], weights[-1]
