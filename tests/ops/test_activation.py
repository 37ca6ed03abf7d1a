import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ganzoo.ops.activation import ACTIVATIONS, bias_act

PATH = Path(__file__).parents[1] / "golden" / "ops" / "nvidia_bias_act.npz"
GOLDEN = {k: torch.from_numpy(v) for k, v in np.load(PATH).items()}
CASES = {
    "linear": {"activation": "linear"},
    "lrelu": {"activation": "lrelu"},
    "lrelu_clamp": {"activation": "lrelu", "clamp": 2.0},
    "lrelu_gain": {"activation": "lrelu", "gain": 1.0, "clamp": 1.5},
    "relu": {"activation": "relu"},
    "swish": {"activation": "swish"},
    "lrelu_alpha": {"activation": "lrelu", "slope": 0.05},
}


@pytest.mark.parametrize("case", CASES)
def test_bias_act_is_nvidias(case):
    got, expected = bias_act(GOLDEN["x"], GOLDEN["b"], **CASES[case]), GOLDEN[case]
    assert (got - expected).abs().max() <= 2e-5 * max(1.0, expected.abs().max().item())


def test_every_output_of_nvidias_golden_file_is_compared():
    assert set(GOLDEN) == {"x", "b", *CASES}


def test_the_default_is_leaky_relu():
    assert torch.equal(
        bias_act(GOLDEN["x"], GOLDEN["b"]), bias_act(GOLDEN["x"], GOLDEN["b"], activation="lrelu")
    )


def test_the_gain_of_rectifiers_is_the_root_of_two_and_of_others_one():
    with_gain = {name for name, (_, gain) in ACTIVATIONS.items() if gain == math.sqrt(2)}
    assert with_gain == {"relu", "lrelu", "swish"}
    assert {gain for name, (_, gain) in ACTIVATIONS.items() if name not in with_gain} == {1.0}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_gain_of_one_leaves_the_activation_itself(name):
    function, _ = ACTIVATIONS[name]
    x = torch.linspace(-2, 2, 9).reshape(1, 9)
    torch.testing.assert_close(bias_act(x, activation=name, gain=1.0), function(x, 0.2))


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 3), (2, 4, 3, 3)])
def test_the_bias_runs_along_dimension_one(shape):
    biased = bias_act(torch.zeros(shape), torch.arange(4.0), activation="linear")
    assert torch.equal(biased.movedim(1, -1), torch.arange(4.0).expand_as(biased.movedim(1, -1)))


def test_the_clamp_comes_after_the_gain():
    assert bias_act(torch.tensor([[3.0, -3.0]]), activation="linear", gain=2.0, clamp=5.0).tolist() == [
        [5, -5]
    ]
