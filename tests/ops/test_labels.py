"""Labels: a class, classes, a mix, or a tensor of weights."""

import pytest
import torch

from ganzoo.ops.labels import as_labels, check_label, parse_label, shown_label


@pytest.mark.parametrize("label", [2, {2: 0.7}, torch.tensor([2, 2])], ids=["class", "mix of one", "classes"])
def test_a_class_is_one_hot_however_it_is_given(label):
    assert torch.equal(as_labels(label, 2, 4), torch.tensor([[0.0, 0, 1, 0]] * 2))


def test_a_mix_is_taken_in_proportion():
    assert torch.equal(as_labels({0: 1, 3: 3}, 1, 4), torch.tensor([[0.25, 0, 0, 0.75]]))


def test_a_tensor_of_weights_stays_as_it_is():
    weights = torch.tensor([[0.2, 5.0]])
    assert as_labels(weights, 1, 2) is weights


@pytest.mark.parametrize(
    ("label", "error", "message"),
    [
        (4, ValueError, "from 0 to 3; got 4"),
        ({1: 1, -1: 1}, ValueError, "from 0 to 3; got 1, -1"),
        ({1: 0.0}, ValueError, "not all 0"),
        ({1: 2.0, 2: -1.0}, ValueError, "not negative"),
        ({}, ValueError, "from 0 to 3"),
        (torch.tensor([1, 4]), ValueError, "0 to 3"),
        (torch.tensor([1, 2, 3]), ValueError, "2 classes"),
        (torch.zeros(2, 3), ValueError, r"\[2, 4\]"),
        ("1", TypeError, "one-hot"),
        (True, TypeError, "one-hot"),
    ],
)
def test_what_is_no_label_is_refused(label, error, message):
    with pytest.raises(error, match=message):
        as_labels(label, 2, 4)


def test_a_label_is_needed_or_not_by_the_model():
    check_label(None, 0)
    check_label(1, 2)
    with pytest.raises(ValueError, match="--label: this model is not conditional"):
        check_label(1, 0, "--label")
    with pytest.raises(ValueError, match="needs a class from 0 to 1"):
        check_label(None, 2)


@pytest.mark.parametrize("text", ["3", "3:0.5,7:0.5", "1:2"])
def test_a_label_is_shown_as_it_is_read(text):
    assert str(shown_label(parse_label(text))) == text


@pytest.mark.parametrize("text", ["", "a", "1:", "1:2,1:3", "1,2", "1.5"])
def test_another_text_is_told_what_a_label_looks_like(text):
    with pytest.raises(ValueError, match="a class such as 3, or a mix"):
        parse_label(text)
