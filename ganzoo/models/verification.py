"""`verify`: are these a model's own weights, and do they give its own images here?"""

import os
from collections.abc import Callable
from pathlib import Path

import torch

from ganzoo.generators.discriminator import Discriminator
from ganzoo.generators.generator import Generator
from ganzoo.models.entries import BundledSource, ModelEntry
from ganzoo.models.golden import GOLDEN_FILE, check_golden
from ganzoo.models.published import cached_weights
from ganzoo.models.reference import Folder, HubModel, Name, Published, reference
from ganzoo.models.weights import WEIGHTS_FILE, load, published_digest, stored_digest, weights_digest

Tell = Callable[[str], None]


class Mismatch(ValueError):
    """Weights or images are not what was recorded; the message says which."""


def verify(
    name: Name,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    report: Tell = lambda line: None,
) -> list[str]:
    """Check a model's weights against their hash, and its images against the recorded ones.

    Args:
        name: Name as `ganzoo.create` takes it, or the folder of a discriminator.
        cache_dir: Folder for downloaded weights.
        report: Function that is told each finding when it is made.

    Returns:
        The findings, a line each.

    Raises:
        Mismatch: if something is not as it was recorded.
        ValueError: for an unknown name, or files that cannot be read.
        OSError: if weights cannot be had.
    """
    found: list[str] = []

    def tell(line: str) -> None:
        found.append(line)
        report(line)

    model = reference(name, cache_dir)
    network = load(model.folder) if isinstance(model, Folder) else model.load()
    if isinstance(model, Published):
        _check_published(model, network, tell)
    elif isinstance(model, Folder | HubModel):
        _check_folder(model.folder, network, tell)
    return found


def _check_folder(folder: Path, network: Generator | Discriminator, tell: Tell) -> None:
    """Weights against the hash in their file, images against the golden file."""
    _check_stored(folder / WEIGHTS_FILE, network, tell)
    golden = folder / GOLDEN_FILE
    if not isinstance(network, Generator) or not golden.is_file():
        tell(f"images: {folder} records none")
        return
    try:
        within = check_golden(network, golden, weights_digest(network))
    except ValueError as error:
        raise Mismatch(f"images: {error}") from error
    tell(f"images: those recorded in {golden}, within {within:.1e} of their range")


def _check_stored(path: Path, network: Generator | Discriminator, tell: Tell) -> None:
    """Weights against the hash that their file records."""
    stored = stored_digest(path)
    if stored is None:
        tell(f"weights: {path} records no hash: it was not written by ganzoo")
    elif stored != weights_digest(network):
        raise Mismatch(f"weights: {path} was changed after it was written")
    else:
        tell(f"weights: {path} is as it was written")


def _check_published(model: Published, generator: Generator, tell: Tell) -> None:
    """Weights against the published hash, images against the published means and deviations."""
    entry = model.entry
    bundled = [source.file for source in entry.sources if isinstance(source, BundledSource)]
    if entry.is_bundled:
        tell(f"weights: {bundled[0]} of the package, whose sha256 was checked")
    else:
        _check_stored(cached_weights(entry, model.cache_dir), generator, tell)
    found = published_digest(generator)
    if found != entry.weights_sha256:
        raise Mismatch(
            f"weights: not the published ones: sha256 {found[:12]}…, published {entry.weights_sha256:.12}…"
        )
    tell(f"weights: the published ones, sha256 {found[:12]}…")
    _check_statistics(entry, generator, tell)
    tell(f"{model.name} is what was published.")


@torch.inference_mode()
def _check_statistics(entry: ModelEntry, generator: Generator, tell: Tell) -> None:
    """Means and deviations of images against the published ones."""
    published = entry.golden
    if published is None:
        return
    for seed, mean, std in zip(published.seeds, published.mean, published.std, strict=True):
        image = generator(generator.sample_z(1, seed), truncation_psi=published.truncation_psi)[0]
        off = [abs(a.item() - b) for a, b in zip(image.mean(dim=(1, 2)), mean, strict=True)]
        off += [abs(a.item() - b) for a, b in zip(image.std(dim=(1, 2)), std, strict=True)]
        if max(off) > published.tolerance:
            raise Mismatch(
                f"image of seed {seed}: mean and deviation are off by {max(off):.4f}, allowed "
                f"{published.tolerance}"
            )
        tell(f"image of seed {seed}: means and deviations within {max(off):.1e} of the record")
