"""The input: waves on the plane, turned and shifted by w and by hand (Karras et al. 2021, section 3.1)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.blocks.base import Block, Fold
from ganzoo.ops.equalized import EqualizedLinear
from ganzoo.ops.initialize import normal_, uniform_


class FourierInput(Block):
    """`w [N, w_dim]` to features `[N, channels, size, size]`: a mix of sine waves.

    Frequencies and phases are drawn once. An affine layer gives a rotation and a translation of each sample,
    which begin as none; `transform` is one more for all samples. Waves beyond the cutoff fade, so that what
    a rotation or a scale pushes over the sampling rate is no alias. They are computed in float32 or better
    whatever the network's type is: half precision has no digits left for them.

    Args:
        w_dim: Width of w.
        channels: Number of waves and of results.
        size: Side of the result in samples.
        rate: Samples per width of the image.
        cutoff: Highest frequency of the waves.
    """

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, *, w_dim: int, channels: int, size: int, rate: int, cutoff: float) -> None:
        super().__init__()
        self.channels, self.size, self.rate, self.cutoff = channels, size, rate, cutoff
        self.weight = nn.Parameter(torch.empty(channels, channels))
        self.register_buffer("freqs", torch.empty(channels, 2))
        self.register_buffer("phases", torch.empty(channels))
        self.register_buffer("transform", torch.empty(3, 3))
        self.affine: nn.Module = _Pose(w_dim)
        self.scale = 1 / math.sqrt(channels)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw weights, phases, and frequencies: uniformly in the disc of the cutoff."""
        normal_(self.weight, generator=generator)
        normal_(self.freqs, generator=generator)
        radius = self.freqs.square().sum(dim=1, keepdim=True)
        # Of a normal pair, exp(-r^2 / 2) is uniform, and its root the radius of a uniform point of the disc.
        self.freqs.mul_(self.cutoff * (-radius / 4).exp() / radius.sqrt())
        uniform_(self.phases, bound=0.5, generator=generator)
        self.transform.copy_(torch.eye(3, device=self.transform.device))

    def forward(self, w: Tensor) -> Tensor:
        """Features `[N, channels, size, size]`."""
        freqs, phases = self._moved(self.affine(w.to(self.freqs)))
        strength = (freqs.norm(dim=2) - self.cutoff) / (self.rate / 2 - self.cutoff)
        strength = (1 - strength).clamp(0, 1)[:, None, None]
        # sin(a + b) of a for every column and b for every row: a sine for each of both, not for each sample.
        place = (
            torch.arange(self.size, device=w.device, dtype=freqs.dtype) + 0.5 - self.size / 2
        ) / self.rate
        turn = 2 * math.pi
        x = turn * (place[None, :, None] * freqs[:, None, :, 0])
        y = turn * (place[None, :, None] * freqs[:, None, :, 1] + phases[:, None])
        waves = x.sin()[:, None] * y.cos()[:, :, None] + x.cos()[:, None] * y.sin()[:, :, None]
        mixed = (waves * strength) @ (self.weight * self.scale).t()
        features: Tensor = mixed.permute(0, 3, 1, 2).to(w.dtype)
        return features

    def _moved(self, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Frequencies `[N, channels, 2]` and phases `[N, channels]` of moved waves.

        Args:
            pose: Cosine, sine, and translation along x and y, `[N, 4]`, of any length of the first two.
        """
        cos, sin, x, y = (pose / pose[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        rotation = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
        shift = torch.stack([x, y], 1)[:, :, None]
        turned = rotation @ self.transform[None, :2, :2]
        offset = rotation @ (self.transform[None, :2, 2:] - shift)
        phases = self.phases + (self.freqs @ offset)[:, :, 0]
        return self.freqs @ turned, phases

    def folded(self, fold: Fold | None = None) -> nn.Module:
        self.affine = self.affine.folded()  # type: ignore[operator]
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        def kept(tensor: Tensor) -> Tensor:
            found = fn(tensor)
            less = found.is_floating_point() and found.element_size() < tensor.element_size()
            return tensor.to(found.device) if less else found

        return super()._apply(kept, recurse)  # type: ignore[no-untyped-call]


class _Pose(EqualizedLinear):
    """The affine layer of the input: whatever w is, it begins as no rotation and no translation."""

    def __init__(self, w_dim: int) -> None:
        super().__init__(w_dim, 4)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        nn.init.zeros_(self.weight)
        with torch.no_grad():
            self.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0], device=self.bias.device))


def inverse_transform(translate: tuple[float, float], rotate: float) -> Tensor:
    """What `FourierInput.transform` holds, `[3, 3]`, for an image that is shifted and turned.

    Args:
        translate: Shift to the right and down, in widths of the image.
        rotate: Degrees, counterclockwise.
    """
    angle = math.radians(rotate)
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = [[cos, sin, translate[0]], [-sin, cos, translate[1]], [0.0, 0.0, 1.0]]
    return torch.tensor(matrix, dtype=torch.float64, device="cpu").inverse()
