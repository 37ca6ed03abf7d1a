import pytest
import torch
from torch import nn

from ganzoo.ops.spectral import SpectralConv2d, SpectralEmbedding, SpectralLinear, power_step


def layers(**options):
    return {
        "linear": (SpectralLinear(6, 4, **options), torch.randn(3, 6)),
        "conv": (SpectralConv2d(5, 4, 3, **options), torch.randn(2, 5, 7, 7)),
        "depthwise": (SpectralConv2d(5, 5, 3, groups=5, **options), torch.randn(2, 5, 7, 7)),
        "embedding": (SpectralEmbedding(5, 4, **options), torch.eye(5)[[0, 3]]),
    }


def converged(layer):
    """The layer after many calls in train mode."""
    layer.train()
    for _ in range(200):
        layer.sigma()
    return layer.eval()


@pytest.fixture(params=["linear", "conv", "depthwise", "embedding"])
def kind(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["stepping", "stored"])
def stored(request):
    return request.param


def test_after_many_calls_in_train_mode_the_weight_has_the_singular_value_1(kind, stored):
    layer, _ = layers(stored=stored)[kind]
    nn.init.normal_(layer.weight)
    largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
    torch.testing.assert_close(converged(layer).sigma(), largest, rtol=1e-4, atol=0)
    value = torch.linalg.matrix_norm(layer.normalized().flatten(1), ord=2).item()
    assert value == pytest.approx(1, rel=1e-4)


def test_vectors_move_in_train_mode_alone(kind, stored):
    layer, x = layers(stored=stored)[kind]
    nn.init.normal_(layer.weight)
    before = {name: tensor.clone() for name, tensor in layer.named_buffers()}
    layer.eval()(x)
    assert all(torch.equal(tensor, before[name]) for name, tensor in layer.named_buffers())
    layer.train()(x)
    assert not any(torch.equal(tensor, before[name]) for name, tensor in layer.named_buffers())


def test_eval_mode_takes_one_step_unless_v_is_stored():
    weight, u, v = torch.randn(4, 6), torch.randn(4), torch.randn(6)
    stepping, stored = SpectralLinear(6, 4).eval(), SpectralLinear(6, 4, stored=True).eval()
    stepping.load_state_dict({"weight": weight, "bias": torch.zeros(4), "u": u})
    stored.load_state_dict({"weight": weight, "bias": torch.zeros(4), "u": u, "v": v})
    after = nn.functional.normalize(u @ weight, dim=0)
    torch.testing.assert_close(stepping.sigma(), (weight @ after).norm())
    torch.testing.assert_close(stored.sigma(), u @ weight @ v)


def test_a_stored_step_gives_what_a_step_of_its_own_gives():
    stepping, stored = SpectralLinear(6, 4).eval(), SpectralLinear(6, 4, stored=True).eval()
    stepping.u.normal_()
    u, v = power_step(stepping.weight, stepping.u)
    stored.load_state_dict({**stepping.state_dict(), "u": u, "v": v})
    torch.testing.assert_close(stored.sigma(), stepping.sigma())


def test_a_folded_layer_is_plain_and_gives_the_same_of_eval_mode(kind, stored):
    layer, x = layers(stored=stored)[kind]
    nn.init.normal_(layer.weight)
    folded = layer.folded()
    assert type(folded) in (nn.Linear, nn.Conv2d)
    assert layer.training
    torch.testing.assert_close(folded(x), layer.eval()(x))


def test_the_gradient_knows_that_the_singular_value_follows_the_weight(kind):
    layer, _ = layers()[kind]
    converged(layer)
    (layer.normalized().square().sum()).backward()
    # The normalised weight does not change with the weight's scale, so the slope along the weight is 0.
    assert (layer.weight.grad * layer.weight).sum().item() == pytest.approx(0, abs=1e-4)


def test_a_new_layer_has_orthonormal_rows_and_the_same_generator_draws_the_same():
    first, second = SpectralConv2d(5, 4, 3), SpectralConv2d(5, 4, 3)
    for layer in (first, second):
        layer.reset_parameters(torch.Generator().manual_seed(0))
    rows = first.weight.flatten(1)
    torch.testing.assert_close(rows @ rows.t(), torch.eye(4))
    for mine, theirs in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_autocast_does_not_reach_the_singular_value(kind):
    layer, x = layers()[kind]
    layer.eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer.sigma().dtype == torch.float32
        layer(x)


def test_a_layer_without_normalisation_is_a_plain_one(kind):
    layer, x = layers(spectral=False)[kind]
    assert not list(layer.buffers()) and layer.sigma() == 1
    torch.testing.assert_close(layer(x), layer.folded()(x))
    assert torch.equal(layer.normalized(), layer.weight)
