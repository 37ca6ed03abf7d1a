"""Every combination of blocks tells its styles, finds directions, moves along them and swaps its levels."""

import pytest
import torch
from combinations import COMBINATIONS, ONES, settings
from covering import thinned
from helpers import assert_same_image, tiny_config, trained

from ganzoo.latent.editing import edit
from ganzoo.latent.sefa import sefa
from ganzoo.latent.swapping import swap


@pytest.fixture(params=thinned(COMBINATIONS, ONES), ids="-".join)
def generator(request):
    return trained(tiny_config(**settings(request.param)))


def test_the_rows_that_styles_are_made_of_are_those_that_the_image_depends_on(generator):
    w = generator.mapping(generator.sample_z(1)).detach().requires_grad_()
    [slope] = torch.autograd.grad(generator.synthesis(w).image.square().sum(), w)
    told = {row for row, matrix in generator.synthesis.style_weights_of_rows() if matrix.shape[1] == 8}
    assert told == set(slope[0].abs().sum(dim=1).nonzero().flatten().tolist())


def test_an_image_moves_along_a_direction_and_levels_are_swapped(generator):
    [direction] = sefa(generator, 1, samples=50)
    w = generator.mapping(generator.sample_z(1)).detach()
    image = generator.synthesis(w).image
    assert not torch.allclose(generator.synthesis(edit(w, direction, 2)).image, image, atol=1e-2)
    other = trained(generator.config, seed=1)
    assert_same_image(swap(generator, generator, 8).synthesis(w).image, image)
    assert not torch.allclose(swap(generator, other, 8).synthesis(w).image, image, atol=1e-2)
