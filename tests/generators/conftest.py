"""Both networks, for the tests of generators."""

import pytest
import torch
from helpers import NETWORKS, tiny, trained


@pytest.fixture(params=NETWORKS)
def network(request):
    return request.param


@pytest.fixture
def generator(network):
    return trained(tiny(network))


@pytest.fixture
def w(generator):
    """Styles of two samples with a different style in every row."""
    shape = [2, generator.num_ws, generator.w_dim]
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))
