"""Mapping networks: latent z to w, with truncation (Karras et al. 2019, section 2, appendix B)."""

from abc import ABC
from typing import cast

import torch
from torch import Tensor, nn

from ganzoo.blocks.base import Block, Fold, is_overridden
from ganzoo.ops.activation import ACTIVATIONS, bias_act
from ganzoo.ops.equalized import EqualizedLinear
from ganzoo.ops.labels import Label, as_labels
from ganzoo.registry import Registry
from ganzoo.system.validation import unknown

MAX_DEPTH = 64
MAX_FEATURES = 8192
MAX_ONE_HOT = 4_000_000  # numbers; labels of 100,000 classes would take gigabytes


class MappingNetwork(Block, ABC):
    """Base of the mapping networks: `z [N, z_dim]` to `w [N, num_ws, w_dim]`.

    A new one gives `w`, one vector for all rows; or `rows`, if they differ; `center`, if truncation moves w
    elsewhere than towards one mean.

    Args:
        z_dim: Width of z.
        w_dim: Width of w.
        num_ws: Rows of the result.
        label_dim: Width of the label, 0 for none.
    """

    w_avg: Tensor

    def __init__(self, *, z_dim: int, w_dim: int, num_ws: int, label_dim: int) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.num_ws = num_ws
        self.label_dim = label_dim
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def w(self, z: Tensor, label: Tensor | None) -> Tensor:
        """One w a latent, `[N, w_dim]`, before truncation."""
        if self.rows_differ:
            raise TypeError(f"The rows of {type(self).__name__} differ: it has no one w for all of them.")
        raise NotImplementedError(f"{type(self).__name__} must define w, or rows.")

    def rows(self, z: Tensor, label: Tensor | None) -> Tensor:
        """The rows of a latent's w, `[N, num_ws, w_dim]`, before truncation."""
        return self.w(z, label)[:, None].repeat(1, self.num_ws, 1)

    @property
    def rows_differ(self) -> bool:
        """Whether the rows of one latent's w may differ before truncation."""
        return is_overridden(self, MappingNetwork, "rows")

    def center(self, w: Tensor) -> Tensor:
        """What truncation moves w `[N, num_ws, w_dim]` towards, to be broadcast to its shape: the mean w."""
        return self.w_avg

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Zeros for the mean w; `estimate_w_avg` gives it."""
        nn.init.zeros_(self.w_avg)

    def forward(
        self,
        z: Tensor,
        label: Tensor | Label | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """W `[N, num_ws, w_dim]`.

        Args:
            z: Latents `[N, z_dim]`, normal.
            label: Labels `[N, label_dim]`, one-hot or mixed; classes `[N]`; or one class, or a mix such as
                `{3: 0.5, 7: 0.5}`, for all. Required if the network is conditional, refused if it is not.
            truncation_psi: Psi of `center + psi * (w - center)`; 1 leaves w, 0 gives the center: the mean w,
                or what `center` says.
            truncation_cutoff: Rows to truncate, from the first; None for all.

        Raises:
            ValueError: if a shape is wrong, or a label is missing or not asked for.
            TypeError: for numbers of another type than the weights, unless autocast brings them together.
        """
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise ValueError(f"z has shape [N, {self.z_dim}]; got {list(z.shape)}.")
        if (label is not None) != (self.label_dim > 0):
            has = f"needs a label [N, {self.label_dim}]" if self.label_dim else "takes no label"
            raise ValueError(f"This mapping network {has}.")
        if label is not None:
            given = label if isinstance(label, Tensor) and label.is_floating_point() else None
            label = as_labels(label, z.shape[0], self.label_dim)
            if given is None:
                label = label.to(z)
        # Costs are counted on "meta", of which autocast knows nothing.
        autocast = not z.is_meta and torch.is_autocast_enabled(z.device.type)
        for name, tensor in (("z", z), ("label", label)):
            if tensor is not None and tensor.dtype != self.w_avg.dtype and not autocast:
                own = self.w_avg.dtype
                raise TypeError(f"{name} is {tensor.dtype}, the network {own}: give {name}.to({own}).")
        cutoff = self.num_ws if truncation_cutoff is None else truncation_cutoff
        if not 0 <= cutoff <= self.num_ws:
            raise ValueError(f"truncation_cutoff is 0 to {self.num_ws}; got {cutoff}.")
        w = self.rows(z, label)
        if truncation_psi == 1:
            return w
        center = self.center(w).expand_as(w)[:, :cutoff]
        return torch.cat([center + truncation_psi * (w[:, :cutoff] - center), w[:, cutoff:]], dim=1)

    @torch.no_grad()
    def estimate_w_avg(self, num: int = 10_000, seed: int = 0) -> Tensor:
        """Mean of w over `num` random latents, shaped like `w_avg`, for networks that come without one.

        Conditional networks get labels drawn uniformly.
        """
        generator = torch.Generator("cpu").manual_seed(seed)
        total = torch.zeros_like(self.w_avg, dtype=torch.float64, device="cpu")
        rows = max(1, MAX_ONE_HOT // max(1, self.label_dim))
        for start in range(0, num, 1000):
            n = min(1000, num - start)
            z = torch.randn(n, self.z_dim, generator=generator, device="cpu", dtype=torch.float32)
            classes = None
            if self.label_dim:
                classes = torch.randint(self.label_dim, [n], generator=generator, device="cpu")
            with torch.autocast(self.w_avg.device.type, enabled=False):
                for i in range(0, n, rows):
                    label = None
                    if classes is not None:
                        label = nn.functional.one_hot(classes[i : i + rows], self.label_dim).to(self.w_avg)
                    w = self._for_mean(z[i : i + rows].to(self.w_avg), label)
                    total += w.cpu().double().sum(dim=0)
        return (total / num).to(self.w_avg)

    def _for_mean(self, z: Tensor, label: Tensor | None) -> Tensor:
        """W of every latent in the shape of `w_avg`: `[N, w_dim]`, or `[N, num_ws, w_dim]`."""
        if not self.rows_differ:
            return self.w(z, label)
        rows = self.rows(z, label)
        return rows.mean(dim=1) if self.w_avg.ndim == 1 else rows


MAPPINGS: Registry[MappingNetwork] = Registry("mapping", context=["z_dim", "w_dim", "num_ws", "label_dim"])


@MAPPINGS.register("mlp")
class MLPMapping(MappingNetwork):
    """Fully connected layers with leaky ReLU at a learning rate of 1/100 (Karras et al. 2019, appendix C).

    The label of a conditional network is embedded and concatenated to z, both normalised (Karras et al.
    2020a, appendix D).

    Args:
        depth: Number of layers, 1 to 64.
        lr_multiplier: Relative learning rate of the layers.
        activation: Activation of the layers, a name in `ganzoo.ops.activation.ACTIVATIONS`.
        layer_features: Width of all layers but the last; None takes w_dim.
        embed_features: Width of the embedded label; None takes w_dim.

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
            raise ValueError(f"mapping.depth is 1 to {MAX_DEPTH}; got {depth}.")
        embedded = check_width("embed_features", embed_features, w_dim) if label_dim else 0
        self.embed: nn.Module | None = EqualizedLinear(label_dim, embedded) if label_dim else None
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

    def w(self, z: Tensor, label: Tensor | None) -> Tensor:
        x = normalize(z)
        if self.embed is not None:
            x = torch.cat([x, normalize(self.embed(label))], dim=1)
        for layer in self.layers:
            x = bias_act(layer(x), activation=self.activation)
        return x

    def folded(self, fold: Fold | None = None) -> nn.Module:
        if not is_overridden(self, MLPMapping, "w"):
            self.embed = None if self.embed is None else cast(EqualizedLinear, self.embed).folded()
            self.layers = nn.ModuleList(cast(EqualizedLinear, layer).folded() for layer in self.layers)
        return self


