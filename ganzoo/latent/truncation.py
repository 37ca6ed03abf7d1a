"""Truncation of given w: towards the mean, or each towards the nearest of several centers."""

import torch
from torch import Tensor


def truncate(w: Tensor, centers: Tensor, psi: float, cutoff: int | None = None) -> Tensor:
    """W `[N, num_ws, w_dim]` brought towards their centers: `c + psi * (w - c)`, c the nearest one.

    One center at `mapping.w_avg` gives the truncation of Karras et al. 2019, appendix B; several are the
    multi-modal truncation of Mokady et al. 2022, section 4.

    Args:
        w: W `[N, num_ws, w_dim]`.
        centers: Centers `[K, 1 or num_ws, w_dim]`, such as those of `ganzoo.latent.centers.find_centers`.
        psi: Truncation: 1 leaves w, 0 gives its center.
        cutoff: Number of rows to truncate, from the first (default: all).

    Raises:
        ValueError: if shapes do not fit, or for a cutoff that w does not have.
    """
    return w if psi == 1 and cutoff is None else towards(w, nearest(w, centers), psi, cutoff)


def towards(w: Tensor, center: Tensor, psi: float, cutoff: int | None = None) -> Tensor:
    """W `[N, num_ws, w_dim]` brought towards a center that is broadcast to their shape.

    Args:
        w: W `[N, num_ws, w_dim]`.
        center: Center, such as `mapping.center(w)`.
        psi: Truncation: 1 leaves w, 0 gives the center.
        cutoff: Number of rows to truncate, from the first (default: all).

    Raises:
        ValueError: for a cutoff that w does not have.
    """
    rows = w.shape[1]
    cutoff = rows if cutoff is None else cutoff
    if not 0 <= cutoff <= rows:
        raise ValueError(f"cutoff is 0 to {rows}; got {cutoff}.")
    if psi == 1:
        return w
    center = center.expand_as(w)[:, :cutoff]
    return torch.cat([center + psi * (w[:, :cutoff] - center), w[:, cutoff:]], dim=1)


def nearest(w: Tensor, centers: Tensor) -> Tensor:
    """The center `[N, num_ws, w_dim]` that is nearest to each w, over all of its rows.

    Raises:
        ValueError: if shapes do not fit.
    """
    if w.ndim != 3 or centers.ndim != 3 or centers.shape[1] not in (1, w.shape[1]) or not len(centers):
        raise ValueError(f"w are [N, num_ws, w_dim], centers [K, 1 or num_ws, w_dim]; got {list(w.shape)}, "
                         f"{list(centers.shape)}.")  # fmt: skip
    if w.shape[2] != centers.shape[2]:
        raise ValueError(f"w have {w.shape[2]} numbers a row, the centers {centers.shape[2]}.")
    whole = centers.to(w).expand(-1, w.shape[1], -1)
    distances = torch.cdist(w.flatten(1), whole.flatten(1), compute_mode="donot_use_mm_for_euclid_dist")
    return whole[distances.argmin(dim=1)]
