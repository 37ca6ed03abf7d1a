"""The activation between two filters is what zeros, convolutions and strides make of it."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from ganzoo.ops.filtered import filtered_lrelu
from ganzoo.ops.resample import upfirdn2d

FACTORS = list(itertools.product((1, 2, 3, 4), repeat=2))


def plain(x, first, second, *, up, down, padding, gain, clamp):
    x = upfirdn2d(x, first, up=up, padding=[*padding, *padding], gain=up * up)
    return upfirdn2d((F.leaky_relu(x, 0.2) * gain).clamp(-clamp, clamp), second, down=down)


def filters(taps, radial, seed=0, dtype=torch.float32):
    """Random ones, which no axis is a mirror of."""
    random = torch.Generator().manual_seed(seed)
    shape = [taps, taps] if radial else [taps]
    return torch.randn(taps, generator=random, dtype=dtype), torch.randn(shape, generator=random, dtype=dtype)


@pytest.mark.parametrize("padding", [(7, 4), (-2, 3)], ids=str)
@pytest.mark.parametrize("radial", [False, True], ids=["separable", "radial"])
@pytest.mark.parametrize(("up", "down"), FACTORS)
def test_it_gives_what_zeros_and_strides_give(up, down, radial, padding):
    x = torch.randn(2, 3, 19, 18, generator=torch.Generator().manual_seed(1))
    for taps in (1, 3, 8):
        first, second = filters(taps, radial)
        settings = {"up": up, "down": down, "padding": padding, "gain": 1.5, "clamp": 3.0}
        expected = plain(x, first, second, **settings)
        torch.testing.assert_close(
            filtered_lrelu(x, first, second, **settings), expected, rtol=1e-4, atol=1e-4
        )


def test_no_filter_is_one_tap():
    x = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    one = torch.ones(1)
    settings = {"up": 2, "down": 1, "padding": (0, 0)}
    assert torch.equal(filtered_lrelu(x, None, None, **settings), filtered_lrelu(x, one, one, **settings))


@pytest.mark.parametrize("radial", [False, True])
def test_its_gradient_is_that_of_the_plain_steps(radial):
    first, second = filters(6, radial, dtype=torch.float64)
    x = torch.randn(1, 2, 7, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x.requires_grad_(True)
    settings = {"up": 4, "down": 2, "padding": (5, 4)}
    (got,) = torch.autograd.grad(filtered_lrelu(x, first, second, **settings).sin().sum(), x)
    expected = plain(x, first, second, **settings, gain=2**0.5, clamp=1e9)
    (wanted,) = torch.autograd.grad(expected.sin().sum(), x)
    torch.testing.assert_close(got, wanted)


def test_it_leaves_its_input_as_it_was():
    x = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    before = x.clone()
    with torch.no_grad():
        filtered_lrelu(x, None, None, up=1, down=1, padding=(0, 0))
    assert torch.equal(x, before)


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:FutureWarning")
@pytest.mark.parametrize("radial", [False, True])
def test_a_traced_graph_gives_the_same(radial):
    first, second = filters(6, radial)
    settings = {"up": 4, "down": 2, "padding": (5, 4), "clamp": 3.0}
    x = torch.randn(1, 2, 7, 6, generator=torch.Generator().manual_seed(1))
    traced = torch.jit.trace(lambda x: filtered_lrelu(x, first, second, **settings), x)
    other = torch.randn(1, 2, 7, 6, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(traced(other), filtered_lrelu(other, first, second, **settings))
