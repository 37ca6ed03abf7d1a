"""Initial weights."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def normal_(tensor: Tensor, *, std: float = 1.0, generator: torch.Generator | None = None) -> None:
    """Fill a tensor with normal numbers of mean 0.

    A tensor on the meta device is left alone: torch would do as much, after a second of imports for it.
    """
    if not tensor.is_meta:
        tensor.normal_(std=std, generator=generator)


@torch.no_grad()
def uniform_(tensor: Tensor, *, bound: float, generator: torch.Generator | None = None) -> None:
    """Fill a tensor with numbers that are equally likely between -bound and bound; see `normal_` for meta."""
    if not tensor.is_meta:
        tensor.uniform_(-bound, bound, generator=generator)


@torch.no_grad()
def orthogonal_(tensor: Tensor, *, generator: torch.Generator | None = None) -> None:
    """Make the rows of `tensor [out, ...]`, or its columns if they are fewer, orthonormal at random.

    A tensor on the meta device is left alone, as in `normal_`.
    """
    if not tensor.is_meta:
        nn.init.orthogonal_(tensor, generator=generator)
