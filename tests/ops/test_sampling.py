import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganzoo.ops.sampling import reflected, sample


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


def test_sampling_is_bilinear(random):
    images = torch.rand(2, 3, 5, 7, generator=random)
    grid = torch.rand(2, 4, 6, 2, generator=random) * 2.4 - 1.2
    expected = F.grid_sample(images, grid, padding_mode="border", align_corners=True)
    torch.testing.assert_close(sample(images, grid), expected)


def test_sampling_can_be_differentiated_twice(random):
    images = torch.rand(2, 2, 3, 4, generator=random, dtype=torch.float64).requires_grad_()
    grid = torch.rand(2, 3, 3, 2, generator=random, dtype=torch.float64) * 2 - 1

    def cubed(images):
        return sample(images, grid) ** 3

    assert torch.autograd.gradcheck(cubed, images)
    assert torch.autograd.gradgradcheck(cubed, images)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_side_is_continued_by_reflection(size):
    expected = np.pad(np.arange(size), 13, mode="reflect" if size > 1 else "edge")
    assert reflected(torch.arange(-13, size + 13), size).tolist() == expected.tolist()
