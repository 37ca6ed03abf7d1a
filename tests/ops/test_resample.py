import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from covering import crossed
from helpers import assert_golden
from torch.autograd import gradcheck, gradgradcheck

from ganzoo.ops.resample import (
    MAX_TAPS,
    Blur,
    Upsample,
    downsample2d,
    filter2d,
    fir_filter,
    upfirdn2d,
    upsample2d,
)

FOLDER = Path(__file__).parents[1] / "golden" / "ops"
NVIDIA = {k: torch.from_numpy(v) for k, v in np.load(FOLDER / "nvidia_upfirdn2d.npz").items()}
ROSINALITY = {k: torch.from_numpy(v) for k, v in np.load(FOLDER / "rosinality_resample.npz").items()}
TAPS = (1.0, 3.0, 3.0, 1.0)

UPFIRDN2D = {
    "out_00": ("f1331", {}),
    "out_01": ("f1331", {"up": 2, "padding": [2, 1, 2, 1], "gain": 4}),
    "out_02": ("f1331", {"down": 2, "padding": [1, 1, 1, 1]}),
    "out_03": ("f1331", {"up": 2, "down": 2, "padding": [2, 1, 2, 1], "gain": 4}),
    "out_04": ("f1331", {"up": [2, 1], "down": [1, 2], "padding": [2, 1, 1, 2], "gain": 2}),
    "out_05": ("f1331", {"padding": [-1, 2, 3, -2]}),
    "out_06": ("f1331", {"up": 3, "down": 2, "padding": [3, 2], "flip_filter": True, "gain": 1.5}),
    "out_07": ("f1331_sep", {"up": 2, "padding": [2, 1, 2, 1], "gain": 4}),
    "out_08": ("fasym", {"padding": 2}),
    "out_09": ("fasym", {"padding": 2, "flip_filter": True}),
    "out_10": ("fasym2d", {"up": 2, "padding": [3, 0, 1, 2]}),
    "out_11": ("fasym2d", {"down": 2, "padding": [0, 3, 2, 1], "flip_filter": True}),
    "out_12": (None, {"up": 2}),
    "out_13": (None, {"down": 2, "gain": 3}),
}
GRADIENTS = ("01", "02", "05", "09")
SHORTHANDS = {
    "upsample2d_0": (upsample2d, {"up": 2}),
    "upsample2d_1": (upsample2d, {"up": 2, "gain": 0.5, "flip_filter": True}),
    "downsample2d_2": (downsample2d, {"down": 2}),
    "downsample2d_3": (downsample2d, {"down": 2, "padding": 1}),
    "filter2d_4": (filter2d, {}),
    "filter2d_5": (filter2d, {"padding": [1, -1]}),
}
BLURS = {
    "blur_1_1_up2": Blur(TAPS, (1, 1), gain=4.0),
    "blur_2_2": Blur(TAPS, (2, 2)),
    "blur_1_1": Blur(TAPS, (1, 1)),
}


def nvidia_filter(name):
    return None if name is None else NVIDIA[f"filter_{name}"]


@pytest.mark.parametrize("case", UPFIRDN2D)
def test_upfirdn2d_is_nvidias(case):
    name, settings = UPFIRDN2D[case]
    assert_golden(upfirdn2d(NVIDIA["x"], nvidia_filter(name), **settings), NVIDIA[case])


@pytest.mark.parametrize("case", GRADIENTS)
def test_the_gradient_of_upfirdn2d_is_nvidias(case):
    name, settings = UPFIRDN2D[f"out_{case}"]
    x = NVIDIA["x"].clone().requires_grad_()
    out = upfirdn2d(x, nvidia_filter(name), **settings)
    (gradient,) = torch.autograd.grad(out, x, NVIDIA[f"grad_out_{case}"])
    expected = NVIDIA[f"grad_x_{case}"]
    assert (gradient - expected).abs().max() <= 1e-3 * expected.abs().max()


@pytest.mark.parametrize("name", ["f1331", "fasym"])
@pytest.mark.parametrize("case", SHORTHANDS)
def test_upsampling_downsampling_and_filtering_are_nvidias(case, name):
    function, settings = SHORTHANDS[case]
    assert_golden(function(NVIDIA["x"], nvidia_filter(name), **settings), NVIDIA[f"{case}_{name}"])


def test_every_output_of_nvidias_golden_file_is_compared():
    shorthands = {f"{case}_{name}" for case in SHORTHANDS for name in ("f1331", "fasym")}
    gradients = {f"grad_{what}_{case}" for case in GRADIENTS for what in ("out", "x")}
    inputs = {"x"} | {key for key in NVIDIA if key.startswith("filter_")}
    assert set(NVIDIA) == inputs | set(UPFIRDN2D) | shorthands | gradients