def mapping_layers(
    in_features: int,
    out_features: int,
    *,
    depth: int,
    lr_multiplier: float,
    activation: str,
    layer_features: int | None,
) -> nn.ModuleList:
    """Linear layers `in_features -> layer_features -> ... -> out_features`, `depth` of them.

    Raises:
        ValueError: for a depth or width out of range, a multiplier that is not positive, or an unknown
            activation.
    """
    if not 0 <= depth <= MAX_DEPTH:
        raise ValueError(f"The depth of a mapping network is 0 to {MAX_DEPTH}; got {depth}.")
    if lr_multiplier <= 0:
        raise ValueError(f"mapping.lr_multiplier is positive; got {lr_multiplier}.")
    if activation not in ACTIVATIONS:
        raise ValueError(unknown("activation", activation, ACTIVATIONS))
    hidden = check_width("layer_features", layer_features, out_features)
    widths = [in_features, *[hidden] * (depth - 1), out_features]
    return nn.ModuleList(
        EqualizedLinear(widths[i], widths[i + 1], lr_multiplier=lr_multiplier) for i in range(depth)
    )


def check_width(name: str, width: int | None, default: int) -> int:
    """A width that was asked for, or its default.

    Raises:
        ValueError: if it is out of range.
    """
    width = default if width is None else width
    if not 1 <= width <= MAX_FEATURES:
        raise ValueError(f"{name} of a mapping network is 1 to {MAX_FEATURES}; got {width}.")
    return width


def normalize(x: Tensor) -> Tensor:
    """`x [N, C]` with the mean square of every row brought to 1."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)
