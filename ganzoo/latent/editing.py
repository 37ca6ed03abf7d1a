"""Edits: w moved along a direction, in the rows that the direction is for.

images = generator.synthesis(edit(w, directions["age"], 2)).image
"""

from torch import Tensor

from ganzoo.latent.direction import Direction, Rows, check_rows


def edit(w: Tensor, direction: Direction, strength: float | Tensor, rows: Rows | None = None) -> Tensor:
    """W moved along a direction, `[N, num_ws, w_dim]`: `w + strength * deviation * vector` in some rows.

    Args:
        w: `[N, num_ws, w_dim]`.
        direction: Direction of a mapping network whose w they are.
        strength: Standard deviations of w along the direction, as a number or a tensor `[N]`; samples lie
            within -3 to 3.
        rows: First row to move and the one after the last; None for those that the direction is for. A
            generator that has fewer moves those that it has.

    Raises:
        ValueError: if w has another width than the direction, or none of the rows.
    """
    width = len(direction.vector)
    if w.ndim != 3 or w.shape[2] != width:
        raise ValueError(
            f"{direction.name!r} is a direction of w [N, num_ws, {width}]; got {list(w.shape)}: it is "
            "another model's."
        )
    chosen = rows or direction.rows or (0, w.shape[1])
    check_rows(chosen, direction.name)
    first, stop = chosen
    if first >= w.shape[1]:
        raise ValueError(
            f"{direction.name!r} is for the rows from {first} on, and this model's w has {w.shape[1]}."
        )
    step = direction.deviation * direction.vector.to(w)
    if isinstance(strength, Tensor):
        step = strength.to(w).view(-1, 1, 1) * step
    else:
        step = strength * step
    moved = w.clone()
    moved[:, first:stop] += step
    return moved
