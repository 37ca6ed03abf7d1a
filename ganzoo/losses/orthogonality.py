"""Orthogonal regularisation (Brock et al. 2019, section 3.1), by which truncation works on every z."""

from collections.abc import Iterable

import torch
from torch import Tensor


def orthogonality(weights: Iterable[Tensor]) -> Tensor:
    """Half the sum of the squared products of different rows of each matrix, over all of them.

    Unlike Brock et al. 2017 it leaves the rows' lengths alone. The half makes the gradient the one that the
    paper's code adds, 2 (W W^T off the diagonal) W.

    Args:
        weights: Of any shape `[out, ...]`; those with fewer than two dimensions are left out.

    Raises:
        ValueError: if none is left.
    """
    found = []
    for weight in weights:
        if weight.ndim >= 2:
            rows = weight.flatten(1)
            products = rows @ rows.t()
            found.append(0.5 * (products - torch.diag(products.diagonal())).square().sum())
    if not found:
        raise ValueError("There is no matrix whose rows could be made orthogonal.")
    return torch.stack(found).sum()
