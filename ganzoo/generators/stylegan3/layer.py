"""One layer: modulated convolution, and an activation between two filters (Karras et al. 2021, 3.2)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.base import Block, Fold
from ganzoo.generators.stylegan3.table import Shape
from ganzoo.ops.conv import conv2d
from ganzoo.ops.equalized import EqualizedLinear
from ganzoo.ops.filtered import filtered_lrelu
from ganzoo.ops.initialize import normal_

_EPS = 1e-8


class FilteredLayer(Block):
    """Features `[N, in, size, size]` and a row of w `[N, w_dim]` to features `[N, out, size', size']`.

    The input is scaled by what it measured in training (appendix B.3 there): the running mean of its squares,
    `magnitude_ema`. In training mode each pass moves a copy of that mean, uses it, and keeps it as `moved`;
    `SynthesisNetwork.absorb` takes it over. A sample's image depends on no other one: styles are normalised
    within their sample, which differs from the original's batch only by an epsilon.

    Args:
        shape: Numbers of the layer.
        w_dim: Width of w.
        clamp: Limit of the activation; None does not clip.
        decay: Share that the mean of squares keeps in one step.
    """

    magnitude_ema: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None
    energy: Tensor | None

    def __init__(self, shape: Shape, *, w_dim: int, clamp: float | None, decay: float) -> None:
        super().__init__()
        self.shape, self.clamp, self.decay = shape, clamp, decay
        kernel = shape.kernel_size
        self.weight = nn.Parameter(torch.empty(shape.out_channels, shape.in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(shape.out_channels))
        self.affine: nn.Module = EqualizedLinear(w_dim, shape.in_channels, bias_init=1.0)
        self.register_buffer("magnitude_ema", torch.empty([]))
        for name, filter_ in shape.filters().items():
            self.register_buffer(name, None if filter_ is None else torch.empty(filter_.shape))
        self.moved: Tensor | None = None
        self.register_buffer("energy", None)  # of folded weights, summed over the kernel: [out, in]
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights, and design the filters."""
        normal_(self.weight, generator=generator)
        nn.init.zeros_(self.bias)
        nn.init.ones_(self.magnitude_ema)
        for name, filter_ in self.shape.filters().items():
            if filter_ is not None:
                getattr(self, name).copy_(filter_)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Features `[N, out, size', size']`."""
        s = self.shape
        gain, style = self._input_gain(x), self.affine(w)
        factors: Tensor | None = None
        weight: Tensor = self.weight
        if s.is_rgb:
            style = style * (1 / math.sqrt(s.in_channels))
        else:
            style = style * style.square().mean(dim=1, keepdim=True).rsqrt()
            if self.energy is None:
                weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
            energy = weight.square().sum(dim=(2, 3)) if self.energy is None else self.energy
            factors = (style.square() @ energy.t() + _EPS).rsqrt()[:, :, None, None]
        x = conv2d(x * (style * gain)[:, :, None, None], weight, padding=s.kernel_size - 1)
        bias = self.bias[:, None, None].to(x.dtype)
        x = x + bias if factors is None else torch.addcmul(bias, x, factors.to(x.dtype))
        if s.up == s.down == 1 and self.up_filter is None and self.down_filter is None:
            return self._activated(F.pad(x, s.padding * 2) if any(s.padding) else x)
        return filtered_lrelu(
            x,
            self.up_filter,
            self.down_filter,
            up=s.up,
            down=s.down,
            padding=s.padding,
            slope=1.0 if s.is_rgb else 0.2,
            gain=1.0 if s.is_rgb else math.sqrt(2),
            clamp=self.clamp,
        )

    def folded(self, fold: Fold | None = None) -> nn.Module:
        self.affine = self.affine.folded()  # type: ignore[operator]
        weight: Tensor = self.weight
        if not self.shape.is_rgb:
            weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
            self.energy = weight.square().sum(dim=(2, 3))
        self.weight = nn.Parameter(weight * self.magnitude_ema.rsqrt())
        self.magnitude_ema.fill_(1)
        return self

    def _input_gain(self, x: Tensor) -> Tensor:
        """The factor that brings the input to a mean square of 1."""
        mean = self.magnitude_ema
        if self.training:
            with torch.no_grad():
                mean = torch.lerp(x.float().square().mean(), mean.float(), self.decay)
            self.moved = mean
        return mean.rsqrt().to(x.dtype)

    def _activated(self, x: Tensor) -> Tensor:
        """The activation of a layer without filters."""
        if not self.shape.is_rgb:
            x = F.leaky_relu(x, 0.2) * math.sqrt(2)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)
