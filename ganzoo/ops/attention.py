"""Self-attention over the places of an image (Zhang et al. 2019, section 3), as BigGAN has it."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.ops.spectral import SpectralConv2d

QUERY_SHARE, VALUE_SHARE = 8, 2  # parts of the channels


class SelfAttention(nn.Module):
    """`x [N, C, H, W]` to x plus `gamma` times what every place takes from a quarter of the places.

    Queries and keys have C / 8 channels, values C / 2; the largest of every 2 x 2 keys and values counts.

    Args:
        channels: C, at least 2.
        options: Options of its convolutions without bias; see `ganzoo.ops.spectral.SpectralLayer`.

    Attributes:
        gamma: Factor, a number that starts at 0; None once it is folded.
    """

    query: Any
    key: Any
    value: Any
    out: Any

    def __init__(self, channels: int, **options: Any) -> None:
        super().__init__()
        narrow, wide = max(1, channels // QUERY_SHARE), channels // VALUE_SHARE
        self.query = SpectralConv2d(channels, narrow, 1, bias=False, **options)
        self.key = SpectralConv2d(channels, narrow, 1, bias=False, **options)
        self.value = SpectralConv2d(channels, wide, 1, bias=False, **options)
        self.out = SpectralConv2d(wide, channels, 1, bias=False, **options)
        self.gamma: nn.Parameter | None = nn.Parameter(torch.zeros(()))

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Gamma 0: a new network begins without it."""
        if self.gamma is not None:
            nn.init.zeros_(self.gamma)

    def forward(self, x: Tensor) -> Tensor:
        query = self.query(x).flatten(2)  # [N, C / 8, HW]
        key = F.max_pool2d(self.key(x), 2).flatten(2)  # [N, C / 8, HW / 4]
        value = F.max_pool2d(self.value(x), 2).flatten(2)  # [N, C / 2, HW / 4]
        shares = torch.softmax(query.transpose(1, 2) @ key, dim=-1)  # [N, HW, HW / 4]
        taken = (value @ shares.transpose(1, 2)).view(x.shape[0], -1, x.shape[2], x.shape[3])
        found: Tensor = self.out(taken)
        return x + (found if self.gamma is None else self.gamma * found)

    def folded(self) -> "SelfAttention":
        """The module itself with plain convolutions, gamma in the last of them."""
        self.query, self.key = self.query.folded(), self.key.folded()
        self.value, out = self.value.folded(), self.out.folded()
        if self.gamma is not None:
            out.weight = nn.Parameter(out.weight.detach() * self.gamma.detach())
        self.out, self.gamma = out, None
        return self
