"""FIR resampling of feature maps, as in StyleGAN2 (Karras et al. 2020, section 4.1 and appendix B).

A filter is a tensor of taps: `[k]` for a separable filter (the quick way: two 1-D passes) or `[kh, kw]`.
Every function maps `[N, C, H, W]` to `[N, C, H', W']` and treats the channels alike.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAX_TAPS = 32


def fir_filter(taps: Sequence[float] | Tensor) -> Tensor:
    """Taps normalised to sum 1, float32 on the CPU whatever the default device is.

    Args:
        taps: `[k]` or `[kh, kw]` numbers whose sum is not zero.

    Raises:
        ValueError: for an empty filter, more than two dimensions, or a sum that is 0 or not finite.
    """
    f = torch.as_tensor(taps, dtype=torch.float32, device="cpu")
    if f.ndim not in (1, 2) or f.numel() == 0:
        raise ValueError(f"A filter has shape [k] or [kh, kw] with at least one tap; got {list(f.shape)}.")
    total = f.sum().item()
    if total == 0 or not math.isfinite(total):
        raise ValueError(
            f"The taps of a resampling filter sum to a finite number other than 0; got {f.tolist()}."
        )
    return f / total


def upfirdn2d(
    x: Tensor,
    f: Tensor | None,
    *,
    up: int | Sequence[int] = 1,
    down: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """`x` with zeros inserted, padded, convolved with `f` and subsampled: `[N, C, H', W']`.

    Args:
        x: `[N, C, H, W]`.
        f: taps `[k]` (applied along both axes) or `[kh, kw]`; None is the identity.
        up: zeros to insert: every sample is followed by `up - 1` of them. One number, or x and y.
        down: keep every `down`-th sample. One number, or x and y.
        padding: zeros around the upsampled picture, negative to crop. One number, x and y, or
            left, right, top, bottom.
        flip_filter: False convolves, True correlates.
        gain: factor on the result.
    """
    up_x, up_y = _pair(up)
    down_x, down_y = _pair(down)
    left, right, top, bottom = _padding(padding)
    if f is None:
        f = torch.ones(1, device=x.device)
    f = (f if flip_filter else f.flip(list(range(f.ndim)))).to(x)

    if up_x > 1 or up_y > 1:
        n, c, h, w = x.shape
        x = F.pad(x[:, :, :, None, :, None], (0, up_x - 1, 0, 0, 0, up_y - 1))
        x = x.reshape(n, c, h * up_y, w * up_x)
    x = F.pad(x, (left, right, top, bottom))

    c = x.shape[1]
    if f.ndim == 1:
        x = F.conv2d(x, (f * gain).expand(c, 1, 1, -1), stride=(1, down_x), groups=c)
        return F.conv2d(x, f[:, None].expand(c, 1, -1, 1), stride=(down_y, 1), groups=c)
    return F.conv2d(x, (f * gain).expand(c, 1, -1, -1), stride=(down_y, down_x), groups=c)


def upsample2d(
    x: Tensor,
    f: Tensor,
    *,
    up: int = 2,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """`x` upsampled by the factor `up`, with the brightness kept: `[N, C, up * H, up * W]`."""
    left, right, top, bottom = _padding(padding)
    width, height = f.shape[-1], f.shape[0]
    pads = [
        left + (width + up - 1) // 2,
        right + (width - up) // 2,
        top + (height + up - 1) // 2,
        bottom + (height - up) // 2,
    ]
    return upfirdn2d(x, f, up=up, padding=pads, flip_filter=flip_filter, gain=gain * up * up)


def downsample2d(
    x: Tensor,
    f: Tensor,
    *,
    down: int = 2,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """`x` filtered and subsampled by the factor `down`: `[N, C, H / down, W / down]`."""
    left, right, top, bottom = _padding(padding)
    width, height = f.shape[-1], f.shape[0]
    pads = [
        left + (width - down + 1) // 2,
        right + (width - down) // 2,
        top + (height - down + 1) // 2,
        bottom + (height - down) // 2,
    ]
    return upfirdn2d(x, f, down=down, padding=pads, flip_filter=flip_filter, gain=gain)


def filter2d(
    x: Tensor, f: Tensor, *, padding: int | Sequence[int] = 0, flip_filter: bool = False, gain: float = 1.0
) -> Tensor:
    """`x` filtered at its own size: `[N, C, H, W]`, more or less by `padding`."""
    left, right, top, bottom = _padding(padding)
    width, height = f.shape[-1], f.shape[0]
    pads = [left + width // 2, right + (width - 1) // 2, top + height // 2, bottom + (height - 1) // 2]
    return upfirdn2d(x, f, padding=pads, flip_filter=flip_filter, gain=gain)


class FIRFilter(nn.Module):
    """Base of the filters below: holds the taps of a separable filter, which are no weights, nor saved.

    Raises:
        ValueError: for no taps, more than 32, or a sum of 0.
    """

    filter: Tensor

    def __init__(self, taps: Sequence[float]) -> None:
        super().__init__()
        if not 1 <= len(taps) <= MAX_TAPS:
            raise ValueError(f"A resampling filter has 1 to {MAX_TAPS} taps; got {len(taps)}.")
        self.register_buffer("filter", fir_filter(taps), persistent=False)
        self.macs_per_output = len(taps) ** 2


class Blur(FIRFilter):
    """Filter at the input's own rate, with `padding` (before, after) on both axes and a gain."""

    def __init__(self, taps: Sequence[float], padding: tuple[int, int], *, gain: float = 1.0) -> None:
        super().__init__(taps)
        self.padding = padding
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        return upfirdn2d(x, self.filter, padding=self.padding * 2, gain=self.gain)


class Upsample(FIRFilter):
    """`upsample2d` by 2: `[N, C, H, W]` to `[N, C, 2H, 2W]`."""

    def forward(self, x: Tensor) -> Tensor:
        return upsample2d(x, self.filter)


class Downsample(FIRFilter):
    """`downsample2d` by 2: `[N, C, H, W]` to `[N, C, H / 2, W / 2]`."""

    def forward(self, x: Tensor) -> Tensor:
        return downsample2d(x, self.filter)


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    """X and y of a factor given as one number or as two."""
    x, y = (value, value) if isinstance(value, int) else value
    if x < 1 or y < 1:
        raise ValueError(f"A resampling factor is at least 1; got {value!r}.")
    return x, y


def _padding(value: int | Sequence[int]) -> tuple[int, int, int, int]:
    """left, right, top, bottom of a padding given as one number, as x and y, or as all four."""
    if isinstance(value, int):
        return value, value, value, value
    if len(value) == 2:
        return value[0], value[0], value[1], value[1]
    left, right, top, bottom = value
    return left, right, top, bottom
