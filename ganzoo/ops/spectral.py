"""Layers whose weights are divided by their largest singular value (Miyato et al. 2018, section 2.1).

The singular value comes from power iteration: of a vector u on the side of the outputs, the matrix makes v,
and of v a better u. BigGAN takes one such step in every call and keeps what it found in train mode alone
(Brock et al. 2019, appendix B); a layer that stores v as well takes no step in eval mode.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.ops.conv import conv2d
from ganzoo.ops.initialize import normal_, orthogonal_

Initial = Literal["orthogonal", "normal"]
EPS = 1e-6  # of BigGAN; below it, a vector is no longer scaled to length 1
NORMAL_STD = 0.02  # of BigGAN's other initial weights


def power_step(matrix: Tensor, u: Tensor, *, eps: float = EPS) -> tuple[Tensor, Tensor]:
    """One step of power iteration: the better u `[out]` and the v `[in]` that it came from, of length 1.

    Args:
        matrix: `[out, in]`.
        u: Vector `[out]` to start with, of any length.
        eps: Least length to divide by.
    """
    with torch.no_grad(), _full_precision(matrix):
        v = F.normalize(u @ matrix, dim=0, eps=eps)
        return F.normalize(matrix @ v, dim=0, eps=eps), v


class SpectralLayer(nn.Module):
    """Base of layers that divide `weight [out, ...]` by its largest singular value as power iteration has it.

    In train mode every call moves `u`, so a layer follows its weights by being used.

    Args:
        shape: Of the weight; the matrix is `weight.view(out, -1)`.
        bias: Whether there is one, `[out]`.
        stored: Whether v is a buffer, too, and a call in eval mode takes both as they are. Otherwise it takes
            one step of its own, which is not kept.
        eps: Least length that a vector is divided by.
        initial: Weights of a new layer: "orthogonal", or "normal" of deviation 0.02.
        spectral: Whether the weight is divided at all; a layer without has neither u nor v.
    """

    u: Tensor | None
    v: Tensor | None

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        bias: bool = True,
        stored: bool = False,
        eps: float = EPS,
        initial: Initial = "orthogonal",
        spectral: bool = True,
    ) -> None:
        super().__init__()
        self.eps = eps
        self.initial = initial
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(shape[0])) if bias else None
        self.register_buffer("u", torch.empty(shape[0]) if spectral else None)
        self.register_buffer("v", torch.empty(self.weight[0].numel()) if spectral and stored else None)
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw weight and u anew; bias 0."""
        if self.initial == "orthogonal":
            orthogonal_(self.weight, generator=generator)
        else:
            normal_(self.weight, std=NORMAL_STD, generator=generator)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        if self.u is not None and not self.u.is_meta:  # where a step would take torch some milliseconds
            normal_(self.u, generator=generator)
            self._keep(self.u, *power_step(self.weight.flatten(1), self.u, eps=self.eps))

    def sigma(self) -> Tensor:
        """The singular value that a call divides by, 1 without any; in train mode u and v have moved then."""
        if self.u is None:
            return self.weight.new_ones(())
        matrix = self.weight.flatten(1)
        if self.v is not None and not self.training:
            u, v = self.u, self.v
        else:
            u, v = power_step(matrix, self.u, eps=self.eps)
            if self.training:
                self._keep(self.u, u, v)
        with _full_precision(matrix):
            return u @ (matrix @ v)

    @property
    def macs_per_output(self) -> int:
        """Multiply-accumulates of each number of the result, without those of sigma."""
        return self.weight[0].numel()

    def normalized(self) -> Tensor:
        """The weight that a call computes with."""
        return self.weight if self.u is None else self.weight / self.sigma()

    @torch.no_grad()
    def _keep(self, own: Tensor, u: Tensor, v: Tensor) -> None:
        own.copy_(u)
        if self.v is not None:
            self.v.copy_(v)

    def _plain(self, layer: Any) -> Any:
        """A layer of the meta device with the normalised weight and the bias."""
        training = self.training
        try:
            self.eval()
            layer.weight = nn.Parameter(self.normalized().detach().clone())
        finally:
            self.train(training)
        layer.bias = None if self.bias is None else nn.Parameter(self.bias.detach().clone())
        return layer


class SpectralLinear(SpectralLayer):
    """`x [..., in]` to `[..., out]`; see `SpectralLayer` for the options."""

    def __init__(self, in_features: int, out_features: int, **options: Any) -> None:
        super().__init__((out_features, in_features), **options)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.normalized(), self.bias)

    def folded(self) -> nn.Linear:
        """A plain linear layer with the weight that eval mode computes with."""
        out, into = self.weight.shape
        return cast(nn.Linear, self._plain(nn.Linear(into, out, device="meta")))


class SpectralEmbedding(SpectralLayer):
    """Labels `[N, classes]`, one-hot or a mix, to the rows `[N, features]` of the table `weight`.

    Args:
        classes: Rows of the table; u has one number for each.
        features: Width of a row.
        stored, eps, initial, spectral: See `SpectralLayer`.
    """

    def __init__(self, classes: int, features: int, **options: Any) -> None:
        super().__init__((classes, features), bias=False, **options)

    @property
    def macs_per_output(self) -> int:
        return self.weight.shape[0]

    def forward(self, label: Tensor) -> Tensor:
        return label @ self.normalized()

    def folded(self) -> nn.Linear:
        """A plain linear layer without bias, of labels."""
        classes, features = self.weight.shape
        plain = self._plain(nn.Linear(classes, features, bias=False, device="meta"))
        plain.weight = nn.Parameter(plain.weight.detach().t().contiguous())
        return cast(nn.Linear, plain)


class SpectralConv2d(SpectralLayer):
    """`x [N, in, H, W]` to `[N, out, H, W]`, of the same size.

    Args:
        in_channels, out_channels: Channels of the features.
        kernel_size: Odd.
        groups: Parts of the channels that do not see each other; `in_channels` for a depthwise convolution.
        bias, stored, eps, initial, spectral: See `SpectralLayer`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, groups: int = 1, **options: Any
    ) -> None:
        super().__init__((out_channels, in_channels // groups, kernel_size, kernel_size), **options)
        self.groups = groups
        self.padding = kernel_size // 2

    def forward(self, x: Tensor) -> Tensor:
        weight = self.normalized()
        if self.groups == 1:
            return conv2d(x, weight, self.bias, padding=self.padding)
        return F.conv2d(x, weight, self.bias, padding=self.padding, groups=self.groups)

    def folded(self) -> nn.Conv2d:
        """A plain convolution with the weight that eval mode computes with."""
        out, into, size, _ = self.weight.shape
        plain = nn.Conv2d(
            into * self.groups, out, size, padding=self.padding, groups=self.groups, device="meta"
        )
        return cast(nn.Conv2d, self._plain(plain))


def _full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """No autocast for what is computed with x: a singular value of bfloat16 is off by 1 %."""
    device = x.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()
