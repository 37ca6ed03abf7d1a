"""`ganzoo verify`: are these the published weights, and do they give the published pictures here?"""

from pathlib import Path
from typing import Annotated

import typer


def verify(
    name: Annotated[str, typer.Argument(help="A model of `ganzoo list`, or the folder of a saved one.")],
    cache_dir: Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")] = None,
) -> None:
    """Check a model's weights against their hash and its pictures against the recorded ones."""
    import torch

    from ganzoo.config import BundledSource
    from ganzoo.factory import cached_weights, create, list_models, model_entry, resolve
    from ganzoo.weights import WEIGHTS_FILE, load, published_digest, stored_digest, weights_digest

    name = resolve(name)
    is_folder = name.startswith("dir:")
    folder = Path(name.removeprefix("dir:"))
    generator = load(folder) if is_folder else create(name, pretrained=True, cache_dir=cache_dir)
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
        typer.echo("pictures: none are recorded for a folder")
        return
    found = published_digest(generator)
    if found != entry.weights_sha256:
        _fail(
            f"weights: not the published ones: sha256 {found[:12]}…, published {entry.weights_sha256[:12]}…"
        )
    typer.echo(f"weights: the published ones, sha256 {found[:12]}…")
    golden = entry.golden
    with torch.inference_mode():
        for seed, mean, std in zip(golden.seeds, golden.mean, golden.std, strict=True):
            image = generator(generator.sample_z(1, seed), truncation_psi=golden.truncation_psi)[0]
            off = [abs(a.item() - b) for a, b in zip(image.mean(dim=(1, 2)), mean, strict=True)]
            off += [abs(a.item() - b) for a, b in zip(image.std(dim=(1, 2)), std, strict=True)]
            if max(off) > golden.tolerance:
                _fail(
                    f"picture of seed {seed}: mean and deviation are off by {max(off):.4f}, "
                    f"allowed {golden.tolerance}"
                )
            typer.echo(f"picture of seed {seed}: means and deviations within {max(off):.1e} of the record")
    typer.echo(f"{name} is what was published.")


def _fail(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(1)
