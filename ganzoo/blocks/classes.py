"""BigGAN's way to w: rows of a class's embedding and of parts of z (Brock et al. 2019, appendix B)."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.mapping import MAPPINGS, MappingNetwork, check_width
from ganzoo.ops.initialize import orthogonal_

Spread = Literal["chunks", "first", "whole"]


@MAPPINGS.register("classes")
class ClassesMapping(MappingNetwork):
    """Rows `[label, z, 1]`: the label's embedding, that row's part of z, and a place for the truncation.

    Nothing is learnt but the embedding, which is linear: a mix of one-hot labels is a mix of classes.
    Truncation moves z towards 0 and leaves the class; `1` becomes psi by it, which networks read whose
    statistics depend on the truncation.

    Args:
        z_dim: Width of z; for "chunks", a multiple of `num_ws`.
        w_dim: Width of a row: `row_width`.
        num_ws: Rows.
        label_dim: Number of classes; 0 for none.
        embed_dim: Width of the embedded label; null takes the label itself.
        spread: Part of z in a row: "chunks" gives each row its own, "first" and "whole" all of z to all rows.
        z_first: Whether z comes before the label.
        with_psi: Whether a row ends with a place for the truncation.

    Raises:
        ValueError: for a width that does not fit.
    """

    def __init__(
        self,
        *,
        z_dim: int,
        w_dim: int,
        num_ws: int,
        label_dim: int,
        embed_dim: int | None = 128,
        spread: Spread = "chunks",
        z_first: bool = False,
        with_psi: bool = False,
    ) -> None:
        super().__init__(z_dim=z_dim, w_dim=w_dim, num_ws=num_ws, label_dim=label_dim)
        spec = {"embed_dim": embed_dim, "spread": spread, "z_first": z_first, "with_psi": with_psi}
        sizes = {"z_dim": z_dim, "num_ws": num_ws, "label_dim": label_dim}
        width, (self.label_columns, _) = row_width(spec, **sizes), columns(spec, **sizes)
        if w_dim != width:
            raise ValueError(f"A row of these classes and this z is {width} wide, not {w_dim} (w_dim).")
        self.spread, self.z_first, self.with_psi = spread, z_first, with_psi
        self.embed: nn.Module | None = None
        if label_dim and embed_dim is not None:
            self.embed = Embedding(label_dim, check_width("embed_dim", embed_dim, embed_dim))

    @property
    def rows_differ(self) -> bool:
        return self.spread == "chunks"

    def w(self, z: Tensor, label: Tensor | None) -> Tensor:
        return super().w(z, label) if self.rows_differ else self._joined(z[:, None], label)[:, 0]

    def rows(self, z: Tensor, label: Tensor | None) -> Tensor:
        if not self.rows_differ:
            return super().rows(z, label)
        return self._joined(z.reshape(z.shape[0], self.num_ws, -1), label)

    def _joined(self, parts: Tensor, label: Tensor | None) -> Tensor:
        """Rows of parts of z `[N, rows, width]`, each with the label and a place for the truncation."""
        found = [parts]
        if label is not None:
            embedded = label if self.embed is None else self.embed(label)
            found.insert(1 if self.z_first else 0, embedded[:, None].expand(-1, parts.shape[1], -1))
        if self.with_psi:
            found.append(torch.ones_like(parts[:, :, :1]))
        return torch.cat(found, dim=2)

    def center(self, w: Tensor) -> Tensor:
        """The class of w at z = 0, `[N, num_ws, w_dim]`."""
        first, last = self.label_columns
        return F.pad(w[:, :, first:last], (first, w.shape[2] - last))


@MAPPINGS.register("classes_whole")
class WholeClassesMapping(ClassesMapping):
    """The same for BigGAN-deep, whose blocks see all of z: its defaults are other ones.

    Args:
        z_dim, w_dim, num_ws, label_dim, embed_dim, spread, z_first, with_psi: See `ClassesMapping`.
    """

    def __init__(
        self,
        *,
        z_dim: int,
        w_dim: int,
        num_ws: int,
        label_dim: int,
        embed_dim: int | None = 128,
        spread: Spread = "whole",
        z_first: bool = True,
        with_psi: bool = False,
    ) -> None:
        super().__init__(
            z_dim=z_dim,
            w_dim=w_dim,
            num_ws=num_ws,
            label_dim=label_dim,
            embed_dim=embed_dim,
            spread=spread,
            z_first=z_first,
            with_psi=with_psi,
        )


def has_parts(name: str) -> bool:
    """Whether a mapping network's rows have parts, which `columns` tells."""
    return issubclass(MAPPINGS.get(name), ClassesMapping)


class Embedding(nn.Module):
    """Labels `[N, classes]` to `[N, features]`, linear: one-hot or any mix. Rows of the table are classes."""

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, features))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Orthonormal rows, or columns if those are fewer (Brock et al. 2019, section 3)."""
        orthogonal_(self.weight, generator=generator)

    def forward(self, label: Tensor) -> Tensor:
        return label @ self.weight


def columns(
    spec: Mapping[str, Any], *, z_dim: int, num_ws: int, label_dim: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where the label and the part of z lie in a row, each from one column to another.

    Raises:
        ValueError: if z cannot be cut into as many chunks as there are rows.
    """
    embed = spec["embed_dim"]
    label = (label_dim if embed is None else embed) if label_dim else 0
    part = z_dim
    if spec["spread"] == "chunks":
        if z_dim % num_ws:
            near = max(1, round(z_dim / num_ws)) * num_ws
            raise ValueError(
                f"z_dim is cut into a chunk for each of {num_ws} rows: a multiple of that, such as {near}; "
                f"got {z_dim}."
            )
        part = z_dim // num_ws
    if spec["z_first"]:
        return (part, part + label), (0, part)
    return (0, label), (label, label + part)


def row_width(spec: Mapping[str, Any], *, z_dim: int, num_ws: int, label_dim: int) -> int:
    """Width of a row of w.

    Raises:
        ValueError: if z cannot be cut into as many chunks as there are rows.
    """
    label, z = columns(spec, z_dim=z_dim, num_ws=num_ws, label_dim=label_dim)
    return max(label[1], z[1]) + bool(spec["with_psi"])
