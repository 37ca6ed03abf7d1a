"""Distances in the hidden features of discriminators."""

import pytest
import torch
from loss_helpers import noise

from ganzoo.losses import hidden_l1, triplet


def test_hidden_features_are_held_against_each_other_by_their_mean_difference():
    a, b = noise(2, 3, 2, 2), noise(2, 3, 2, 2, seed=1)
    assert hidden_l1(a, b).item() == pytest.approx((a - b).abs().sum().item() / 24)


def test_the_triplet_asks_that_the_student_be_further_from_the_real_image_than_the_teacher():
    anchor, positive = torch.zeros(3, 2), torch.tensor([[1.0, 1.0], [0.0, 2.0], [3.0, 3.0]])
    negative = torch.tensor([[5.0, 5.0], [1.5, 1.5], [1.0, 1.0]])
    # distances to the teacher 1, 1, 3; to the student 5, 1.5, 1
    assert triplet(anchor, positive, negative, margin=1.0).item() == pytest.approx((0 + 0.5 + 3) / 3)
    assert triplet(anchor, positive, negative, margin=0.0).item() == pytest.approx((0 + 0 + 2) / 3)
