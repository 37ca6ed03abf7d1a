"""The synthesis network of a BigGAN: rows of w in, an image out (Brock et al. 2019, appendix B)."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from ganzoo.blocks import NORMS, Fold
from ganzoo.generators.biggan.levels import (
    BLOCKS,
    BigGANBlock,
    InputLevel,
    Level,
    Parts,
    Place,
    Rows,
    SeparableConv,
)
from ganzoo.generators.synthesis import Noise, Output, RandomSource, SynthesisNetwork
from ganzoo.ops.attention import SelfAttention
from ganzoo.ops.spectral import SpectralConv2d, SpectralLinear
from ganzoo.registry import Spec

Columns = tuple[int, int]


class BigGANSynthesis(SynthesisNetwork):
    """`w [N, num_ws, w_dim]` to images in -1..1; there is no noise, and no prediction below the last level.

    Args:
        num_ws: Rows of w.
        w_dim: Width of a row.
        places: Where every block stands.
        first_channels, base_side: Shape of the first features.
        attention: Numbers of blocks behind which self-attention stands.
        input_columns: Columns of row 0 that the linear layer reads.
        condition_columns: Columns of the other rows that the blocks read.
        with_psi: Whether the last column of a row is the truncation.
        of_classes: Whether gain and bias are tables of the classes, which have no spectral norm.
        img_channels: Channels of the image.
        rgb_channels: Channels of the last convolution.
        block: Kind of block, a name in `BLOCKS`.
        norm: Normalisation.
        activation, slope: Activation, without gain.
        separable: Whether 3 x 3 convolutions are depthwise and pointwise ones.
        spectral: Options of the spectral layers.

    Raises:
        ValueError: for a normalisation by truncation where rows have no place for it.
    """

    def __init__(
        self,
        *,
        num_ws: int,
        w_dim: int,
        places: Sequence[Place],
        first_channels: int,
        base_side: int,
        attention: Sequence[int],
        input_columns: Columns,
        condition_columns: Columns,
        with_psi: bool,
        of_classes: bool,
        img_channels: int,
        rgb_channels: int,
        block: str,
        norm: Spec,
        activation: str,
        slope: float,
        separable: bool,
        spectral: Mapping[str, Any],
    ) -> None:
        super().__init__(num_ws=num_ws, w_dim=w_dim)
        if NORMS.get(norm["name"]).reads_truncation and not with_psi:
            raise ValueError(
                f"The normalisation {norm['name']} depends on the truncation: give mapping.with_psi=true."
            )
        self.input_columns, self.condition_columns = slice(*input_columns), slice(*condition_columns)
        self.with_psi, self.img_channels = with_psi, img_channels
        style = {**spectral, "spectral": spectral["spectral"] and not of_classes}
        make_linear = partial(SpectralLinear, bias=False, **style)
        make_norm = partial(NORMS.build, norm, make_linear=make_linear)
        width = condition_columns[1] - condition_columns[0]
        conv = partial(_conv, separable=separable, options=spectral)
        parts = Parts(lambda n: make_norm(channels=n, condition_dim=width), conv, activation, slope)
        own: list[list[BigGANBlock]] = [[] for _ in range(1 + max((p.level for p in places), default=0))]
        attentions: list[dict[int, SelfAttention]] = [{} for _ in own]
        channels, level = first_channels, 0
        for count in range(len(places) + 1):
            if count:
                place = places[count - 1]
                made = BLOCKS[block](
                    place.in_channels, place.out_channels, count, parts, doubles=place.doubles
                )
                channels, level = place.out_channels, place.level
                own[level].append(made)
            if count in attention:
                attentions[level][len(own[level])] = SelfAttention(channels, **spectral)
        inputs = input_columns[1] - input_columns[0]
        linear = SpectralLinear(inputs, first_channels * base_side**2, **spectral)
        first = InputLevel(linear, first_channels, base_side, own[0], attentions[0])
        rest = (Level(blocks, found) for blocks, found in zip(own[1:], attentions[1:], strict=True))
        self.levels = nn.ModuleList([first, *rest])
        last = NORMS.get(norm["name"]).last
        options = {key: norm[key] for key in NORMS.options(last) if key in norm}
        self.norm: nn.Module = NORMS.build(
            {"name": last, **options}, channels=channels, condition_dim=0, make_linear=make_linear
        )
        self.act = parts.act
        self.to_image: nn.Module = SpectralConv2d(channels, rgb_channels, 3, **spectral)

    def forward(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Output:
        x = w
        for features in self.features(w, noise, generator):
            x = features
        _, psi = self._rows(w)[-1]
        x = self.to_image(self.act(self.norm(x, None, psi)))
        return Output(torch.tanh(x[:, : self.img_channels]), [], [])

    def features(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Iterator[Tensor]:
        self.layer_noise(w, noise, generator)
        rows, x = self._rows(w), w[:, 0, self.input_columns]
        for level in self.levels:
            x = level(x, rows)
            yield x

    def _rows(self, w: Tensor) -> Rows:
        """Condition and truncation of every row."""
        return [
            (row[:, self.condition_columns], row[:, -1] if self.with_psi else None) for row in w.unbind(1)
        ]

    def level_modules(self) -> list[nn.Module]:
        return list(self.levels)

    def style_weights_of_rows(self) -> list[tuple[int, Tensor]]:
        blocks = [cast(BigGANBlock, b) for level in self.levels for b in cast(Level, level).blocks]
        found = []
        for block in blocks:
            for matrix in block.style_weights():
                wide = matrix.new_zeros(matrix.shape[0], self.w_dim)
                wide[:, self.condition_columns] = matrix
                found.append((block.row, wide))
        return found

    def folded(self, fold: Fold | None = None) -> nn.Module:
        self.eval()
        self.levels = nn.ModuleList(cast(Level, level).folded() for level in self.levels)
        self.norm = cast(Any, self.norm).folded()
        to_image = cast(SpectralConv2d, self.to_image).folded()
        to_image.weight = nn.Parameter(to_image.weight[: self.img_channels])
        to_image.bias = nn.Parameter(cast(Tensor, to_image.bias)[: self.img_channels])
        to_image.out_channels = self.img_channels
        self.to_image = to_image
        return self.to(memory_format=torch.channels_last)


def _conv(
    in_channels: int, out_channels: int, kernel_size: int, *, separable: bool, options: Mapping[str, Any]
) -> nn.Module:
    """A convolution of a block."""
    if separable and kernel_size > 1:
        return SeparableConv(in_channels, out_channels, kernel_size, **options)
    return SpectralConv2d(in_channels, out_channels, kernel_size, **options)
