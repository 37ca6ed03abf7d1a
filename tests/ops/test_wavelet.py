from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import assert_golden
from torch.autograd import gradcheck, gradgradcheck

from ganzoo.ops.wavelet import IDWT, blocks_to_space, dwt, haar_pixels, idwt

PATH = Path(__file__).parents[1] / "golden" / "losses" / "haar_dwt.npz"
GOLDEN = {k: torch.from_numpy(v) for k, v in np.load(PATH).items()}


def test_dwt_is_the_references():
    assert_golden(dwt(GOLDEN["image"]), GOLDEN["freq12"])


def test_dwt_gives_the_low_band_and_then_lh_hl_hh_of_every_channel():
    low, details = dwt(GOLDEN["image"]).split([3, 9], dim=1)
    assert_golden(low, GOLDEN["low"])
    assert_golden(details.unflatten(1, (3, 3)), GOLDEN["high"])


def test_dwt_of_one_block_is_the_references():
    assert_golden(dwt(GOLDEN["block"]).flatten(), GOLDEN["block_low_lh_hl_hh"])


@pytest.mark.parametrize("name", ["coeffs12", "freq12"])
def test_idwt_is_the_references(name):
    assert_golden(idwt(GOLDEN[name]), GOLDEN[f"idwt_of_{name}"])


def test_idwt_is_the_inverse_of_dwt():
    x = torch.randn(2, 5, 6, 4, dtype=torch.float64)
    torch.testing.assert_close(idwt(dwt(x)), x)


def test_dwt_is_the_inverse_of_idwt():
    x = torch.randn(2, 20, 3, 2, dtype=torch.float64)
    torch.testing.assert_close(dwt(idwt(x)), x)


def test_dwt_keeps_the_energy():
    torch.testing.assert_close(dwt(GOLDEN["image"]).square().sum(), GOLDEN["image"].square().sum())


def test_dwt_has_first_and_second_derivatives():
    x = torch.randn(1, 2, 4, 2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(dwt, x)
    assert gradgradcheck(dwt, x)


def test_idwt_has_first_and_second_derivatives():
    x = torch.randn(1, 8, 2, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(idwt, x)
    assert gradgradcheck(idwt, x)


def test_the_module_is_the_function():
    assert torch.equal(IDWT()(GOLDEN["coeffs12"]), idwt(GOLDEN["coeffs12"]))


def test_a_sorted_idwt_takes_halved_channels_sorted_by_subband():
    x = GOLDEN["coeffs12"]
    by_subband = torch.cat([x[:, :3], x[:, 3::3], x[:, 4::3], x[:, 5::3]], dim=1)
    assert_golden(IDWT(sorted=True)(0.5 * by_subband), idwt(x))


def test_a_linear_layer_in_front_of_an_idwt_takes_in_its_sums():
    x, weight = torch.randn(2, 5, 3, 4), torch.randn(12, 5)
    expected = IDWT(sorted=True)(torch.einsum("oc,nchw->nohw", weight, x))
    assert_golden(blocks_to_space(torch.einsum("oc,nchw->nohw", haar_pixels(weight), x)), expected)


def test_haar_pixels_takes_vectors_too():
    x = torch.randn(12)
    assert_golden(haar_pixels(x), haar_pixels(x[:, None])[:, 0])


@pytest.mark.parametrize("shape", [(1, 1, 3, 4), (1, 1, 4, 3)])
def test_dwt_refuses_an_odd_side(shape):
    with pytest.raises(ValueError, match="even"):
        dwt(torch.zeros(shape))


def test_idwt_refuses_channels_that_are_no_multiple_of_four():
    with pytest.raises(ValueError, match="10"):
        idwt(torch.zeros(1, 10, 2, 2))
