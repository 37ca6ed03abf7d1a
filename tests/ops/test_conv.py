import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck

from ganzoo.ops import conv
from ganzoo.ops.conv import conv2d

CASES = [
    {"kernel": 3, "stride": 1, "padding": 1, "size": 5},
    {"kernel": 3, "stride": 2, "padding": 0, "size": 7},
    {"kernel": 3, "stride": 2, "padding": 0, "size": 8},  # the last row and column are left over
    {"kernel": 3, "stride": 2, "padding": 1, "size": 6},
    {"kernel": 1, "stride": 1, "padding": 0, "size": 3},
    {"kernel": 2, "stride": 3, "padding": 0, "size": 6},
]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, case.values())))
def case(request):
    return request.param


def inputs(case, dtype=torch.float64):
    random = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=random, dtype=dtype).requires_grad_()

    k, size = case["kernel"], case["size"]
    return draw(2, 3, size, size + 1), draw(4, 3, k, k), draw(4)


def settings(case):
    return {"stride": case["stride"], "padding": case["padding"]}


def test_it_has_first_and_second_derivatives(case):
    def convolved(x, weight, bias):
        return conv2d(x, weight, bias, **settings(case))

    assert gradcheck(convolved, inputs(case))
    assert gradgradcheck(convolved, inputs(case), fast_mode=True)  # in every entry: the penalty, below


def penalty(convolve, x, weight, bias, case):
    """Gradients of a function of the images' gradient, as in R1, and of the logits."""
    y = convolve(F.leaky_relu(convolve(x, weight, bias, **settings(case)), 0.2)[:, :3].sin(), weight[:, :3])
    (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    return torch.autograd.grad(slope.square().sum() + y.sum(), (x, weight, bias))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_penalty_has_the_gradients_of_pytorch(case, layout):
    x, weight, bias = inputs({**case, "size": 12})
    x = x.detach().contiguous(memory_format=layout).requires_grad_()
    expected = penalty(F.conv2d, x, weight, bias, case)
    for got, wanted in zip(penalty(conv2d, x, weight, bias, case), expected, strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("positions", [1, 7, 1024])
def test_the_gradient_of_the_weight_does_not_depend_on_the_rows_at_a_time(positions, monkeypatch):
    monkeypatch.setattr(conv, "_POSITIONS", positions)
    x, weight, _ = inputs(CASES[1])
    (got,) = torch.autograd.grad(conv2d(x, weight, stride=2).square().sum(), weight)
    (expected,) = torch.autograd.grad(F.conv2d(x, weight, stride=2).square().sum(), weight)
    torch.testing.assert_close(got, expected)


def test_the_gradient_of_the_weight_can_be_differentiated():
    x, weight, _ = inputs(CASES[1])
    results = []
    for convolve in (conv2d, F.conv2d):
        loss = convolve(x, weight, stride=2).pow(3).sum()
        (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
        results.append(torch.autograd.grad(gradient.square().sum(), (x, weight)))
    torch.testing.assert_close(*results)


def test_the_gradient_of_the_weight_is_left_out_where_only_the_input_asks(monkeypatch):
    asked = []

    def refuse(*arguments):
        asked.append(arguments)
        raise AssertionError

    monkeypatch.setattr(conv, "_weight_gradient", refuse)
    x, weight, bias = inputs(CASES[0])
    y = conv2d(conv2d(x, weight, bias, padding=1)[:, :3], weight, padding=1)
    torch.autograd.grad(y.sum(), x, create_graph=True)
    assert not asked
    with pytest.raises(AssertionError):
        y.sum().backward()


def test_the_result_can_be_written_in_place():
    x, weight, bias = inputs(CASES[0])
    expected = torch.autograd.grad(F.leaky_relu(F.conv2d(x, weight, bias), 0.2).sum(), (x, weight, bias))
    got = torch.autograd.grad(F.leaky_relu_(conv2d(x, weight, bias), 0.2).sum(), (x, weight, bias))
    torch.testing.assert_close(got, expected)


def test_an_empty_batch_has_gradients_of_zero():
    x, weight, _ = inputs(CASES[1])
    (gradient,) = torch.autograd.grad(conv2d(x[:0], weight, stride=2).sum(), weight)
    assert gradient.shape == weight.shape and not gradient.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_autocast_chooses_the_precision_that_it_chooses_for_pytorch(dtype):
    x, weight, bias = inputs(CASES[0], dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got, expected = conv2d(x, weight, bias), F.conv2d(x, weight, bias)
    assert got.dtype == expected.dtype
    torch.testing.assert_close(got, expected)
    (gradient,) = torch.autograd.grad(got.sum(), x)
    assert gradient.dtype == dtype


def test_torch_func_goes_through():
    x, weight, _ = inputs(CASES[0])
    got = torch.func.grad(lambda w: conv2d(x.detach(), w).square().sum())(weight.detach())
    (expected,) = torch.autograd.grad(F.conv2d(x, weight).square().sum(), weight)
    torch.testing.assert_close(got, expected)
    both = torch.func.grad(lambda x: conv2d(x, weight).square().sum())(x)
    torch.testing.assert_close(both, torch.autograd.grad(F.conv2d(x, weight).square().sum(), x)[0])


def test_it_runs_on_the_meta_device():
    x, weight = (
        torch.empty(size, device="meta", requires_grad=True) for size in ((1, 3, 6, 6), (4, 3, 3, 3))
    )
    assert conv2d(x, weight).shape == (1, 4, 4, 4)
