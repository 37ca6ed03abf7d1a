"""W of random latents, in batches, for statistics over many of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.generators.sampling import Label, as_labels
from ganzoo.latent.look import Look

BATCH = 1000
SAMPLES = 20_000


@torch.no_grad()
def sampled_w(
    generator: Generator, num: int = SAMPLES, seed: int = 0, label: Label | None = None
) -> Iterator[Tensor]:
    """W of `num` random latents, untruncated, as batches `[n, w_dim]` on the generator's device.

    Of a mapping network whose rows differ, every row is a w of its own.

    Args:
        generator: Generator to draw from.
        num: Number of latents.
        seed: Seed of all of them.
        label: Class of a conditional model, or a mix; None draws classes uniformly.
    """
    source = torch.Generator("cpu").manual_seed(seed)
    for start in range(0, num, BATCH):
        n = min(BATCH, num - start)
        z = torch.randn(n, generator.z_dim, generator=source, device="cpu").to(generator.mapping.w_avg)
        labels = None
        if generator.label_dim:
            drawn = torch.randint(generator.label_dim, [n], generator=source, device="cpu")
            labels = as_labels(drawn if label is None else label, n, generator.label_dim).to(z)
        w = generator.mapping(z, labels)
        yield w.flatten(0, 1) if generator.mapping.rows_differ else w[:, 0]


@torch.no_grad()
def scored(
    generator: Generator,
    score: Callable[[Tensor], Tensor],
    seeds: Sequence[int],
    *,
    truncation_psi: float = 0.7,
    label: Label | None = None,
    batch_size: int = 1,
) -> tuple[Tensor, Tensor]:
    """W `[N, w_dim]` of seeds, untruncated, and the scores `[N]` of their images.

    Args:
        generator: Generator that draws them.
        score: Function of images `[n, C, R, R]` in -1..1, unclamped, to scores `[n]`.
        seeds: Seeds.
        truncation_psi: Truncation of the images; it changes no direction.
        label: Class of a conditional model, or a mix.
        batch_size: Images at once.

    Raises:
        ValueError: for a class that the generator does not take, or another number of scores.
    """
    look, vectors, scores = Look(truncation_psi, label=label), [], []
    look.check(generator)
    for start in range(0, len(seeds), batch_size):
        batch = seeds[start : start + batch_size]
        found = score(generator.draw(look.w(generator, batch)))
        if found.shape != (len(batch),):
            raise ValueError(f"A score for each of {len(batch)} images is needed; got {list(found.shape)}.")
        vectors.append(replace(look, truncation_psi=1.0).w(generator, batch)[:, 0])
        scores.append(found.float())
    return torch.cat(vectors), torch.cat(scores)
