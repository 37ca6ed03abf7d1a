"""`ganzoo verify`: are these the published weights, and do they give the published images here?"""

from pathlib import Path
from typing import Annotated, NoReturn

import typer


def verify(
    name: Annotated[str, typer.Argument(help="A model of `ganzoo list`, hf-hub:owner/name, or a folder.")],
    cache_dir: Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")] = None,
) -> None:
    """Check a model's weights against their hash and its images against the recorded ones."""
    import torch

    from ganzoo.generators.generator import Generator
    from ganzoo.models.entries import BundledSource
    from ganzoo.models.factory import cached_weights, create, list_models, model_entry, resolve
    from ganzoo.models.golden import GOLDEN_FILE, check_golden
    from ganzoo.models.hub_names import is_hub_name
    from ganzoo.models.hub_pull import locate
    from ganzoo.models.weights import WEIGHTS_FILE, load, published_digest, stored_digest, weights_digest

    name = resolve(name)
    folder = Path(name.removeprefix("dir:"))
    if is_hub_name(name):
        remote = locate(name, cache_dir)
        generator, folder = remote.load(), remote.folder
    elif name.startswith("dir:"):
        generator = load(folder)
    else:
        generator = create(name, pretrained=True, cache_dir=cache_dir)
    entry = model_entry(name) if name in list_models() else None
    path = cached_weights(entry, cache_dir) if entry else folder / WEIGHTS_FILE
    bundled = [s for s in entry.sources if isinstance(s, BundledSource)] if entry else []
    stored = None if bundled else stored_digest(path)
    if bundled:
        typer.echo(f"weights: {bundled[0].file} of the package, whose sha256 was checked")
    elif stored is None:
        typer.echo(f"weights: {path} records no hash: it was not written by ganzoo")
    elif stored != weights_digest(generator):
        _fail(f"weights: {path} was changed after it was written")
    else:
        typer.echo(f"weights: {path} is as it was written")
    if entry is None or entry.weights_sha256 is None or entry.golden is None:
        golden = folder / GOLDEN_FILE
        if not isinstance(generator, Generator) or not golden.is_file():
            typer.echo(f"images: {folder} records none")
            return
        try:
            within = check_golden(generator, golden, weights_digest(generator))
        except ValueError as error:
            _fail(f"images: {error}")
        typer.echo(f"images: those recorded in {golden}, within {within:.1e} of their range")
        return
    found = published_digest(generator)
    if found != entry.weights_sha256:
        _fail(
            f"weights: not the published ones: sha256 {found[:12]}…, published {entry.weights_sha256[:12]}…"
        )
    typer.echo(f"weights: the published ones, sha256 {found[:12]}…")
    published = entry.golden
    with torch.inference_mode():
        for seed, mean, std in zip(published.seeds, published.mean, published.std, strict=True):
            image = generator(generator.sample_z(1, seed), truncation_psi=published.truncation_psi)[0]
            off = [abs(a.item() - b) for a, b in zip(image.mean(dim=(1, 2)), mean, strict=True)]
            off += [abs(a.item() - b) for a, b in zip(image.std(dim=(1, 2)), std, strict=True)]
            if max(off) > published.tolerance:
                _fail(
                    f"image of seed {seed}: mean and deviation are off by {max(off):.4f}, "
                    f"allowed {published.tolerance}"
                )
            typer.echo(f"image of seed {seed}: means and deviations within {max(off):.1e} of the record")
    typer.echo(f"{name} is what was published.")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
