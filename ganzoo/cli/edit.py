"""`ganzoo edit`: images of seeds or saved w, moved along directions."""

from pathlib import Path
from typing import Annotated

import typer

from ganzoo.cli import latent
from ganzoo.cli.common import parse_seeds
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.files import refuse_unwritable

SHOWN = "-3,-2,-1,0,1,2,3"


def edit(
    name: latent.Model,
    direction: Annotated[
        str | None, typer.Option(help="Directions, such as age,smile; without it, those there are.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Images to move: 0-3, or 1,4,10-12.")] = "0-3",
    w: Annotated[Path | None, typer.Option(help="Move the w of this file instead of seeds.")] = None,
    strength: Annotated[
        str, typer.Option("--strength", "--strengths", help="Strengths, in deviations of w: -3,0,1.5.")
    ] = SHOWN,
    rows: Annotated[
        str | None, typer.Option(help="Rows of w to move: coarse, middle, fine, or 0-7 (default: its own).")
    ] = None,
    directions: Annotated[
        str | None, typer.Option(help="Take directions from this folder, YAML file or other model.")
    ] = None,
    other_mapping: Annotated[
        bool, typer.Option("--other-mapping", help="Take w of a model of another mapping network.")
    ] = False,
    psi: latent.Psi = 0.7,
    cutoff: latent.Cutoff = None,
    noise: latent.Noise = "const",
    label: latent.Label = None,
    save_w: Annotated[
        Path | None, typer.Option(help="Save the w of all images in this file, for --w of other commands.")
    ] = None,
    out: latent.Out = Path("edited"),
    device: latent.Device = "cpu",
    cache_dir: latent.CacheDir = None,
) -> None:
    """Write an image a seed and strength, and a sheet a direction: a row a seed, a column a strength."""
    numbers, strengths = parse_seeds(seeds), latent.parse_numbers(strength, "--strength")

    from ganzoo.latent.directions import read_directions
    from ganzoo.latent.points import Points, edited_w, write_edits
    from ganzoo.latent.ranges import rows_of
    from ganzoo.latent.saved import save_w as write_w
    from ganzoo.models.generating import Look

    look = Look(psi, cutoff, noise, label)
    keep_freed_memory()
    refuse_unwritable(out, "--out")
    generator, deployed = latent.opened(name, device, cache_dir)
    found = read_directions(name if directions is None else directions, generator, cache_dir)
    if direction is None:
        latent.list_directions(name, found, directions)
        return
    chosen = [found[part.strip()] for part in dict.fromkeys(direction.split(","))]
    range_ = None if rows is None else rows_of(rows, generator.config, "--rows")
    of_seeds = w is None
    points = Points.of_seeds(deployed, numbers, look) if w is None else Points.of_file(deployed, w, noise)
    moved = edited_w(points, chosen, strengths, range_)
    out.mkdir(parents=True, exist_ok=True)
    settings = {"model": name, "truncation_psi": psi if w is None else None, "noise": noise, "label": label}
    with latent.counted("Editing", len(moved), out) as report:
        sheets = write_edits(
            deployed, points, chosen, strengths, out, rows=range_, settings=settings, report=report
        )
    if save_w is not None:
        facts = {"points": ",".join(points.names), "directions": direction, "strengths": strength}
        write_w(save_w, moved, generator, facts=facts)
    typer.echo(f"{len(moved)} images and {', '.join(sheet.name for sheet in sheets)} in {out}.")
