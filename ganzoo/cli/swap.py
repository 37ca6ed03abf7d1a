"""`ganzoo swap`: a new model of the coarse levels of one and the fine levels of another."""

from pathlib import Path
from typing import Annotated

import typer

from ganzoo.cli import latent
from ganzoo.system.files import refuse_unwritable


def swap(
    coarse: Annotated[str, typer.Argument(help="The model that gives what is large, and what w means.")],
    fine: Annotated[str, typer.Argument(help="The model that gives what is small.")],
    resolution: Annotated[
        int, typer.Option("--from", help="Side of the features from which on the levels are the second's.")
    ] = 32,
    out: Annotated[Path, typer.Option(help="Folder for the new model; made if need be.")] = Path("swapped"),
    license: Annotated[str | None, typer.Option(help="License of the new weights, for the card.")] = None,
    cache_dir: latent.CacheDir = None,
) -> None:
    """Make a model of the levels of two, which must be of one architecture and size."""
    from ganzoo.cards.writing import write
    from ganzoo.latent.saved import fingerprint, same_mapping
    from ganzoo.latent.swapping import swap as swapped
    from ganzoo.models.folders import find_model
    from ganzoo.models.reference import reference
    from ganzoo.models.weights import save, weights_digest
    from ganzoo.system.progress import stage

    refuse_unwritable(out, "--out")
    if find_model(out) is not None:
        raise ValueError(f"--out {str(out)!r} holds a model: choose another folder.")
    with stage(f"Opening {coarse} and {fine}"):
        first, second = (reference(name, cache_dir).load() for name in (coarse, fine))
    made = swapped(first, second, resolution)
    save(made, out, golden=True)
    hashes = [weights_digest(generator)[:12] for generator in (first, second)]
    lineage = (
        f"Mapping network and levels below {resolution} x {resolution} of `{coarse}` ({hashes[0]}…), all "
        f"other levels of `{fine}` ({hashes[1]}…), put together by `ganzoo swap`."
    )
    write(out, lineage=lineage, license=license)
    typer.echo(f"{out}: levels from {resolution} x {resolution} on are those of {fine}.")
    if not same_mapping(fingerprint(second), first):
        typer.echo(f"Note: the two have mapping networks of their own; w means what it means to {coarse}.")
