"""Labels of conditional networks: a class, a mix of classes, or a tensor, as one tensor of their weights."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import one_hot

Label = int | Mapping[int, float]


def as_labels(label: "Label | Tensor", n: int, label_dim: int) -> Tensor:
    """Labels `[n, label_dim]`, float32: 1 at a class and 0 elsewhere, or the shares of a mix.

    Args:
        label: A class for all; a mapping of classes to weights, taken in proportion, for all; classes `[n]`
            as whole numbers; or labels `[n, label_dim]`, which stay as they are.
        n: Number of samples.
        label_dim: Number of classes.

    Raises:
        ValueError: for another shape, a class that there is not, or weights without a positive sum.
        TypeError: for anything else.
    """
    if isinstance(label, Tensor):
        return _of_tensor(label, n, label_dim)
    if isinstance(label, int) and not isinstance(label, bool):
        label = {label: 1.0}
    if not isinstance(label, Mapping):
        raise TypeError(
            f"label is a class, a mix such as {{3: 0.5, 7: 0.5}}, classes [N], or a tensor [N, {label_dim}], "
            f"one-hot; got {label!r}."
        )
    check_label(label, label_dim)
    row, total = torch.zeros(label_dim), sum(label.values())
    for number, weight in label.items():
        row[number] = weight / total
    return row.expand(n, -1)


def _of_tensor(label: Tensor, n: int, label_dim: int) -> Tensor:
    if label.ndim == 1 and not label.is_floating_point() and label.dtype != torch.bool:
        if len(label) != n:
            raise ValueError(f"label has {n} classes, one a sample; got {len(label)}.")
        if n and not 0 <= int(label.min()) <= int(label.max()) < label_dim:
            raise ValueError(f"Classes are 0 to {label_dim - 1}; got {label.tolist()}.")
        return one_hot(label.long(), label_dim).float()
    if label.shape != (n, label_dim):
        raise ValueError(f"label has shape [{n}, {label_dim}]; got {list(label.shape)}.")
    return label


def check_label(label: "Label | None", label_dim: int, what: str = "label") -> None:
    """Raise ValueError for a class or mix that a model does not have, or if it needs one, or takes none.

    Args:
        label: Class, or classes with their weights.
        label_dim: Number of classes of the model, 0 if it is not conditional.
        what: Name by which the user gave it, such as `--label`.
    """
    if not label_dim:
        if label is not None:
            raise ValueError(f"{what}: this model is not conditional.")
        return
    given = label if isinstance(label, Mapping) else {} if label is None else {label: 1.0}
    if not given or not all(0 <= number < label_dim for number in given):
        got = f"; got {', '.join(map(str, given))}" if given else ""
        raise ValueError(f"{what}: this model needs a class from 0 to {label_dim - 1}{got}.")
    weights = list(given.values())
    if not all(map(math.isfinite, weights)) or min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(f"{what}: the weights of a mix are not negative, and not all 0; got {weights}.")


def parse_label(text: str) -> Label:
    """A class of a text such as `3`, or a mix of one such as `3:0.5,7:0.5`.

    Raises:
        ValueError: for any other text.
    """
    try:
        if ":" not in text:
            return int(text)
        pairs = [part.split(":") for part in text.split(",")]
        found = {int(number): float(weight) for number, weight in pairs}
        if len(found) == len(pairs):
            return found
    except ValueError:
        pass
    raise ValueError(f"a class such as 3, or a mix of classes such as 3:0.5,7:0.5, is needed; got {text!r}.")


def shown_label(label: "Label | None") -> int | str | None:
    """A label as `parse_label` takes it back; a class stays a number."""
    if isinstance(label, Mapping):
        return ",".join(f"{number}:{weight:g}" for number, weight in label.items())
    return label
