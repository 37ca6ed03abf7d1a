import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck

from ganzoo.blocks.conv import FullConv
from ganzoo.blocks.demodulation import StyleDemodulation
from ganzoo.ops import conv, winograd
from ganzoo.ops.conv import conv2d


def drawn(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@pytest.fixture(params=[65536, 1, 40], ids=lambda tiles: f"{tiles} at once")
def tiles_at_once(request, monkeypatch):
    monkeypatch.setattr(winograd, "_AT_ONCE", request.param)


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (2, 3, 8, 12), (3, 5, 16, 8)], ids=str)
@pytest.mark.usefixtures("tiles_at_once")
def test_output_and_gradients_are_those_of_pytorch(shape):
    x, weight, bias = drawn(*shape).requires_grad_(), drawn(4, shape[1], 3, 3).requires_grad_(), drawn(4)
    expected = F.conv2d(x, weight, bias, padding=1)
    g = drawn(*expected.shape)
    of_x, of_weight = torch.autograd.grad(expected, (x, weight), g)
    with torch.no_grad():
        torch.testing.assert_close(winograd.convolve(x, weight, bias), expected)
        torch.testing.assert_close(winograd.convolve(x, weight), expected - bias[:, None, None])
        torch.testing.assert_close(winograd.input_gradient(g, weight), of_x)
        torch.testing.assert_close(winograd.weight_gradient(g, x), of_weight)


def test_in_float32_it_is_near_the_direct_convolution():
    x, weight = drawn(2, 256, 32, 32, dtype=torch.float32), drawn(256, 256, 3, 3, dtype=torch.float32)
    expected = F.conv2d(x, weight, padding=1)
    assert (winograd.convolve(x, weight) - expected).abs().max() < 2e-4 * expected.std()


@pytest.fixture
def everywhere(monkeypatch):
    """Winograd's convolution in every precision, on every processor, and for narrow ones, too."""

    def fits(x, weight, settings):
        return settings == (1, 1) and weight.shape[2:] == (3, 3)

    monkeypatch.setattr(conv, "_by_winograd", fits)


def convolved(x, weight, bias):
    return conv2d(x, weight, bias, padding=1)


@pytest.mark.usefixtures("everywhere")
def test_it_can_be_differentiated_twice():
    inputs = [t.requires_grad_() for t in (drawn(2, 2, 4, 8), drawn(3, 2, 3, 3), drawn(3))]
    assert gradcheck(convolved, inputs)
    assert gradgradcheck(convolved, inputs, fast_mode=True)


@pytest.mark.usefixtures("everywhere")
def test_the_gradient_penalty_has_the_gradients_of_pytorch():
    x, weight, bias = (t.requires_grad_() for t in (drawn(2, 4, 8, 8), drawn(4, 4, 3, 3), drawn(4)))
    results = []
    for convolve in (convolved, lambda x, weight, bias: F.conv2d(x, weight, bias, padding=1)):
        y = convolve(F.leaky_relu(convolve(x, weight, bias), 0.2).sin(), weight, None)
        (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        results.append(torch.autograd.grad(slope.square().sum() + y.sum(), (x, weight, bias)))
    torch.testing.assert_close(*results)


WIDE = {
    "channels": 128,
    "side": 16,
    "settings": (1, 1),
    "dtype": torch.float32,
    "vectors": "AVX2",
    "device": "cpu",
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"channels": 64}, False),
        ({"side": 8}, False),
        ({"side": 18}, False),
        ({"settings": (2, 1)}, False),
        ({"settings": (1, 0)}, False),
        ({"dtype": torch.bfloat16}, False),
        ({"vectors": "AVX512"}, False),
        ({"device": "meta"}, False),
    ],
    ids=str,
)
def test_it_is_taken_where_it_is_the_quicker_one(change, expected, monkeypatch):
    case = {**WIDE, **change}
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: case["vectors"])
    where = {"dtype": case["dtype"], "device": case["device"]}
    x = torch.empty(1, case["channels"], case["side"], case["side"], **where)
    weight = torch.empty(case["channels"], case["channels"], 3, 3, **where)
    assert conv._by_winograd(x, weight, case["settings"]) is expected


@pytest.fixture
def calls(monkeypatch):
    """Names of this module's functions, as they are called."""
    found = []

    def watched(name):
        original = getattr(winograd, name)

        def called(*given):
            found.append(name)
            return original(*given)

        return called

    for name in ("convolve", "input_gradient", "weight_gradient"):
        monkeypatch.setattr(winograd, name, watched(name))
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    return found


def test_a_wide_block_learns_by_it_and_draws_directly(calls):
    demodulation = StyleDemodulation(in_channels=128)
    block = FullConv(in_channels=128, out_channels=128, w_dim=4, demodulation=demodulation)
    x, w = drawn(1, 128, 16, 16, dtype=torch.float32), drawn(1, 4, dtype=torch.float32)
    block(x.requires_grad_(), w).sum().backward()
    of_input = ["convolve", "input_gradient"]  # which is itself a convolution
    assert sorted(calls) == sorted(["convolve", *of_input, "weight_gradient"])
    calls.clear()
    with torch.no_grad():
        block(x, w)
    assert not calls
