"""Ojha's distance consistency is its formula, 0 for a generator that kept its distances."""

import pytest
import torch
import torch.nn.functional as F

from ganzoo.losses import distance_consistency

X = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
Y = torch.randn(4, 5, 1, 1, generator=torch.Generator().manual_seed(1))


def test_it_is_the_divergence_of_the_others_similarities():
    def rows(x):
        x = x.flatten(1)
        found = [[F.cosine_similarity(x[i], x[j], dim=0) for j in range(4) if j != i] for i in range(4)]
        return torch.tensor(found).softmax(dim=1)

    own, before = rows(X), rows(Y)
    expected = (own * (own / before).log()).sum(dim=1).mean()
    torch.testing.assert_close(distance_consistency(X, Y), expected)


def test_it_is_0_where_all_distances_were_kept_and_moves_features_elsewhere():
    assert distance_consistency(3 * X, X).item() == pytest.approx(0, abs=1e-6)
    x = X.clone().requires_grad_(True)
    distance_consistency(x, Y).backward()
    assert x.grad.abs().max() > 1e-4


def test_two_samples_have_no_others_to_compare():
    with pytest.raises(ValueError, match="at least 3 samples"):
        distance_consistency(X[:2], Y[:2])
