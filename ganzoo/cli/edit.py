"""`ganzoo edit`: images of seeds or saved w, moved along directions."""

from pathlib import Path
from typing import Annotated

import typer

from ganzoo.cli import latent, options
from ganzoo.cli.common import parse_seeds
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.files import refuse_unwritable

SHOWN = "-3,-2,-1,0,1,2,3"

Chosen = Annotated[
    str | None, typer.Option(help="Directions, such as age,smile; without it, those there are.")
]
Seeds = Annotated[str | None, typer.Option(help="Images to move: 0-3, or 1,4,10-12 (default: 0-3).")]
Strengths = Annotated[
    str, typer.Option("--strength", "--strengths", help="Strengths, in deviations of w: -3,0,1.5.")
]
Rows = Annotated[
    str | None, typer.Option(help="Rows of w to move: coarse, middle, fine, or 0-7 (default: its own).")
]
Source = Annotated[
    str | None, typer.Option(help="Take directions from this folder, YAML file or other model.")
]
Psi = Annotated[
    float | None,
    options.psi("Truncation: 1 for full variety, 0 for the mean image (default: 0.7; of saved w 1)."),
]
SaveW = Annotated[
    bool, typer.Option("--save-w", help="Write the w of the images, too: w.safetensors in the folder.")
]


def edit(
    name: latent.Model,
    direction: Chosen = None,
    seeds: Seeds = None,
    w: options.SavedW = None,
    strength: Strengths = SHOWN,
    rows: Rows = None,
    directions: Source = None,
    psi: Psi = None,
    cutoff: options.Cutoff = None,
    noise: latent.Noise = "const",
    label: options.Label = None,
    save_w: SaveW = False,
    other_mapping: options.OtherMapping = False,
    out: latent.Out = Path("edited"),
    device: latent.Device = "cpu",
    cache_dir: latent.CacheDir = None,
) -> None:
    """Write an image a seed and strength, and a sheet a direction: a row a seed, a column a strength."""
    if seeds is not None and w is not None:
        raise ValueError("--w takes the place of --seeds: give one of the two.")
    numbers, strengths = parse_seeds(seeds or "0-3"), latent.parse_numbers(strength, "--strength")

    from ganzoo.latent.directions import read_directions
    from ganzoo.latent.edits import edited_noise, edited_w, write_edits
    from ganzoo.latent.generating import W_FILE
    from ganzoo.latent.look import PSI, Look
    from ganzoo.latent.points import points
    from ganzoo.latent.ranges import rows_of
    from ganzoo.latent.saved import load_w
    from ganzoo.latent.saved import save_w as write_w

    if psi is None:
        psi = PSI if w is None else 1.0
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
    saved = None if w is None else load_w(w, deployed, other_mapping=other_mapping)
    start = points(deployed, look, numbers, saved)
    moved = edited_w(start.w(deployed), chosen, strengths, range_)
    out.mkdir(parents=True, exist_ok=True)
    settings = {"model": name, "truncation_psi": psi, "noise": noise, "label": look.settings()["label"]}
    with latent.counted("Editing", len(moved), out) as report:
        sheets = write_edits(
            deployed, start, chosen, strengths, out, rows=range_, settings=settings, report=report
        )
    if save_w:
        facts = {"points": ",".join(start.names()), "directions": direction, "strengths": strength}
        kept = edited_noise(start, len(chosen), len(strengths))
        write_w(out / W_FILE, moved, generator, noise=kept, facts=facts)
    typer.echo(f"{len(moved)} images and {', '.join(sheet.name for sheet in sheets)} in {out}.")
