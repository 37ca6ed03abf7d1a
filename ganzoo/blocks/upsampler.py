"""Upsamplers: `[N, in, H, W]` to `[N, out, 2H, 2W]` given w, the level's first convolution included.

The cut lies after the convolution because that is where the two fit the same hole: a transposed convolution
is upsampling and convolution at once, the inverse wavelet transform comes before its convolution.
"""

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from ganzoo.blocks.base import UPSAMPLERS
from ganzoo.blocks.conv import ModulatedConv
from ganzoo.ops.equalized import EqualizedLinear
from ganzoo.ops.resample import Blur
from ganzoo.ops.wavelet import IDWT

MakeConv = Callable[[int, int], ModulatedConv]  # in and out channels to a convolution


@UPSAMPLERS.register("conv_transpose")
class ConvTransposeUpsampler(nn.Module):
    """Modulated convolution transposed at stride 2, then a FIR blur (Karras et al. 2020, appendix B).

    Args:
        taps: of the separable blur; it is normalised to keep the brightness.

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


@UPSAMPLERS.register("idwt")
class IDWTUpsampler(nn.Module):
    """Modulation, inverse Haar transform of the channels, convolution (Belousov 2021, section 3).

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
        self.modulation = EqualizedLinear(w_dim, in_channels, bias_init=1.0)
        self.idwt = IDWT()
        self.conv = make_conv(in_channels // 4, out_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.idwt(x * self.modulation(w)[:, :, None, None])
        return cast(Tensor, self.conv(x, w))
