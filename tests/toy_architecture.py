"""A second architecture, as another package would bring it: no level, no noise, rows of w that differ."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.blocks import MAPPINGS, MappingNetwork
from ganzoo.generators.config import GENERATORS, GeneratorConfig
from ganzoo.generators.synthesis import Noise, Output, RandomSource, SynthesisNetwork
from ganzoo.ops.equalized import EqualizedLinear


@MAPPINGS.register("rows")
class RowsMapping(MappingNetwork):
    """A linear layer a row."""

    def __init__(self, *, z_dim: int, w_dim: int, num_ws: int, label_dim: int) -> None:
        super().__init__(z_dim=z_dim, w_dim=w_dim, num_ws=num_ws, label_dim=label_dim)
        self.layer = EqualizedLinear(z_dim + label_dim, num_ws * w_dim)

    def rows(self, z: Tensor, label: Tensor | None) -> Tensor:
        x = z if label is None else torch.cat([z, label], dim=1)
        return self.layer(x).unflatten(1, (self.num_ws, -1))

    def folded(self, fold: object = None) -> nn.Module:
        self.layer = self.layer.folded()
        return self


class Waves(SynthesisNetwork):
    """Sine waves of the place in the image, mixed by w layer by layer."""

    def __init__(self, *, resolution: int, img_channels: int, w_dim: int, width: int, depth: int) -> None:
        super().__init__(num_ws=depth, w_dim=w_dim)
        axis = torch.linspace(-1, 1, resolution, device="cpu")
        self.register_buffer("place", torch.stack(torch.meshgrid(axis, axis, indexing="ij"))[None], False)
        self.styles = nn.ModuleList(EqualizedLinear(w_dim, width, bias_init=1.0) for _ in range(depth))
        widths = [2, *[width] * depth]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.to_image = nn.Conv2d(width, img_channels, 1)

    def forward(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Output:
        self.layer_noise(w, noise, generator)
        x = math.pi * self.place.to(w).expand(w.shape[0], -1, -1, -1)
        for i, (layer, style) in enumerate(zip(self.layers, self.styles, strict=True)):
            x = torch.sin(layer(x) * style(w[:, i])[:, :, None, None])
        return Output(self.to_image(x), [], [])


@GENERATORS.register("waves")
@dataclass(frozen=True, kw_only=True)
class WavesConfig(GeneratorConfig):
    """Args: width of the layers and how many there are."""

    resolution: int = 16
    z_dim: int = 8
    w_dim: int = 8
    width: int = 8
    depth: int = 3
    mapping: Mapping[str, Any] = field(default_factory=lambda: {"name": "rows"})

    @property
    def num_ws(self) -> int:
        return self.depth

    def build_synthesis(self) -> Waves:
        names = ("resolution", "img_channels", "w_dim", "width", "depth")
        return Waves(**{name: getattr(self, name) for name in names})
