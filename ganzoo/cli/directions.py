"""`ganzoo directions`: the directions of a model, and new ones."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.cli import latent, options
from ganzoo.cli.edit import SHOWN
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.files import refuse_unwritable

if TYPE_CHECKING:
    from ganzoo.generators.generator import Generator
    from ganzoo.generators.sampling import Label
    from ganzoo.latent.direction import Directions, Rows
    from ganzoo.latent.look import Look

METHODS = ("ganspace", "sefa")


def directions(
    name: latent.Model,
    list_: Annotated[bool, typer.Option("--list", help="List those there are, as without options.")] = False,
    method: Annotated[
        str | None, typer.Option(help="Find new ones: sefa (of the weights), ganspace (of many w).")
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(help="Find one for each column of this table: seed,smile,… and a row a seed."),
    ] = None,
    num: Annotated[int, typer.Option(min=1, help="Number of directions of a method.")] = 10,
    rows: Annotated[
        str | None, typer.Option(help="Rows of w that they are for: coarse, middle, fine, or 0-7.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Number of w that a method looks at.")] = 20_000,
    share: Annotated[float, typer.Option(help="Share of the table that is each of the two classes.")] = 0.02,
    seed: Annotated[int, typer.Option(help="Seed of the image on the sheet.")] = 0,
    psi: latent.Psi = 0.7,
    label: options.Label = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the files and the sheet; those of other names stay.")
    ] = Path("directions"),
    device: latent.Device = "cpu",
    cache_dir: latent.CacheDir = None,
) -> None:
    """List a model's directions, or find new ones and write them with a sheet that shows them."""
    if method is not None and scores is not None:
        raise ValueError("--method and --scores exclude each other: two calls with one --out collect both.")
    if method not in (None, *METHODS):
        from ganzoo.system.validation import unknown

        raise ValueError(unknown("--method", method, METHODS))

    from ganzoo.latent.directions import read_directions
    from ganzoo.latent.look import Look
    from ganzoo.latent.ranges import rows_of
    from ganzoo.latent.score_table import boundaries, read_scores
    from ganzoo.system.progress import stage

    look = Look(psi, label=label)
    if list_ or (method is None and scores is None):
        generator, _ = latent.opened(name, device, cache_dir)
        latent.list_directions(name, read_directions(name, generator, cache_dir))
        return
    keep_freed_memory()
    refuse_unwritable(out, "--out")
    table = None if scores is None else read_scores(scores)
    generator, deployed = latent.opened(name, device, cache_dir)
    look.check(generator)
    before = _there(out, generator)
    range_ = None if rows is None else rows_of(rows, generator.config, "--rows")
    if table is not None:
        with stage(f"Dividing {len(table[0])} w"):
            found = boundaries(generator, *table, share=share, rows=range_, label=label)
    else:
        with stage(f"Looking at {samples} w"):
            found = _of_method(generator, str(method), num, range_, samples, label)
    found = replace(found, model=name)
    _write(deployed, found, found if before is None else before.with_others(found), out, seed, look)


def _there(out: Path, generator: "Generator") -> "Directions | None":
    """The directions that the folder holds already, to which the new ones are added."""
    from ganzoo.latent.directions import read_file, yaml_file

    if not yaml_file(out).is_file():
        return None
    found = read_file(out)
    found.check(generator)
    return found


def _of_method(
    generator: "Generator", method: str, num: int, rows: "Rows | None", samples: int, label: "Label | None"
) -> "Directions":
    from ganzoo.latent.ganspace import ganspace
    from ganzoo.latent.sefa import sefa

    if method == "sefa":
        return sefa(generator, num, rows=rows, samples=samples)
    return ganspace(generator, num, rows=rows, samples=samples, label=label)


def _write(
    generator: "Generator", found: "Directions", whole: "Directions", out: Path, seed: int, look: "Look"
) -> None:
    """The files with all directions, and the sheet of the new ones."""
    from ganzoo.latent.directions import write_directions, yaml_file
    from ganzoo.latent.edits import SHEET_FILE, directions_sheet
    from ganzoo.latent.points import points
    from ganzoo.system.images import save_png

    write_directions(out, whole)
    strengths = latent.parse_numbers(SHOWN, "--strength")
    start = points(generator, look, [seed])
    with latent.counted("Drawing", len(found) * len(strengths), out) as report:
        sheet = directions_sheet(generator, start, tuple(found), strengths, report)
    settings = {"model": found.model, "seed": seed, "truncation_psi": look.truncation_psi}
    save_png(sheet, out / SHEET_FILE, {**settings, "directions": found.names, "strengths": strengths})
    typer.echo(f"{yaml_file(out)} holds {len(whole)} directions; {out / SHEET_FILE} shows the new ones:")
    latent.list_directions(found.model, found, str(out))
