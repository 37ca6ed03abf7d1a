"""What every layer is: sizes, rates, cutoffs, filters, by a few numbers (Karras et al. 2021, 3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ganzoo.generators.stylegan3.filters import lowpass

MAX_TAPS = 512


@dataclass(frozen=True)
class Shape:
    """The numbers of a layer.

    Rates and frequencies are per width of the image; sizes are sides in samples, with the margin.

    Attributes:
        is_rgb: Whether it makes the image.
        in_channels, out_channels: Channels of its input and output.
        in_size, out_size: Sides of both.
        in_rate, out_rate: Sampling rates of both.
        in_cutoff, out_cutoff: Cutoffs of the filters before and after the activation.
        in_half_width, out_half_width: Half widths of their transition bands.
        kernel_size: Side of the convolution's kernel.
        up, down: Factors before and after the activation.
        up_taps, down_taps: Taps of the filters; 1 for no filter.
        radial: Whether the filter after the activation is radially symmetric.
        padding: Zeros before and after the upsampled signal, negative to crop; of both axes.
    """

    is_rgb: bool
    in_channels: int
    out_channels: int
    in_size: int
    out_size: int
    in_rate: int
    out_rate: int
    in_cutoff: float
    out_cutoff: float
    in_half_width: float
    out_half_width: float
    kernel_size: int
    up: int
    down: int
    up_taps: int
    down_taps: int
    radial: bool
    padding: tuple[int, int]

    @property
    def inner_rate(self) -> int:
        """Sampling rate of the activation."""
        return self.in_rate * self.up

    def filters(self) -> dict[str, Tensor | None]:
        """The filters before and after the activation, by their names in a layer; None for none."""
        up = lowpass(self.up_taps, cutoff=self.in_cutoff, width=2 * self.in_half_width, rate=self.inner_rate)
        down = lowpass(
            self.down_taps,
            cutoff=self.out_cutoff,
            width=2 * self.out_half_width,
            rate=self.inner_rate,
            radial=self.radial,
        )
        return {"up_filter": up, "down_filter": down}


@dataclass(frozen=True)
class Frequencies:
    """Cutoffs, stopbands and rates of all layers, and of the layer that makes the image.

    Raises:
        ValueError: for numbers that no network has.
    """

    cutoffs: tuple[float, ...]
    half_widths: tuple[float, ...]
    rates: tuple[int, ...]

    @classmethod
    def of(
        cls,
        *,
        resolution: int,
        num_layers: int,
        num_critical: int,
        first_cutoff: float,
        first_stopband: float,
        last_stopband_rel: float,
    ) -> "Frequencies":
        """Cutoffs and stopbands rise geometrically up to the critical layers, which are at the image's."""
        last_cutoff = resolution / 2
        ends = np.array([[first_cutoff, last_cutoff], [first_stopband, last_cutoff * last_stopband_rel]])
        exponents = np.minimum(np.arange(num_layers + 1) / (num_layers - num_critical), 1)
        with np.errstate(all="ignore"):
            cutoffs, stopbands = (first * (last / first) ** exponents for first, last in ends)
            rates = np.exp2(np.ceil(np.log2(np.minimum(stopbands * 2, resolution))))
            half_widths = np.maximum(stopbands, rates / 2) - cutoffs
            possible = (rates >= 1) & (half_widths > 0) & (cutoffs <= rates / 2) & np.isfinite(half_widths)
        if not possible.all():
            raise ValueError(
                f"first_cutoff {first_cutoff}, first_stopband {first_stopband} and last_stopband_rel "
                f"{last_stopband_rel} give filters that there are none of: a stopband lies above its cutoff."
            )
        return cls(tuple(cutoffs.tolist()), tuple(half_widths.tolist()), tuple(map(int, rates)))

    def channels(self, channel_base: int, channel_max: int) -> list[int]:
        """Width of every layer but the image's: `min(channel_base / 2 / cutoff, channel_max)`, rounded."""
        widths = np.rint(np.minimum(channel_base / 2 / np.array(self.cutoffs[:-1]), channel_max))
        return [max(1, int(width)) for width in widths]

    def sizes(self, resolution: int, margin_size: int) -> list[int]:
        """Side of every layer's output: the rate and a margin; of the last two, the image's."""
        return [*(rate + 2 * margin_size for rate in self.rates[:-2]), resolution, resolution]


def layer_shapes(
    frequencies: Frequencies,
    channels: Sequence[int],
    *,
    resolution: int,
    img_channels: int,
    num_critical: int,
    margin_size: int,
    kernel_size: int,
    filter_size: int,
    lrelu_upsampling: int,
    radial_filters: bool,
) -> list[Shape]:
    """All layers in order, the last of which makes the image; the options are those of `StyleGAN3Config`.

    Raises:
        ValueError: for filters of more than 512 taps.
    """
    f, widths = frequencies, [*channels, img_channels]
    sizes, shapes = f.sizes(resolution, margin_size), []
    for i in range(len(widths)):
        before, is_rgb = max(i - 1, 0), i == len(widths) - 1
        inner = max(f.rates[before], f.rates[i]) * (1 if is_rgb else lrelu_upsampling)
        up, down = inner // f.rates[before], inner // f.rates[i]
        up_taps, down_taps = (
            filter_size * factor if factor > 1 and not is_rgb else 1 for factor in (up, down)
        )
        if max(up_taps, down_taps) > MAX_TAPS:
            raise ValueError(f"A filter has {max(up_taps, down_taps)} taps; {MAX_TAPS} are supported.")
        kernel = 1 if is_rgb else kernel_size
        total = (sizes[i] - 1) * down + 1 - (sizes[before] + kernel - 1) * up + up_taps + down_taps - 2
        before_first = (total + up) // 2
        shapes.append(
            Shape(
                is_rgb=is_rgb,
                in_channels=widths[before],
                out_channels=widths[i],
                in_size=sizes[before],
                out_size=sizes[i],
                in_rate=f.rates[before],
                out_rate=f.rates[i],
                in_cutoff=f.cutoffs[before],
                out_cutoff=f.cutoffs[i],
                in_half_width=f.half_widths[before],
                out_half_width=f.half_widths[i],
                kernel_size=kernel,
                up=up,
                down=down,
                up_taps=up_taps,
                down_taps=down_taps,
                radial=radial_filters and i < len(channels) - num_critical,
                padding=(before_first, total - before_first),
            )
        )
    return shapes