def test_upsample_is_rosinalitys():
    assert_golden(Upsample(TAPS)(ROSINALITY["x"]), ROSINALITY["upsample"])


def test_downsampling_is_rosinalitys():
    assert_golden(downsample2d(ROSINALITY["x"], fir_filter(TAPS)), ROSINALITY["downsample"])


@pytest.mark.parametrize("case", BLURS)
def test_blur_is_rosinalitys(case):
    assert_golden(BLURS[case](ROSINALITY["x"]), ROSINALITY[case])


@pytest.mark.parametrize("case", BLURS)
def test_taps_and_gain_of_a_blur_make_rosinalitys_kernel(case):
    blur = BLURS[case]
    assert_golden(blur.gain * torch.outer(blur.filter, blur.filter), ROSINALITY[f"{case}_kernel"])


def test_fir_filter_normalises_as_nvidia_does():
    assert_golden(fir_filter(TAPS), NVIDIA["filter_f1331_sep"])
    assert_golden(fir_filter(torch.outer(torch.tensor(TAPS), torch.tensor(TAPS))), NVIDIA["filter_f1331"])


def test_a_separable_filter_gives_what_its_outer_product_gives():
    f = fir_filter([1.0, 2.0, 5.0])
    settings = {"up": 2, "down": 3, "padding": [1, 2, 0, 3], "gain": 2.5}
    separable = upfirdn2d(NVIDIA["x"], f, **settings)
    assert_golden(separable, upfirdn2d(NVIDIA["x"], torch.outer(f, f), **settings))


@pytest.mark.parametrize("f", [[1.0, 2.0, 4.0], [[1.0, 2.0], [3.0, 5.0]], None])
def test_upfirdn2d_has_first_and_second_derivatives(f):
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    f = None if f is None else torch.tensor(f, dtype=torch.float64, requires_grad=True)
    inputs = (x,) if f is None else (x, f)

    def resampled(x, f=None):
        return upfirdn2d(x, f, up=2, down=(1, 2), padding=(1, 2, 0, 1), gain=3.0)

    assert gradcheck(resampled, inputs)
    assert gradgradcheck(resampled, inputs)


FILTERS = {
    "even": [1.0, 3.0, 3.0, 1.0],
    "odd, lopsided": [1.0, 2.0, 4.0],
    "one tap": [2.0],
    "two passes": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
    "2-D": [[1.0, 2.0, 0.5], [3.0, 5.0, -1.0]],
}
FACTORS = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), ((2, 1), (1, 3))]  # up and down
PADDINGS = [2, (3, 3, 3, 2), (4, 1, 2, 5), (-1, 3, 2, -1), (7, 8, 9, 7)]


def zeros_inserted(x, f, *, up, down, padding):
    """The definition: zeros between the samples and around, every tap a shifted slice, one in `down` kept."""
    (up_x, up_y), (down_x, down_y) = ((r, r) if isinstance(r, int) else r for r in (up, down))
    n, c, h, w = x.shape
    spread = x.new_zeros(n, c, h * up_y, w * up_x)
    spread[:, :, ::up_y, ::up_x] = x
    spread = torch.nn.functional.pad(spread, (padding,) * 4 if isinstance(padding, int) else padding)
    f = (torch.outer(f, f) if f.ndim == 1 else f).flip([0, 1])
    height, width = spread.shape[2] - f.shape[0] + 1, spread.shape[3] - f.shape[1] + 1
    taps = itertools.product(range(f.shape[0]), range(f.shape[1]))
    filtered = sum(f[i, j] * spread[:, :, i : i + height, j : j + width] for i, j in taps)
    return filtered[:, :, ::down_y, ::down_x]


@pytest.mark.parametrize("case", crossed(FILTERS, FACTORS, PADDINGS), ids=str)
def test_every_combination_is_the_definition_and_has_two_derivatives(case):
    taps, (up, down), padding = case
    f = torch.tensor(FILTERS[taps], dtype=torch.float64)
    settings = {"up": up, "down": down, "padding": padding}
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, 7, 6, dtype=torch.float64, generator=generator).requires_grad_()
    try:
        expected = zeros_inserted(x, f, **settings)
    except RuntimeError:  # the padding crops more than there is
        expected = x.new_zeros(0)
    if expected.numel() == 0:
        with pytest.raises(RuntimeError):
            upfirdn2d(x, f, **settings)
        return
    torch.testing.assert_close(upfirdn2d(x, f, **settings), expected)
    torch.testing.assert_close(upfirdn2d(x.detach(), f, **settings), expected.detach())

    def resampled(x):
        return upfirdn2d(x, f, **settings)

    assert gradcheck(resampled, x, fast_mode=True)
    assert gradgradcheck(resampled, x, fast_mode=True)


