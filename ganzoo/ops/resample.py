"""FIR resampling of feature maps, as in StyleGAN2 (Karras et al. 2020, section 4.1 and appendix B).

A filter is a tensor of taps: `[k]` for a separable filter (the quick way: two 1-D passes) or `[kh, kw]`.
Every function maps `[N, C, H, W]` to `[N, C, H', W']` and treats the channels alike.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.ops.conv import autocast, is_captured

MAX_TAPS = 32
MAX_OUTER = 6  # taps of a separable filter that are quicker in one 2-D pass than in two 1-D ones

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]


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
        f: Taps `[k]` (applied along both axes) or `[kh, kw]`; None is the identity.
        up: Upsampling factor: every sample is followed by `up - 1` zeros. One number, or x and y.
        down: Downsampling factor: every `down`-th sample is kept. One number, or x and y.
        padding: Zeros around the upsampled image, negative to crop. One number, x and y, or left, right, top,
            bottom.
        flip_filter: False convolves, True correlates.
        gain: Factor on the result.
    """
    rates = _pair(up), _pair(down)
    (up_x, up_y), (down_x, down_y) = rates
    left, right, top, bottom = _padding(padding)
    if f is None:
        f = torch.ones(1, device=x.device)
    f = f.to(x)
    if flip_filter:
        f = f.flip(list(range(f.ndim)))
    if f.ndim == 2 or _size(f)[0] <= MAX_OUTER:
        outer = f if f.ndim == 2 else torch.outer(f, f)
        return _resample(x, outer * gain, *rates, (left, right, top, bottom))
    x = _resample(x, (f * gain)[None, :], (up_x, 1), (down_x, 1), (left, right, 0, 0))
    return _resample(x, f[:, None], (1, up_y), (1, down_y), (0, 0, top, bottom))


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
    width, height = _size(f)
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
    width, height = _size(f)
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
    width, height = _size(f)
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


class _Resampled(torch.autograd.Function):
    """`_resample_plain` whose derivatives are resamplings again, however often one differentiates.

    PyTorch differentiates a grouped convolution twice by one convolution per channel: 9,600 of them in the
    step with the gradient penalty of a discriminator of 256 x 256.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, f: Tensor, up: Pair, down: Pair, pads: Pads) -> Tensor:
        return _resample_plain(x, f, up, down, pads)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Pair, Pair, Pads], output: Tensor) -> None:
        x, f, ctx.up, ctx.down, ctx.pads = inputs
        ctx.sizes = (*x.shape[2:], *output.shape[2:])
        ctx.save_for_backward(f)
        ctx.save_for_forward(f)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        (f,) = ctx.saved_tensors
        (up_x, up_y), (down_x, down_y), (left, _, top, _) = ctx.up, ctx.down, ctx.pads
        height, width, out_height, out_width = ctx.sizes
        pads = (
            f.shape[1] - 1 - left,
            width * up_x - out_width * down_x + left - up_x + 1,
            f.shape[0] - 1 - top,
            height * up_y - out_height * down_y + top - up_y + 1,
        )
        return _resample(gradients[0], f.flip([0, 1]), ctx.down, ctx.up, pads), None, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:
        (f,) = ctx.saved_tensors
        return _resample(tangents[0], f, ctx.up, ctx.down, ctx.pads)


def _resample(x: Tensor, f: Tensor, up: Pair, down: Pair, pads: Pads) -> Tensor:
    """`x` upsampled, padded, convolved with `f [kh, kw]` and subsampled; pairs are x and y."""
    own = torch.is_grad_enabled() and x.requires_grad and not f.requires_grad
    if own and not is_captured():
        return cast(Tensor, _Resampled.apply(x, f, up, down, pads))
    return _resample_plain(x, f, up, down, pads)


def _resample_plain(x: Tensor, f: Tensor, up: Pair, down: Pair, pads: Pads) -> Tensor:
    """`_resample` by one convolution, which also pads by what the two sides of an axis have in common.

    In ms of 1 thread with AVX-512, float32, 2 samples of 128 channels, contiguous and channels last, 4 taps:
    blur of 256 x 256: two passes 214 and 80, this 106 and 47; the same at stride 2: 112 and 26, 57 and 9;
    upsampling of 128 x 128: zeros inserted and two passes 267 and 323, this 88 and 38. Sums of shifted slices
    take 172 and 214 for the blur, pooling three times 493 and 126.
    """
    c, f = x.shape[1], f.to(x)
    left, right, top, bottom = pads
    if up == (1, 1):
        pad_x, pad_y = max(0, min(left, right)), max(0, min(top, bottom))
        x = _pad(x, (left - pad_x, right - pad_x, top - pad_y, bottom - pad_y))
        f = f.flip([0, 1]).expand(c, 1, -1, -1)
        return F.conv2d(x, f, stride=down[::-1], padding=(pad_y, pad_x), groups=c)
    # A transposed convolution gives (size - 1) * up + taps samples: more or less than asked for.
    taps_x, taps_y = _size(f)
    left, right = left + 1 - taps_x, right + up[0] - taps_x
    top, bottom = top + 1 - taps_y, bottom + up[1] - taps_y
    crop_x = min(taps_x - 1, max(0, min(-left, -right)))
    crop_y = min(taps_y - 1, max(0, min(-top, -bottom)))
    f = f.expand(c, 1, -1, -1)
    stride, crop, dtype = up[::-1], (crop_y, crop_x), autocast(x).dtype
    if x.device.type == "cpu" and dtype in (torch.bfloat16, torch.float16):
        # PyTorch has no quick one in half precision: 128 channels of 128 x 128 took 250 ms, so 64.
        with torch.autocast("cpu", enabled=False):
            x = F.conv_transpose2d(x.float(), f.float(), stride=stride, padding=crop, groups=c).to(dtype)
    else:
        x = F.conv_transpose2d(x, f, stride=stride, padding=crop, groups=c)
    x = _pad(x, (left + crop_x, right + crop_x, top + crop_y, bottom + crop_y))
    return x if down == (1, 1) else x[:, :, :: down[1], :: down[0]]


def _size(f: Tensor) -> Pair:
    """Taps along x and y. Not from the shape, which `torch.jit.trace` warns of where it decides anything."""
    return len(f.unbind(-1)), len(f.unbind(0))


def _pad(x: Tensor, pads: Pads) -> Tensor:
    """`x` with zeros added, or cropped where `pads` are negative."""
    return F.pad(x, pads) if any(pads) else x


def _pair(value: int | Sequence[int]) -> Pair:
    """X and y of a factor given as one number or as two."""
    x, y = (value, value) if isinstance(value, int) else value
    if x < 1 or y < 1:
        raise ValueError(f"A resampling factor is at least 1; got {value!r}.")
    return x, y


def _padding(value: int | Sequence[int]) -> Pads:
    """left, right, top, bottom of a padding given as one number, as x and y, or as all four."""
    if isinstance(value, int):
        return value, value, value, value
    if len(value) == 2:
        return value[0], value[0], value[1], value[1]
    left, right, top, bottom = value
    return left, right, top, bottom
