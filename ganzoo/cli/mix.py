"""`ganzoo mix`: a grid of images that have some rows of w from one and the rest from another."""

from pathlib import Path
from typing import Annotated

import typer

from ganzoo.cli import latent, options
from ganzoo.cli.common import parse_seeds
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.files import refuse_unwritable


def mix(
    name: latent.Model,
    rows: Annotated[str, typer.Option(help="Seeds of the images at the left, which give the rest.")] = "0-3",
    columns: Annotated[
        str, typer.Option(help="Seeds of the images at the top, which give the layers.")
    ] = "4-8",
    layers: Annotated[
        str, typer.Option(help="Rows of w from the top: coarse, middle, fine, or 4-7.")
    ] = "coarse",
    psi: latent.Psi = 0.7,
    cutoff: options.Cutoff = None,
    noise: latent.Noise = "const",
    label: options.Label = None,
    out: latent.Out = Path("mixed"),
    device: latent.Device = "cpu",
    cache_dir: latent.CacheDir = None,
) -> None:
    """Write an image for each pair, and the grid of them all with its sources at the margins."""
    left, top = parse_seeds(rows, "--rows"), parse_seeds(columns, "--columns")

    from ganzoo.latent.direction import shown_rows
    from ganzoo.latent.edits import write_mix
    from ganzoo.latent.look import Look
    from ganzoo.latent.points import points
    from ganzoo.latent.ranges import rows_of

    look = Look(psi, cutoff, noise, label)
    keep_freed_memory()
    refuse_unwritable(out, "--out")
    _, generator = latent.opened(name, device, cache_dir)
    range_ = rows_of(layers, generator.config, "--layers")
    start, sources = (points(generator, look, seeds) for seeds in (left, top))
    out.mkdir(parents=True, exist_ok=True)
    settings = {"model": name, "truncation_psi": psi, "noise": noise, "label": look.settings()["label"]}
    total = (len(left) + 1) * (len(top) + 1) - 1
    with latent.counted("Mixing", total, out) as report:
        sheet = write_mix(generator, start, sources, range_, out, settings=settings, report=report)
    count = f"{len(left) * len(top)} images"
    typer.echo(f"{count} and {sheet.name} in {out}: rows {shown_rows(range_)} are from the top.")
