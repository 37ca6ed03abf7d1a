"""Normalisations of features whose gain and bias follow a condition, such as a class and a part of z.

Class-conditional batch norm (Brock et al. 2019, appendix B; de Vries et al. 2017): the features of a channel
are brought to mean 0 and variance 1, times a gain, plus a bias, both linear in the condition.
"""

from abc import ABC
from collections.abc import Callable
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.base import Block, Fold, is_overridden
from ganzoo.registry import Registry

MOMENTUM = 0.1  # of the running statistics: the share of the newest batch
MAX_STATS = 10_000
_ON_GRID = 1e-4  # of a step between two truncations; a float32 near 1 is off by 3e-6 steps of 51
_DIGITS = 6  # in which people write a truncation

MakeLinear = Callable[[int, int], Any]


class Norm(Block, ABC):
    """Base of the normalisations: `x [N, C, H, W]`, a condition and a truncation to `[N, C, H, W]`.

    A new one gives `statistics`, `measured`, or both.

    Args:
        channels: C.
        condition_dim: Width of the condition; 0 for none: gain and bias are vectors then.
        make_linear: Makes a linear layer without bias of its numbers of inputs and outputs.
        eps: Number added to the variance.

    Attributes:
        reads_truncation: Whether the truncation must be given.
        last: Name of the normalisation behind the last block, where there is no condition; it is given those
            of the options that it has.
    """

    reads_truncation: ClassVar[bool] = False
    last: ClassVar[str] = "batch"

    def __init__(
        self, *, channels: int, condition_dim: int, make_linear: MakeLinear, eps: float = 1e-5
    ) -> None:
        super().__init__()
        if eps <= 0:
            raise ValueError(f"norm.eps is positive; got {eps}.")
        self.channels, self.eps = channels, eps
        self.affine: nn.Module = (
            ConditionalAffine(condition_dim, channels, make_linear) if condition_dim else Affine(channels)
        )

    def statistics(self, psi: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """Stored mean and variance, each `[N or 1, C]`; None where the features of x are measured.

        Args:
            psi: Truncation of every sample, `[N]`.
        """
        return None

    def measured(self, x: Tensor) -> Tensor:
        """The features `[N, C, H, W]`, normalised by their own statistics."""
        return x

    def forward(self, x: Tensor, condition: Tensor | None, psi: Tensor | None = None) -> Tensor:
        """The normalised features.

        Args:
            x: Features `[N, C, H, W]`.
            condition: `[N, condition_dim]`; None for a normalisation without condition.
            psi: Truncation `[N]`, 0 to 1, where `reads_truncation`.
        """
        gain, bias = cast("tuple[Tensor, Tensor]", self.affine(condition))
        found = self.statistics(psi)
        if found is None:
            x = self.measured(x)
        else:
            mean, variance = found
            gain = gain * torch.rsqrt(variance + self.eps)
            bias = bias - mean * gain
        return x * gain[:, :, None, None] + bias[:, :, None, None]

    def can_fold(self) -> bool:
        return not is_overridden(self, Norm, "forward")

    def folded(self, fold: Fold | None = None) -> nn.Module:
        """Gain and bias as one linear function of the condition, with the statistics if they are constant."""
        if not self.can_fold():
            return self
        self.eval()
        affine = cast(Affine | ConditionalAffine, self.affine)
        found = None if self.reads_truncation else self.statistics(None)
        if found is not None:
            mean, variance = found
            return FoldedNorm(affine.folded(torch.rsqrt(variance[0] + self.eps), mean[0]))
        like = next(self.parameters())
        self.affine = affine.folded(like.new_ones(self.channels), like.new_zeros(self.channels))
        return self

    def style_weights(self) -> list[Tensor]:
        return cast(Affine | ConditionalAffine, self.affine).matrices()


NORMS: Registry[Norm] = Registry("norm", context=["channels", "condition_dim", "make_linear"])


@NORMS.register("batch")
class BatchNorm(Norm):
    """Statistics of the batch in train mode, in eval mode the stored ones, which follow with momentum 0.1.

    Args:
        eps: Number added to the variance.
        biased: Whether the stored variance is that of the batch as it is, divided by its size.
            Otherwise it is divided by one less, as PyTorch's own.

    Attributes:
        momentum: Share of the newest batch in the stored statistics.
    """

    follows = True
    mean: Tensor
    variance: Tensor

    def __init__(
        self,
        *,
        channels: int,
        condition_dim: int,
        make_linear: MakeLinear,
        eps: float = 1e-5,
        biased: bool = False,
    ) -> None:
        super().__init__(channels=channels, condition_dim=condition_dim, make_linear=make_linear, eps=eps)
        self.biased, self.momentum = biased, MOMENTUM
        self.register_buffer("mean", torch.empty(channels))
        self.register_buffer("variance", torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Mean 0 and variance 1."""
        nn.init.zeros_(self.mean)
        nn.init.ones_(self.variance)

    def follow(self, share: float | None) -> None:
        self.momentum = MOMENTUM if share is None else share

    def statistics(self, psi: Tensor | None) -> tuple[Tensor, Tensor] | None:
        return None if self.training else (self.mean[None], self.variance[None])

    def measured(self, x: Tensor) -> Tensor:
        if not self.biased:
            return F.batch_norm(
                x, self.mean, self.variance, training=True, momentum=self.momentum, eps=self.eps
            )
        with torch.no_grad():
            variance, mean = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)
            self.mean.lerp_(mean, self.momentum)
            self.variance.lerp_(variance, self.momentum)
        return F.batch_norm(x, None, None, training=True, eps=self.eps)


@NORMS.register("instance")
class InstanceNorm(BatchNorm):
    """Statistics of each image in train mode; in eval mode the stored ones, means over images.

    Args:
        eps: Number added to the variance.
    """

    def __init__(
        self, *, channels: int, condition_dim: int, make_linear: MakeLinear, eps: float = 1e-5
    ) -> None:
        super().__init__(channels=channels, condition_dim=condition_dim, make_linear=make_linear, eps=eps)

    def measured(self, x: Tensor) -> Tensor:
        return F.instance_norm(x, self.mean, self.variance, momentum=self.momentum, eps=self.eps)


@NORMS.register("none")
class NoNorm(Norm):
    """Gain and bias alone.

    Args:
        eps: Number added to the variance behind the last block, where the features are normalised.
    """

    def __init__(
        self, *, channels: int, condition_dim: int, make_linear: MakeLinear, eps: float = 1e-5
    ) -> None:
        super().__init__(channels=channels, condition_dim=condition_dim, make_linear=make_linear, eps=eps)


@NORMS.register("by_truncation")
class TruncationNorm(Norm):
    """Stored statistics that were measured for several truncations, in train mode as well.

    The tables have a row for each of the truncations 0, 1/(n-1), ... 1. Between two of them, the original
    (huggingface/pytorch-pretrained-BigGAN) weighs both the wrong way round, and the rows that it takes on
    the grid follow from a division in float64; both are reproduced, for the images follow from them.

    Args:
        eps: Number added to the variance.
        stats: Rows of the tables, 2 to 10,000.
    """

    reads_truncation = True
    last = "by_truncation"
    means: Tensor
    variances: Tensor
    grid: Tensor

    def __init__(
        self,
        *,
        channels: int,
        condition_dim: int,
        make_linear: MakeLinear,
        eps: float = 1e-4,
        stats: int = 51,
    ) -> None:
        super().__init__(channels=channels, condition_dim=condition_dim, make_linear=make_linear, eps=eps)
        if not 2 <= stats <= MAX_STATS:
            raise ValueError(f"norm.stats is 2 to {MAX_STATS}; got {stats}.")
        self.steps = stats - 1
        self.register_buffer("means", torch.empty(stats, channels))
        self.register_buffer("variances", torch.empty(stats, channels))
        rows = [row_on_grid(k, self.steps) for k in range(stats)]
        self.register_buffer("grid", torch.tensor(rows, device="cpu"), persistent=False)
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Mean 0 and variance 1 for all truncations."""
        nn.init.zeros_(self.means)
        nn.init.ones_(self.variances)

    def statistics(self, psi: Tensor | None) -> tuple[Tensor, Tensor]:
        if psi is None:
            raise ValueError("The statistics depend on the truncation, which is not given.")
        # No clamp: the optimiser of onnxscript 0.7 loses its limits when there are many.
        place = (1 - F.relu(1 - F.relu(psi.float()))) * self.steps
        nearest, below = place.round(), place.floor()
        is_on_grid = (place - nearest).abs() < _ON_GRID
        row = torch.where(is_on_grid, self.grid.to(psi.device)[nearest.long()], below.long())
        share = torch.where(is_on_grid, torch.ones_like(place), place - below)[:, None].to(self.means)
        above = row + (row < self.steps).long()
        return (
            self.means[row] * share + self.means[above] * (1 - share),
            self.variances[row] * share + self.variances[above] * (1 - share),
        )


def row_on_grid(k: int, steps: int) -> int:
    """The row of statistics that the original takes for the k-th truncation of its grid, as people write it.

    It divides the truncation by the step in float64; what is left of the whole part decides. 0.58 / 0.02 is
    28.999999999999996: the row is 28, at a weight of nearly 1.
    """
    place = round(k / steps, _DIGITS) / (1.0 / steps)
    below = int(place)
    rest = place - below
    return min(below if rest == 0 or rest > 0.5 else below + 1, steps)


class Affine(nn.Module):
    """A gain and a bias for every channel, `[1, C]` each, alike for all samples."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Gain 1 and bias 0."""
        nn.init.ones_(self.gain)
        nn.init.zeros_(self.bias)

    def forward(self, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.gain[None], self.bias[None]

    def matrices(self) -> list[Tensor]:
        """None: there is no condition."""
        return []

    def folded(self, gain: Tensor, mean: Tensor) -> "FoldedAffine":
        """The same behind a normalisation `(x - mean) * gain`."""
        own = self.gain * gain
        return FoldedAffine(None, torch.cat([own, self.bias - mean * own]))


class ConditionalAffine(nn.Module):
    """The gain `1 + A c` and the bias `B c` of a condition c, `[N, C]` each."""

    def __init__(self, condition_dim: int, channels: int, make_linear: MakeLinear) -> None:
        super().__init__()
        self.gain = make_linear(condition_dim, channels)
        self.bias = make_linear(condition_dim, channels)

    def forward(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        return 1 + self.gain(condition), self.bias(condition)

    def matrices(self) -> list[Tensor]:
        """A and B, `[C, condition_dim]`."""
        return [layer.folded().weight for layer in (self.gain, self.bias)]

    def folded(self, gain: Tensor, mean: Tensor) -> "FoldedAffine":
        """The same behind a normalisation `(x - mean) * gain`."""
        a, b = self.matrices()
        scaled = gain[:, None] * a
        return FoldedAffine(torch.cat([scaled, b - mean[:, None] * scaled]), torch.cat([gain, -mean * gain]))


class FoldedAffine(nn.Module):
    """A factor and a term `[N or 1, C]` each, in one linear function of the condition."""

    def __init__(self, weight: Tensor | None, bias: Tensor) -> None:
        super().__init__()
        self.weight = None if weight is None else nn.Parameter(weight.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())

    def forward(self, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.weight is None:
            first, second = self.bias[None].chunk(2, dim=1)
        else:
            first, second = F.linear(cast(Tensor, condition), self.weight, self.bias).chunk(2, dim=1)
        return first, second


class FoldedNorm(nn.Module):
    """A normalisation by constant statistics, all of it in a factor and a term for every channel."""

    def __init__(self, affine: FoldedAffine) -> None:
        super().__init__()
        self.affine = affine

    def forward(self, x: Tensor, condition: Tensor | None, psi: Tensor | None = None) -> Tensor:
        factor, term = cast("tuple[Tensor, Tensor]", self.affine(condition))
        return x * factor[:, :, None, None] + term[:, :, None, None]
