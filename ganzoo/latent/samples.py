"""W of random latents, in batches, for statistics over many of them."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganzoo.generators.generator import Generator
from ganzoo.models.generating import Look

BATCH = 1000
SAMPLES = 20_000


@torch.no_grad()
def sampled_w(
    generator: Generator, num: int = SAMPLES, seed: int = 0, label: int | None = None
) -> Iterator[Tensor]:
    """W of `num` random latents, untruncated, as batches `[n, w_dim]` on the generator's device.

    Of a mapping network whose rows differ, every row is a w of its own.

    Args:
        generator: Generator to draw from.
        num: Number of latents.
        seed: Seed of all of them.
        label: Class of a conditional model; None draws classes uniformly.
    """
    source = torch.Generator("cpu").manual_seed(seed)
    for start in range(0, num, BATCH):
        n = min(BATCH, num - start)
        z = torch.randn(n, generator.z_dim, generator=source, device="cpu").to(generator.mapping.w_avg)
        labels = None
        if generator.label_dim:
            classes = torch.randint(generator.label_dim, [n], generator=source, device="cpu")
            classes = classes if label is None else torch.full_like(classes, label)
            labels = one_hot(classes, generator.label_dim).to(z)
        w = generator.mapping(z, labels)
        yield w.flatten(0, 1) if generator.mapping.rows_differ else w[:, 0]


@torch.no_grad()
def seeds_w(generator: Generator, seeds: Sequence[int], look: Look | None = None) -> Tensor:
    """W of seeds `[N, num_ws, w_dim]`, as the images of a look are made of them.

    Args:
        generator: Generator whose w they are.
        seeds: Seeds.
        look: Truncation and class; None for neither.

    Raises:
        ValueError: for a class or cutoff that the generator does not take.
    """
    look = look or Look(truncation_psi=1.0)
    look.check(generator)
    z, labels = generator.sample_z(seeds), None
    if look.label is not None:
        labels = one_hot(torch.full([len(z)], look.label, device=z.device), generator.label_dim).to(z)
    w: Tensor = generator.mapping(z, labels, look.truncation_psi, look.truncation_cutoff)
    return w


@torch.no_grad()
def scored(
    generator: Generator,
    score: Callable[[Tensor], Tensor],
    seeds: Sequence[int],
    *,
    truncation_psi: float = 0.7,
    label: int | None = None,
    batch_size: int = 1,
) -> tuple[Tensor, Tensor]:
    """W `[N, w_dim]` of seeds, untruncated, and the scores `[N]` of their images.

    Args:
        generator: Generator that draws them.
        score: Function of images `[n, C, R, R]` in -1..1, unclamped, to scores `[n]`.
        seeds: Seeds.
        truncation_psi: Truncation of the images; it changes no direction.
        label: Class of a conditional model.
        batch_size: Images at once.

    Raises:
        ValueError: if the function gives another number of scores.
    """
    vectors, scores = [], []
    for start in range(0, len(seeds), batch_size):
        batch = seeds[start : start + batch_size]
        images = generator.synthesis(seeds_w(generator, batch, Look(truncation_psi, label=label))).image
        found = score(images)
        if found.shape != (len(batch),):
            raise ValueError(f"A score for each of {len(batch)} images is needed; got {list(found.shape)}.")
        vectors.append(seeds_w(generator, batch, Look(1.0, label=label))[:, 0])
        scores.append(found.float())
    return torch.cat(vectors), torch.cat(scores)
