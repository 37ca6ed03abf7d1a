import pytest
import torch

from ganzoo.losses import orthogonality


def test_rows_that_are_orthogonal_cost_nothing_whatever_their_length():
    assert orthogonality([torch.diag(torch.tensor([1.0, 5.0, 0.1])), torch.ones(1, 7)]) == 0


def test_half_the_squared_products_of_different_rows_are_added_up():
    weight = torch.tensor([[1.0, 0.0], [3.0, 1.0]])
    assert orthogonality([weight, weight.view(2, 2, 1, 1), torch.ones(9)]) == 2 * 0.5 * (3**2 + 3**2)


def test_the_gradient_is_the_one_that_the_papers_code_adds():
    weight = torch.randn(4, 2, 3, 3, requires_grad=True)
    orthogonality([weight]).backward()
    rows = weight.detach().flatten(1)
    expected = 2 * (rows @ rows.t() * (1 - torch.eye(4))) @ rows
    torch.testing.assert_close(weight.grad.flatten(1), expected)


def test_vectors_alone_are_refused():
    with pytest.raises(ValueError, match="no matrix"):
        orthogonality([torch.ones(3)])
