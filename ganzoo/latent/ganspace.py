"""GANSpace: the principal components of w (Härkönen et al. 2020, section 3.1)."""

from collections.abc import Iterable

import torch
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.generators.sampling import Label
from ganzoo.latent.direction import Direction, Directions, Rows, unit
from ganzoo.latent.samples import SAMPLES, sampled_w
from ganzoo.latent.saved import fingerprint
from ganzoo.latent.sefa import check_number


@torch.no_grad()
def ganspace(
    generator: Generator,
    num: int = 10,
    *,
    rows: Rows | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
    label: Label | None = None,
) -> Directions:
    """The directions along which w varies most, strongest first: `ganspace-1`, `ganspace-2` ….

    Args:
        generator: Generator in any form.
        num: Number of directions.
        rows: Rows of w that they are for; None for all.
        samples: Number of w to look at; they are drawn in batches and not kept.
        seed: Seed of those.
        label: Class of a conditional model; None draws classes uniformly.

    Raises:
        ValueError: for more directions than w is wide, or no more samples than that.
    """
    check_number(num, generator)
    if samples <= generator.w_dim:
        raise ValueError(f"More than {generator.w_dim} samples are needed, w being so wide; got {samples}.")
    vectors, deviations = principal(sampled_w(generator, samples, seed, label))
    share = deviations.square() / deviations.square().sum()
    found = []
    for i in range(num):
        facts = {"method": f"GANSpace, {samples} w", "measured": f"{share[i]:.1%} of the variance of w"}
        found.append(Direction(f"ganspace-{i + 1}", vectors[i], float(deviations[i]), rows, facts))
    return Directions(tuple(found), fingerprint(generator))


def principal(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Principal components `[w_dim, w_dim]`, a row each, and deviations `[w_dim]`, falling, in float64.

    Args:
        batches: Batches `[n, w_dim]`, each read once.

    Raises:
        ValueError: for no batch.
    """
    count, mean, scatter = 0, torch.zeros(()), torch.zeros(())
    for batch in batches:  # of the mean so far, so that large means cost no digits
        x = batch.cpu().double()
        own, n = x.mean(dim=0), len(x)
        shift = own - mean.to(own)
        scatter = (
            scatter.to(own) + (x - own).T @ (x - own) + torch.outer(shift, shift) * (count * n / (count + n))
        )
        mean, count = mean.to(own) + shift * (n / (count + n)), count + n
    if not count:
        raise ValueError("Principal components need samples; there are none.")
    values, vectors = torch.linalg.eigh(scatter / (count - 1))
    return torch.stack([unit(vector) for vector in vectors.T.flip(0)]), values.flip(0).clamp(min=0).sqrt()
