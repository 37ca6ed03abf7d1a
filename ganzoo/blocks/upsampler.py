"""Upsamplers: `[N, in, H, W]` to `[N, out, 2H, 2W]` given w, the level's first convolution included.

The cut lies after the convolution because that is where the two fit the same hole: a transposed convolution
is upsampling and convolution at once, the inverse wavelet transform comes before its convolution.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from ganzoo.blocks.base import Block, Fold, is_overridden, prefixed
from ganzoo.blocks.conv import FoldedConv, ModulatedConv
from ganzoo.ops.equalized import EqualizedLinear
from ganzoo.ops.resample import Blur
from ganzoo.ops.wavelet import IDWT, ModulatedIDWT, subband_groups, subband_order
from ganzoo.registry import Registry

# Details of images are weak: at full strength a network begins as white noise, and learns far more slowly.
_DETAILS = 0.25
MakeConv = Callable[[int, int], ModulatedConv]  # in and out channels to a convolution


class Upsampler(Block, ABC):
    """Base of the upsamplers.

    Attributes:
        is_biased: Whether it adds a bias of its own, so that the layer around it may do without.
    """

    is_biased = False

    @abstractmethod
    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Features `[N, out, 2H, 2W]` of `x [N, in, H, W]` and `w [N, w_dim]`."""

    def input_order(self) -> Tensor | None:
        """The order of the input's channels that suits the folded form best; None for their own."""
        return None

    def kept_inputs(self, scores: Tensor, count: int) -> Tensor:
        """The input channels that a narrower upsampler reads, in the order in which it reads them.

        Args:
            scores: Importance of every input channel.
            count: Number of channels to keep.
        """
        return highest(scores, count)


def highest(scores: Tensor, count: int) -> Tensor:
    """Indices of the `count` highest scores, in rising order; of equal ones, the first."""
    return scores.argsort(descending=True, stable=True)[:count].sort().values


UPSAMPLERS: Registry[Upsampler] = Registry(
    "upsampler", context=["in_channels", "out_channels", "w_dim", "make_conv"]
)


