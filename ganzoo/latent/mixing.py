"""Style mixing as a grid: some rows of w from one image, the rest from another (Karras et al. 2019, 3.1)."""

from einops import rearrange, repeat
from torch import Tensor

from ganzoo.generators.generator import mix_styles
from ganzoo.latent.direction import Rows, check_rows


def mix(w: Tensor, sources: Tensor, rows: Rows) -> Tensor:
    """Every w with some of its rows from every source: `[N, M, num_ws, w_dim]`.

    Args:
        w: `[N, num_ws, w_dim]`, which give all the other rows.
        sources: `[M, num_ws, w_dim]`.
        rows: First row to take from the source and the one after the last.

    Raises:
        ValueError: if the shapes do not fit, or there are no such rows.
    """
    if w.ndim != 3 or sources.ndim != 3 or w.shape[1:] != sources.shape[1:]:
        raise ValueError(
            f"What is mixed is [N, num_ws, w_dim] and [M, num_ws, w_dim]; got {list(w.shape)} and "
            f"{list(sources.shape)}."
        )
    check_rows(rows, "a mix")
    first, stop = rows
    own = repeat(w, "n r d -> (n m) r d", m=len(sources))
    other = repeat(sources, "m r d -> (n m) r d", n=len(w))
    mixed = mix_styles(mix_styles(own, other, first), own, min(stop, w.shape[1]))
    return rearrange(mixed, "(n m) r d -> n m r d", n=len(w))