def test_second_derivatives_are_filters_and_not_a_convolution_per_channel():
    x = torch.randn(1, 64, 8, 8, requires_grad=True)
    (slope,) = torch.autograd.grad(Blur(TAPS, (2, 2))(x).square().sum(), x, create_graph=True)
    with torch.profiler.profile() as profile:
        slope.square().sum().backward()
    calls = sum(event.count for event in profile.key_averages() if event.key == "aten::convolution")
    assert 1 <= calls <= 2


@pytest.mark.parametrize("function", [upsample2d, downsample2d, filter2d])
def test_channels_last_stays_channels_last_with_its_gradient(function):
    x = torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last).requires_grad_()
    y = function(x, fir_filter(TAPS))
    assert y.is_contiguous(memory_format=torch.channels_last)
    (gradient,) = torch.autograd.grad(y.square().sum(), x)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("function", [upsample2d, downsample2d, filter2d])
def test_an_empty_batch_is_resampled_to_an_empty_batch(function):
    y = function(torch.zeros(0, 3, 8, 8), fir_filter(TAPS))
    assert y.shape == (0, 3, *function(torch.zeros(1, 3, 8, 8), fir_filter(TAPS)).shape[2:])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("function", [upsample2d, downsample2d, filter2d])
def test_half_precision_and_autocast_resample_alike(function, dtype):
    x, f = torch.randn(1, 3, 8, 8), fir_filter(TAPS)
    half = function(x.to(dtype), f)
    with torch.autocast("cpu", dtype=dtype):
        cast = function(x.requires_grad_(), f)
    assert half.dtype == cast.dtype == dtype
    torch.testing.assert_close(half, cast, atol=0.02, rtol=0.02)
    torch.testing.assert_close(half.float(), function(x, f), atol=0.02, rtol=0.02)
    (gradient,) = torch.autograd.grad(cast.sum(), x)
    assert gradient.dtype == torch.float32


@pytest.mark.parametrize("function", [upsample2d, downsample2d])
def test_torch_func_and_forward_mode_go_through(function):
    x, v, f = torch.randn(2, 1, 2, 8, 8), torch.randn(2, 1, 2, 8, 8), fir_filter(TAPS)
    gradient = torch.func.vmap(torch.func.grad(lambda x: function(x, f).square().sum()))(x)
    inputs = x[0].clone().requires_grad_()
    (expected,) = torch.autograd.grad(function(inputs, f).square().sum(), inputs)
    torch.testing.assert_close(gradient[0], expected)
    _, tangent = torch.func.jvp(lambda x: function(x, f), (x[0],), (v[0],))
    torch.testing.assert_close(tangent, function(v[0], f))


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
def test_a_trace_holds_plain_convolutions():
    x = torch.randn(1, 2, 8, 8, requires_grad=True)
    for module in (Upsample(TAPS), Blur(TAPS, (2, 2))):
        traced = torch.jit.trace(module, x)
        assert "PythonOp" not in str(traced.inlined_graph) and "^" not in str(traced.inlined_graph)
        torch.testing.assert_close(traced(x), module(x))
        exported = torch.export.export(module, (x,)).module()
        torch.testing.assert_close(exported(x), module(x))


def test_upsampling_keeps_the_brightness_away_from_the_border():
    up = Upsample(TAPS)(torch.full([1, 1, 6, 6], 0.7))
    torch.testing.assert_close(up[..., 2:-2, 2:-2], torch.full([1, 1, 8, 8], 0.7))


def test_the_dtype_of_the_features_is_kept():
    assert Upsample(TAPS)(torch.zeros(1, 1, 4, 4, dtype=torch.float64)).dtype == torch.float64


def test_taps_are_not_saved():
    assert not Upsample(TAPS).state_dict()
    assert not Blur(TAPS, (1, 1)).state_dict()


def test_a_filter_lies_on_the_cpu_whatever_the_default_device_is():
    with torch.device("meta"):
        assert Upsample(TAPS).filter.device.type == "cpu"


@pytest.mark.parametrize("taps", [[], [[[1.0]]], [1.0, -1.0], [0.0]])
def test_a_filter_that_cannot_be_normalised_is_refused(taps):
    with pytest.raises(ValueError):
        fir_filter(taps)


@pytest.mark.parametrize("taps", [[], [1.0] * (MAX_TAPS + 1), [1.0, -1.0]])
def test_a_blur_of_no_too_many_or_cancelling_taps_is_refused(taps):
    with pytest.raises(ValueError):
        Blur(taps, (1, 1))


@pytest.mark.parametrize("settings", [{"up": 0}, {"down": 0}, {"up": [2, 0]}, {"down": -1}])
def test_a_factor_below_one_is_refused(settings):
    with pytest.raises(ValueError, match="at least 1"):
        upfirdn2d(NVIDIA["x"], None, **settings)
