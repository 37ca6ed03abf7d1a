"""What images are drawn by - seeds, classes, truncation, noise - and the one check of each.

Every check takes the name by which the user gave the value, such as `--psi`, for its message.
"""

import math

from ganzoo.ops.labels import Label as Label
from ganzoo.ops.labels import as_labels as as_labels
from ganzoo.ops.labels import check_label as check_label
from ganzoo.ops.labels import parse_label as parse_label
from ganzoo.ops.labels import shown_label as shown_label

NOISE_MODES = ("const", "random", "none")
MAX_SEED = 2**32 - 1


def check_noise(noise: str, what: str = "noise") -> None:
    """Raise ValueError for an unknown noise mode."""
    if noise not in NOISE_MODES:
        raise ValueError(f"{what} is {', '.join(NOISE_MODES[:-1])} or {NOISE_MODES[-1]}; got {noise!r}.")


def check_psi(psi: float, what: str = "truncation_psi") -> None:
    """Raise ValueError for a psi that is infinite or no number."""
    if not math.isfinite(psi):
        raise ValueError(f"{what} is a number such as 0.7; got {psi!r}.")


def check_limit(limit: float | None, what: str = "z_limit") -> None:
    """Raise ValueError for a limit that leaves no number; None is none."""
    if limit is not None and not (math.isfinite(limit) and limit > 0):
        raise ValueError(f"{what} is a positive number such as 2; got {limit!r}.")


def check_seeds(first: int, num: int = 1, what: str = "Seeds") -> None:
    """Raise ValueError unless all `num` seeds from `first` on exist."""
    if num < 1 or not 0 <= first <= MAX_SEED - num + 1:
        raise ValueError(f"{what} are whole numbers from 0 to {MAX_SEED}; got {num} of them from {first}.")
