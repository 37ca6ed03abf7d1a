"""`ganzoo card`: the card of a published model, or of a folder, with its figures."""

from pathlib import Path
from typing import Annotated

import typer


def card(
    name: Annotated[str, typer.Argument(help="A model of `ganzoo list`, or the folder of a saved one.")],
    out: Annotated[
        Path | None, typer.Option(help="Write README.md into this folder; by default it is printed.")
    ] = None,
    records: Annotated[
        Path | None, typer.Option(help="Add the records of a file that `ganzoo eval --out` wrote.")
    ] = None,
    license: Annotated[str | None, typer.Option(help="License of the weights, as the Hub spells it.")] = None,
    lineage: Annotated[
        str | None, typer.Option(help="What the weights were made from, by whom: a line for the card.")
    ] = None,
    samples: Annotated[
        bool, typer.Option("--samples", help="With --out, of a folder: a sheet of 24 images.")
    ] = False,
) -> None:
    """Render a model's card: lineage, licenses, cost, figures with their protocols."""
    from ganzoo.cards.writing import names, render, write

    if samples and out is None:
        raise ValueError("--samples writes a file: give --out, the model's folder.")
    if out is None:
        found = render(name, license=license, lineage=lineage, records=records)
        typer.echo(found.text, nl=False)
    else:
        found = write(name, out, license=license, lineage=lineage, records=records, samples=samples)
        typer.echo(f"The card is {found.path}.")
    if found.left_out:
        others = f"of other weights ({names(found.left_out)})"
        typer.echo(f"Note: {len(found.left_out)} records in {records} are {others} and left out.", err=True)
