"""The mapping network of conditional networks before ADA: label and latent joined, then normalised as one."""

from typing import cast

import torch
from torch import Tensor, nn

from ganzoo.blocks.base import Fold, is_overridden
from ganzoo.blocks.mapping import MAPPINGS, MappingNetwork, check_width, mapping_layers, normalize
from ganzoo.ops.activation import bias_act
from ganzoo.ops.equalized import EqualizedLinear
from ganzoo.ops.initialize import normal_


@MAPPINGS.register("joined")
class JoinedMapping(MappingNetwork):
    """Fully connected layers of z beside a vector of the label (Karras et al. 2019, appendix C).

    Without labels it is the mapping network `mlp`.

    Args:
        depth, lr_multiplier, activation, layer_features: Options of the layers, see `MLPMapping`.
        embed_features: Width of the label's vector; None takes z_dim.

    Raises:
        ValueError: for a depth or width out of range, a multiplier that is not positive, or an unknown
            activation.
    """

    def __init__(
        self,
        *,
        z_dim: int,
        w_dim: int,
        num_ws: int,
        label_dim: int,
        depth: int = 8,
        lr_multiplier: float = 0.01,
        activation: str = "lrelu",
        layer_features: int | None = None,
        embed_features: int | None = None,
    ) -> None:
        super().__init__(z_dim=z_dim, w_dim=w_dim, num_ws=num_ws, label_dim=label_dim)
        if depth < 1:
            raise ValueError(f"mapping.depth is at least 1; got {depth}.")
        embedded = check_width("embed_features", embed_features, z_dim) if label_dim else 0
        self.embed = nn.Parameter(torch.empty(label_dim, embedded)) if label_dim else None
        self.activation = activation
        self.layers = mapping_layers(
            z_dim + embedded,
            w_dim,
            depth=depth,
            lr_multiplier=lr_multiplier,
            activation=activation,
            layer_features=layer_features,
        )
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the vectors of the labels anew; zeros for the mean w."""
        super().reset_parameters(generator)
        if self.embed is not None:
            normal_(self.embed, generator=generator)

    def w(self, z: Tensor, label: Tensor | None) -> Tensor:
        x = z if self.embed is None else torch.cat([z, cast(Tensor, label) @ self.embed], dim=1)
        x = normalize(x)
        for layer in self.layers:
            x = bias_act(layer(x), activation=self.activation)
        return x

    def folded(self, fold: Fold | None = None) -> nn.Module:
        if not is_overridden(self, JoinedMapping, "w"):
            self.layers = nn.ModuleList(cast(EqualizedLinear, layer).folded() for layer in self.layers)
        return self
