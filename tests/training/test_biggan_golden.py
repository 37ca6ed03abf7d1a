"""What training takes of BigGAN is what the original's functions gave: losses, weights, regularisation."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import assert_golden

import ganzoo
from ganzoo.losses import hinge_discriminator, linear_generator, orthogonality
from ganzoo.ops.spectral import SpectralConv2d

FOLDER = Path(__file__).parents[1] / "golden" / "biggan"
NAMES = ["aj_biggan_32", "aj_deep_64"]
FAR = torch.tensor([9.0])  # a logit beyond the hinge, which costs nothing


@cache
def expected(name):
    return np.load(FOLDER / name / "expected.npz")


def tensor(name, array):
    return torch.from_numpy(expected(name)[array])


@pytest.mark.parametrize("name", NAMES)
def test_the_hinge_loss(name):
    real, fake = tensor(name, "d_logits_real"), tensor(name, "d_logits_fake")
    assert_golden(hinge_discriminator(real, -FAR), tensor(name, "hinge_d_real"))
    assert_golden(hinge_discriminator(FAR, fake), tensor(name, "hinge_d_fake"))
    assert_golden(linear_generator(fake), tensor(name, "hinge_g"))


@pytest.mark.parametrize("name", NAMES)
def test_the_weight_of_a_spectral_convolution(name):
    weight, u = tensor(name, "sn_weight_orig"), tensor(name, "sn_u0")
    layer = SpectralConv2d(weight.shape[1], weight.shape[0], weight.shape[2], bias=False).eval()
    layer.load_state_dict({"weight": weight, "u": u[0]})
    assert_golden(layer.normalized(), tensor(name, "sn_weight"))
    assert_golden(layer.folded().weight, tensor(name, "sn_weight"))


@pytest.mark.parametrize("name", NAMES)
def test_the_orthogonal_regularisation(name):
    """Of all matrices but the embedding, whose order is another one here."""
    generator = ganzoo.convert(FOLDER / name, part="generator")
    (1e-4 * orthogonality(generator.synthesis.parameters())).backward()
    gradients = [p.grad for p in generator.synthesis.parameters() if p.ndim >= 2]
    got = torch.tensor([gradient.norm().item() for gradient in gradients]).sort().values
    wanted = torch.from_numpy(expected(name)["ortho_grad_norms"]).float().sort().values
    left_out = len(wanted) - len(got)
    assert not wanted[:left_out].any() and generator.mapping.embed.weight.grad is None
    torch.testing.assert_close(got, wanted[left_out:], rtol=1e-4, atol=1e-6)
