import math

import pytest
import torch
import torch.nn.functional as F

from ganzoo.ops.equalized import EqualizedLinear


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
def test_the_effective_weight_and_bias_are_scaled_at_run_time(lr_multiplier):
    layer = EqualizedLinear(6, 4, lr_multiplier=lr_multiplier)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(3, 6)
    weight, bias = layer.weight * lr_multiplier / math.sqrt(6), layer.bias * lr_multiplier
    torch.testing.assert_close(layer(x), F.linear(x, weight, bias))


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
def test_the_output_of_a_new_layer_has_the_variance_of_its_input(lr_multiplier):
    layer = EqualizedLinear(400, 300, lr_multiplier=lr_multiplier)
    layer.reset_parameters(torch.Generator().manual_seed(0))
    x = torch.randn(100, 400, generator=torch.Generator().manual_seed(1))
    assert layer(x).std().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
def test_the_effective_bias_of_a_new_layer_is_bias_init(lr_multiplier):
    layer = EqualizedLinear(3, 2, lr_multiplier=lr_multiplier, bias_init=1.5)
    torch.testing.assert_close(layer(torch.zeros(1, 3)), torch.full([1, 2], 1.5))


def test_the_same_generator_draws_the_same_weights():
    a, b = EqualizedLinear(3, 2), EqualizedLinear(3, 2)
    for layer in (a, b):
        layer.reset_parameters(torch.Generator().manual_seed(5))
    assert torch.equal(a.weight, b.weight)


def test_leading_dimensions_are_kept():
    assert EqualizedLinear(3, 2)(torch.zeros(4, 5, 3)).shape == (4, 5, 2)
