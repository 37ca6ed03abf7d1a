import copy

import pytest
import torch

from ganzoo.ops.attention import SelfAttention
from ganzoo.ops.spectral import SpectralConv2d


@pytest.fixture
def attention():
    network = SelfAttention(16).eval()
    with torch.no_grad():
        network.gamma.fill_(0.7)
    return network


def test_new_attention_changes_nothing():
    x = torch.randn(2, 16, 4, 4)
    assert torch.equal(SelfAttention(16)(x), x)


def test_every_place_takes_values_by_how_its_query_meets_their_keys(attention):
    x = torch.randn(1, 16, 2, 2)  # four places, of which the keys keep the largest of each channel
    value = attention.value(x).amax(dim=(2, 3))  # one place is left, and all of it is taken
    taken = attention.out(value[:, :, None, None]).expand_as(x)
    torch.testing.assert_close(attention(x), x + 0.7 * taken)


def test_the_result_moves_with_the_image_when_its_blocks_change_places(attention):
    x = torch.randn(2, 16, 8, 8)
    swapped = x.roll(4, dims=3)
    torch.testing.assert_close(attention(swapped), attention(x).roll(4, dims=3))
    assert not torch.allclose(attention(x), x, atol=0.01)


def test_folded_attention_is_plain_and_gives_the_same(attention):
    x = torch.randn(2, 16, 4, 4)
    folded = copy.deepcopy(attention).folded()
    assert not any(isinstance(module, SpectralConv2d) for module in folded.modules())
    torch.testing.assert_close(folded(x), attention(x))
