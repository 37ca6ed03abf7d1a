"""A 2-D convolution for training: its second derivative costs no more than convolutions.

PyTorch's own second derivative takes the gradient with respect to the weight as a convolution whose kernel is
a whole image. The step with the gradient penalty of a discriminator of 256 x 256, 2 images, takes 13.5 s
with it and 10.0 s with the one here (1 thread of a Xeon with AVX-512, float32, 2026-11).

Wide convolutions of 3 x 3 are Winograd's where that is quicker. In ms of 1 thread of an AMD EPYC with AVX2, 8
samples, PyTorch's first: forward, gradient of the input, of the weight (2026-11):
256 channels at 64 x 64: 431, 279; 454, 281; 571, 273; 512 at 32 x 32: 442, 238; 430, 239; 587, 218.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.ops import winograd

Settings = tuple[int, int]  # stride, padding

_WINOGRAD_CHANNELS, _WINOGRAD_SIDE = 128, 16  # at least; below, direct convolutions are the quicker ones
_POSITIONS = 1024  # of the output whose windows are gathered at a time: 5 to 19 MB


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0
) -> Tensor:
    """`F.conv2d` of `x [N, in, H, W]` with `weight [out, in, k, k]`: `[N, out, H', W']`.

    The derivatives are this module's where both `x` and `weight` have one; compiled, traced, and transformed
    by `torch.func`, it is `F.conv2d`.
    """
    own = torch.is_grad_enabled() and x.requires_grad and weight.requires_grad
    # The hidden tensors below would be lost to a transform.
    if not own or is_captured() or torch._C._are_functorch_transforms_active():
        return F.conv2d(x, weight, bias, stride=stride, padding=padding)
    x, weight = autocast(x), autocast(weight)
    bias = None if bias is None else autocast(bias)
    settings = stride, padding
    y = _WeightPath.apply(weight, bias, (x,), settings)
    return cast(Tensor, _InputPath.apply(x, y, (weight,), settings))


def is_captured() -> bool:
    """Whether a compiler, an exporter or a tracer is looking on: it understands plain operations best."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]


def autocast(x: Tensor) -> Tensor:
    """`x` in the precision in which autocast would convolve it, for it does not reach into derivatives."""
    device = x.device.type
    if x.dtype == torch.float64 or not torch.amp.is_autocast_available(device):  # on meta there is none
        return x
    if not torch.is_autocast_enabled(device):
        return x
    return x.to(torch.get_autocast_dtype(device))


# The gradient penalty asks for the gradient of the images alone, but a Function is not told what is asked
# for, and would compute the gradients of the weights, too: 1.9 s of 10. So each gradient has a node of its
# own, which PyTorch leaves out if nobody asks for it; the other factor comes in a tuple, where PyTorch draws
# no edge.


class _WeightPath(torch.autograd.Function):
    """The convolution; its derivative is the one with respect to weight and bias."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, bias: Tensor | None, hidden: tuple[Tensor], settings: Settings
    ) -> Tensor:
        ctx.save_for_backward(hidden[0], weight)
        ctx.settings = settings
        return _output(hidden[0], weight, bias, settings)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        (g,) = gradients
        x, weight = ctx.saved_tensors
        bias = g.sum((0, 2, 3)) if ctx.needs_input_grad[1] else None
        return _weight_gradient(g, x, weight, ctx.settings), bias, None, None


class _InputPath(torch.autograd.Function):
    """`y` as it is; adds the derivative of the convolution with respect to its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, hidden: tuple[Tensor], settings: Settings) -> Tensor:
        ctx.save_for_backward(x, hidden[0])
        ctx.settings = settings
        ctx.mark_dirty(y)  # else the result is a view, which cannot be written in place
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (g,) = gradients
        x, weight = ctx.saved_tensors
        return _input_gradient(g, weight, x, ctx.settings), g, None, None


class _InputGradient(torch.autograd.Function):
    """Gradient of the input, linear in `g` and `weight`; of `x`, only the shape and layout count."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, weight: Tensor, x: Tensor, settings: Settings) -> Tensor:
        ctx.save_for_backward(g, weight)
        ctx.settings = settings
        return _input_gradient(g, weight, x, settings)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (v,) = gradients
        g, weight = ctx.saved_tensors
        needs_g, needs_weight, *_ = ctx.needs_input_grad
        of_g = _output(v, weight, None, ctx.settings) if needs_g else None
        of_weight = _weight_gradient(g, v, weight, ctx.settings) if needs_weight else None
        return of_g, of_weight, None, None


class _WeightGradient(torch.autograd.Function):
    """Gradient of the weight, linear in `g` and `x`; of `weight`, only the shape and layout count."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, weight: Tensor, settings: Settings) -> Tensor:
        ctx.save_for_backward(g, x)
        ctx.settings = settings
        return _weight_gradient(g, x, weight, settings)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (v,) = gradients
        g, x = ctx.saved_tensors
        needs_g, needs_x, *_ = ctx.needs_input_grad
        of_g = _output(x, v, None, ctx.settings) if needs_g else None
        return of_g, _input_gradient(g, v, x, ctx.settings) if needs_x else None, None, None