@UPSAMPLERS.register("conv_transpose")
class ConvTransposeUpsampler(Upsampler):
    """Modulated convolution transposed at stride 2, then a FIR blur (Karras et al. 2020, appendix B).

    Args:
        taps: Taps of the separable blur; it is normalised to keep the brightness.

    Raises:
        ValueError: for more than 32 taps or a sum of 0.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        make_conv: MakeConv,
        taps: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0),
    ) -> None:
        super().__init__()
        self.conv = make_conv(in_channels, out_channels)
        # The result of the transposed convolution has 2H + k - 2 rows; these pads leave 2H after the blur.
        spare = len(taps) - 1 - self.conv.kernel_size
        self.blur = Blur(taps, ((spare + 3) // 2, (spare + 2) // 2), gain=4.0)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.conv(x, w, transposed=True)
        return cast(Tensor, self.blur(x))

    def can_fold(self) -> bool:
        return self.conv.can_fold() and not is_overridden(self, ConvTransposeUpsampler, "forward")

    def folded(self, fold: Fold | None = None) -> nn.Module:
        return FoldedConvTranspose(self, fold or Fold()) if self.can_fold() else self

    def input_norms(self, w: Tensor) -> Tensor:
        return self.conv.input_norms(w)

    def product(self, x: Tensor, w: Tensor) -> tuple[Tensor, nn.Parameter] | None:
        if is_overridden(self, ConvTransposeUpsampler, "forward"):
            return None
        found = self.conv.product(x, w, transposed=True)
        return None if found is None else (self.blur(found[0]), found[1])

    def style_weights(self) -> list[Tensor]:
        return self.conv.style_weights()

    def narrowed(self, keep_in: Tensor, keep_out: Tensor) -> dict[str, Tensor]:
        return prefixed("conv", self.conv.narrowed(keep_in, keep_out)) if self.can_fold() else {}


class FoldedConvTranspose(nn.Module):
    """The folded form of a `ConvTransposeUpsampler`, which it takes over."""

    def __init__(self, block: ConvTransposeUpsampler, fold: Fold) -> None:
        super().__init__()
        within = Fold(gain=fold.gain, order_in=fold.order_in, order_out=fold.order_out)
        self.conv, self.blur = block.conv.folded(within), block.blur
        self.bias = None
        if fold.bias is not None:  # behind the blur: at the border it would dim a bias in front of it
            bias = fold.bias if fold.order_out is None else fold.bias[fold.order_out]
            self.bias = nn.Parameter(bias.clone())

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = cast(Tensor, self.blur(self.conv(x, w, transposed=True)))
        return x if self.bias is None else x.add_(self.bias[:, None, None])


@UPSAMPLERS.register("nearest")
class NearestUpsampler(Upsampler):
    """Every pixel repeated, a convolution, a blur within the image (Karras et al. 2019, section 2).

    The first two are done at once: a convolution transposed at stride 2, whose every 2 x 2 neighbours are
    added, at a quarter of the multiplications. So kernels are stored as a transposed convolution takes them.

    Args:
        taps: Taps of the separable blur; it is normalised to keep the brightness.
        bias: Whether a bias is added in front of the blur, which dims it at the border.

    Raises:
        ValueError: for more than 32 taps or a sum of 0.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        make_conv: MakeConv,
        taps: tuple[float, ...] = (1.0, 2.0, 1.0),
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.conv = make_conv(in_channels, out_channels)
        spare = (3 - self.conv.kernel_size) // 2  # the transposed convolution gives 2H + k - 2 rows
        self.sum = Blur((1.0, 1.0), (spare, spare), gain=4.0)
        self.blur = Blur(taps, (len(taps) // 2, (len(taps) - 1) // 2))
        self.is_biased = bias
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Bias 0."""
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.sum(self.conv(x, w, transposed=True))
        return cast(Tensor, self.blur(x if self.bias is None else x + self.bias[:, None, None]))

    def can_fold(self) -> bool:
        return self.conv.can_fold() and not is_overridden(self, NearestUpsampler, "forward")

    def folded(self, fold: Fold | None = None) -> nn.Module:
        return FoldedNearest(self, fold or Fold()) if self.can_fold() else self

    def input_norms(self, w: Tensor) -> Tensor:
        return self.conv.input_norms(w)

    def product(self, x: Tensor, w: Tensor) -> tuple[Tensor, nn.Parameter] | None:
        if self.bias is not None or is_overridden(self, NearestUpsampler, "forward"):
            return None
        found = self.conv.product(x, w, transposed=True)
        return None if found is None else (self.blur(self.sum(found[0])), found[1])

    def style_weights(self) -> list[Tensor]:
        return self.conv.style_weights()

    def narrowed(self, keep_in: Tensor, keep_out: Tensor) -> dict[str, Tensor]:
        if not self.can_fold():
            return {}
        bias = {} if self.bias is None else {"bias": self.bias[keep_out]}
        return {**bias, **prefixed("conv", self.conv.narrowed(keep_in, keep_out))}


class FoldedNearest(nn.Module):
    """The folded form of a `NearestUpsampler`, which it takes over."""

    def __init__(self, block: NearestUpsampler, fold: Fold) -> None:
        super().__init__()
        within = Fold(gain=fold.gain, order_in=fold.order_in, order_out=fold.order_out)
        self.conv, self.sum, self.blur = block.conv.folded(within), block.sum, block.blur
        own = None if block.bias is None else block.bias * fold.gain
        order = slice(None) if fold.order_out is None else fold.order_out
        self.own_bias, self.bias = (
            None if bias is None else nn.Parameter(bias[order].clone()) for bias in (own, fold.bias)
        )

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.sum(self.conv(x, w, transposed=True))
        x = self.blur(x if self.own_bias is None else x.add_(self.own_bias[:, None, None]))
        return x if self.bias is None else x.add_(self.bias[:, None, None])


@UPSAMPLERS.register("idwt")
class IDWTUpsampler(Upsampler):
    """Modulation, inverse Haar transform of the channels, convolution (Belousov 2021, section 3).

    With `w_dim=0`, trained factors take the place of the modulation.

    Raises:
        ValueError: if the number of input channels is not a multiple of 4.
    """

    def __init__(self, *, in_channels: int, out_channels: int, w_dim: int, make_conv: MakeConv) -> None:
        super().__init__()
        if in_channels % 4:
            raise ValueError(
                f"The idwt upsampler reads its input as four sub-bands: every level's width but the last"
                f" is a multiple of 4; got {in_channels}."
            )
        self.modulation: SubbandModulation | SubbandFactors = (
            SubbandModulation(w_dim, in_channels, bias_init=1.0) if w_dim else SubbandFactors(in_channels)
        )
        self.idwt = IDWT()
        self.conv = make_conv(in_channels // 4, out_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.idwt(x * self.modulation(w)[:, :, None, None])
        return cast(Tensor, self.conv(x, w))

    def input_order(self) -> Tensor:
        weight = self.modulation.weight
        return subband_order(weight.shape[0]).to(weight.device)

    def can_fold(self) -> bool:
        return self.conv.can_fold() and not is_overridden(self, IDWTUpsampler, "forward")

    def folded(self, fold: Fold | None = None) -> nn.Module:
        return FoldedIDWT(self, fold or Fold()) if self.can_fold() else self

    def kept_inputs(self, scores: Tensor, count: int) -> Tensor:
        groups = subband_groups(len(scores)).to(scores.device)
        kept = groups[highest(scores[groups].sum(dim=1), count // 4)]
        return torch.cat([kept[:, 0], kept[:, 1:].flatten()])

    def input_norms(self, w: Tensor) -> Tensor:
        norms = cast(Tensor, self.modulation(w)).abs()
        norms[subband_order(len(norms))] *= self.conv.input_norms(w).repeat(4)
        return norms

    def product(self, x: Tensor, w: Tensor) -> tuple[Tensor, nn.Parameter] | None:
        if is_overridden(self, IDWTUpsampler, "forward"):
            return None
        return self.conv.product(self.idwt(x * self.modulation(w)[:, :, None, None]), w)

    def style_weights(self) -> list[Tensor]:
        own = self.modulation
        matrices = [] if isinstance(own, SubbandFactors) else [own.weight * own.scale]
        return [*matrices, *self.conv.style_weights()]

    def narrowed(self, keep_in: Tensor, keep_out: Tensor) -> dict[str, Tensor]:
        if not self.can_fold():
            return {}
        transformed = keep_in[: len(keep_in) // 4]  # LL of channel i of the result is channel i
        return {
            **prefixed("modulation", self.modulation.narrowed(keep_in)),
            **prefixed("conv", self.conv.narrowed(transformed, keep_out)),
        }


class SubbandModulation(EqualizedLinear):
    """Factors of sub-bands, of which those of the details start at a quarter of the low bands'."""

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew."""
        super().reset_parameters(generator)
        if not self.weight.is_meta:
            for tensor in (self.weight, self.bias):
                tensor[len(tensor) // 4 :] *= _DETAILS


class SubbandFactors(nn.Module):
    """The same factors of sub-bands whatever w is: `[1, C]`, trained."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    @property
    def out_features(self) -> int:
        """Number of factors."""
        return len(self.weight)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """1 for the low bands, a quarter for the details."""
        nn.init.ones_(self.weight)
        if not self.weight.is_meta:
            self.weight[len(self.weight) // 4 :] *= _DETAILS

    def forward(self, w: Tensor) -> Tensor:
        return self.weight[None]

    def folded(self, *, scale: float = 1.0, order: Tensor | None = None) -> "SubbandFactors":
        """Itself, its factors times `scale` and in another order."""
        weight = self.weight * scale
        self.weight = nn.Parameter((weight if order is None else weight[order]).clone())
        return self

    def narrowed(self, keep: Tensor) -> dict[str, Tensor]:
        """Tensors by name of these factors alone."""
        return {"weight": self.weight[keep]}


class FoldedIDWT(nn.Module):
    """The folded form of an `IDWTUpsampler`, which it takes over.

    With sorted channels the transform is slices and sums, and its factor 1/2 is in the modulation.
    """

    def __init__(self, block: IDWTUpsampler, fold: Fold) -> None:
        super().__init__()
        is_sorted = fold.order_in is not None
        scale = 0.5 if is_sorted else 1.0
        self.modulation: nn.Linear | SubbandFactors = block.modulation.folded(
            scale=scale, order=fold.order_in
        )
        self.idwt = ModulatedIDWT(self.modulation.out_features, sorted=is_sorted)
        self.conv = cast(
            FoldedConv, block.conv.folded(Fold(gain=fold.gain, bias=fold.bias, order_out=fold.order_out))
        )

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        factors = self.modulation(w)
        # A channel's style is a factor of its four sub-bands: one pass over the features instead of two.
        modulated = self.idwt.sorted and self.conv.style is not None and not self.conv.folds(x)
        if modulated:
            factors = factors * cast(nn.Module, self.conv.style)(w).repeat(1, 4)
        return cast(Tensor, self.conv(self.idwt(x, factors), w, modulated=modulated))
