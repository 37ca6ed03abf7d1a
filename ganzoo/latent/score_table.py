"""A table of scores of images by seed, from any classifier, and the boundaries that it gives.

seed,smile,age
0,0.93,31
1,0.08,54
"""

import csv
import math
import os

import torch
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.generators.sampling import MAX_SEED, Label
from ganzoo.latent.boundary import boundary
from ganzoo.latent.direction import Directions, Rows
from ganzoo.latent.look import Look
from ganzoo.latent.samples import BATCH
from ganzoo.latent.saved import fingerprint
from ganzoo.system.paths import missing, user_path

_SEED = "seed"


def read_scores(path: str | os.PathLike[str]) -> tuple[list[int], dict[str, Tensor]]:
    """The seeds of a CSV file, and the scores `[N]` of each of its other columns by its name.

    Raises:
        ValueError: if its first column is not `seed`, a row is not whole, or a value is no number.
        FileNotFoundError: if it is not there.
    """
    file = user_path(path)
    if not file.is_file():
        raise FileNotFoundError(missing(path))
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            head, *lines = [line for line in csv.reader(text) if line]
    except (ValueError, csv.Error, UnicodeDecodeError):
        head, lines = [], []
    names = [name.strip() for name in head]
    if len(names) < 2 or names[0] != _SEED or not lines:
        raise ValueError(
            f"{file} is no table of scores: a line `seed,smile,…`, a name for each score, then a line a seed."
        )
    if len({*names}) < len(names):
        raise ValueError(f"{file}: every column has a name of its own; got {', '.join(names)}.")
    seeds, rows = [], []
    for number, line in enumerate(lines, 2):
        try:
            seed, values = int(line[0]), [float(value) for value in line[1:]]
            whole = len(line) == len(names) and 0 <= seed <= MAX_SEED and all(map(math.isfinite, values))
        except ValueError:
            whole = False
        if not whole:
            raise ValueError(f"{file}, line {number}: a seed and {len(names) - 1} numbers; got {line}.")
        seeds.append(seed)
        rows.append(values)
    columns = torch.tensor(rows, dtype=torch.float64).T
    return seeds, dict(zip(names[1:], columns, strict=True))


@torch.no_grad()
def boundaries(
    generator: Generator,
    seeds: list[int],
    scores: dict[str, Tensor],
    *,
    share: float = 0.02,
    rows: Rows | None = None,
    label: Label | None = None,
) -> Directions:
    """A direction for each score of the images of seeds; see `ganzoo.latent.boundary.boundary`.

    Args:
        generator: Generator in any form; no image is made.
        seeds: Seeds of the images that were scored.
        scores: Scores `[N]` by the names of the directions.
        share: Share of all w that is each of the two classes.
        rows: Rows of w that the directions are for; None for all.
        label: Class of the images, for a conditional model.

    Raises:
        ValueError: as for `boundary`.
    """
    look = Look(1.0, label=label)
    look.check(generator)
    batches = (seeds[start : start + BATCH] for start in range(0, len(seeds), BATCH))
    w = torch.cat([look.w(generator, batch)[:, 0] for batch in batches])
    found = (
        boundary(w, values.to(w.device), name=name, share=share, rows=rows) for name, values in scores.items()
    )
    return Directions(tuple(found), fingerprint(generator))