def _output(x: Tensor, weight: Tensor, bias: Tensor | None, settings: Settings) -> Tensor:
    """The convolution, itself differentiable."""
    if torch.is_grad_enabled():
        return conv2d(x, weight, bias, stride=settings[0], padding=settings[1])
    if _by_winograd(x, weight, settings):
        return winograd.convolve(x, weight, bias)
    return F.conv2d(x, weight, bias, stride=settings[0], padding=settings[1])


def _input_gradient(g: Tensor, weight: Tensor, x: Tensor, settings: Settings) -> Tensor:
    """The gradient with respect to the input, itself differentiable."""
    if torch.is_grad_enabled():
        return cast(Tensor, _InputGradient.apply(g, weight, x.detach(), settings))
    if _by_winograd(x, weight, settings):
        return winograd.input_gradient(g, weight)
    return _gradients(g, x, weight, settings, (True, False, False))[0]


def _weight_gradient(g: Tensor, x: Tensor, weight: Tensor, settings: Settings) -> Tensor:
    """The gradient with respect to the weight, itself differentiable."""
    if torch.is_grad_enabled():
        return cast(Tensor, _WeightGradient.apply(g, x, weight.detach(), settings))
    if _by_winograd(x, weight, settings):
        return winograd.weight_gradient(g, x)
    full = g.dtype in (torch.float32, torch.float64)
    if g.device.type == "cpu" and full and settings[0] > 1 and settings[1] == 0:
        return _gathered_weight_gradient(g, x, weight, settings[0])
    return _gradients(g, x, weight, settings, (False, True, False))[1]


def _by_winograd(x: Tensor, weight: Tensor, settings: Settings) -> bool:
    """Whether Winograd's convolution is the quicker one; measured with AVX2, not with wider vectors."""
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and torch.backends.cpu.get_cpu_capability() == "AVX2"
        and settings == (1, 1)
        and weight.shape[2:] == (3, 3)
        and min(weight.shape[:2]) >= _WINOGRAD_CHANNELS
        and all(side >= _WINOGRAD_SIDE and side % winograd.TILE == 0 for side in x.shape[2:])
    )


def _gradients(
    g: Tensor, x: Tensor, weight: Tensor, settings: Settings, mask: tuple[bool, bool, bool]
) -> list[Tensor]:
    """Gradients with respect to input, weight and bias, those that `mask` asks for."""
    stride, padding = settings
    sizes = [stride, stride], [padding, padding], [1, 1]
    return cast(
        "list[Tensor]",
        torch.ops.aten.convolution_backward(g, x, weight, None, *sizes, False, [0, 0], 1, mask),
    )


def _gathered_weight_gradient(g: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """The gradient of the weight as products of matrices, of windows gathered some rows at a time.

    At stride 2, oneDNN reaches 45 % of the peak, this 60 to 80 %. In ms of 1 thread, float32, 2 samples:
    128 to 256 channels at 257 x 257: 296, here 197; 256 to 512 at 129: 287, 145; 512 to 512 at 65: 123, 79.
    At stride 1, and in bfloat16, oneDNN is the quicker one.
    """
    out, channels, height, width = weight.shape
    _, _, rows, columns = g.shape
    pixels, signals = x.permute(0, 2, 3, 1), g.permute(0, 2, 3, 1)  # [N, H, W, C]
    result = g.new_zeros(out, height * width * channels)
    step = max(1, _POSITIONS // columns)
    for n in range(g.shape[0]):
        for first in range(0, rows, step):
            count = min(step, rows - first)
            top, last = first * stride, (first + count - 1) * stride
            windows = torch.cat(
                [
                    pixels[n, top + i : last + i + 1 : stride, j : j + (columns - 1) * stride + 1 : stride]
                    for i in range(height)
                    for j in range(width)
                ],
                dim=-1,
            )
            signal = signals[n, first : first + count].reshape(-1, out)
            result.addmm_(signal.t(), windows.view(count * columns, -1))
    return result.view(out, height, width, channels).permute(0, 3, 1, 2)
