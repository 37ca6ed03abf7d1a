"""SeFa: directions in closed form, of the weights alone (Shen and Zhou 2021, section 3)."""

import torch
from torch import Tensor

from ganzoo.generators.generator import TRAINABLE, Generator
from ganzoo.latent.direction import Direction, Directions, Rows, check_rows, shown_rows, unit
from ganzoo.latent.samples import SAMPLES, sampled_w
from ganzoo.latent.saved import fingerprint

_TINY = 1e-12  # length of a channel's weights that are none


@torch.no_grad()
def sefa(
    generator: Generator, num: int = 10, *, rows: Rows | None = None, samples: int = SAMPLES, seed: int = 0
) -> Directions:
    """The directions of w that move the styles of some rows most, strongest first: `sefa-1`, `sefa-2` ….

    Args:
        generator: Trainable generator.
        num: Number of directions.
        rows: First row of w to look at and the one after the last, for which the directions are then; None
            for all.
        samples: Number of w from which each direction's deviation is measured.
        seed: Seed of those.

    Raises:
        ValueError: for a generator that is deployed, rows that no style is made of, or more directions than
            w is wide.
    """
    vectors = sefa_vectors(generator, rows)
    check_number(num, generator)
    vectors = vectors[:num]
    total, squares, count = vectors.new_zeros(num), vectors.new_zeros(num), 0
    for w in sampled_w(generator, samples, seed):
        along = w.cpu().double() @ vectors.T
        total, squares, count = total + along.sum(dim=0), squares + along.square().sum(dim=0), count + len(w)
    deviations = (squares / count - (total / count).square()).sqrt()
    facts = {"method": f"SeFa, rows {shown_rows(rows)}" if rows else "SeFa"}
    found = (
        Direction(f"sefa-{i + 1}", vector, float(deviation), rows, facts)
        for i, (vector, deviation) in enumerate(zip(vectors, deviations, strict=True))
    )
    return Directions(tuple(found), fingerprint(generator))


@torch.no_grad()
def sefa_vectors(generator: Generator, rows: Rows | None = None) -> Tensor:
    """Eigenvectors `[w_dim, w_dim]` of `A A^T`, a row each, the largest eigenvalue first, in float64.

    A holds the weights that make the styles, `[w_dim, channels of all layers]`, each column of length 1.

    Raises:
        ValueError: as for `sefa`.
    """
    if generator.form != TRAINABLE:
        raise ValueError(f"SeFa reads the weights of a generator as create() gives it, not {generator!r}.")
    first, stop = rows or (0, generator.num_ws)
    check_rows((first, stop), "SeFa")
    found = [m for row, m in generator.synthesis.style_weights_of_rows() if first <= row < stop]
    if not found:
        raise ValueError(
            f"This model makes no style of the rows {first}-{stop - 1}: choose others, or "
            "the method ganspace."
        )
    matrix = torch.cat(found).cpu().double()
    matrix = matrix / matrix.norm(dim=1, keepdim=True).clamp(min=_TINY)
    vectors = torch.linalg.eigh(matrix.T @ matrix).eigenvectors.T.flip(0)
    return torch.stack([unit(vector) for vector in vectors])


def check_number(num: int, generator: Generator) -> None:
    """Raise ValueError for a number of directions that a generator's w does not have."""
    if not 1 <= num <= generator.w_dim:
        raise ValueError(f"The number of directions is 1 to {generator.w_dim} for this model; got {num}.")
