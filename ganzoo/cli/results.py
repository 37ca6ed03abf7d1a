"""`ganzoo results`: a table and a plot of the runs below a folder."""

from pathlib import Path
from typing import Annotated

import typer


def results(
    folder: Annotated[Path, typer.Argument(help="A sweep's folder, or any other that holds runs.")],
    figure: Annotated[
        str | None, typer.Option(help="What the plot shows; by default the perceptual distance.")
    ] = None,
) -> None:
    """Write table.md, table.csv and plot.svg of the finished runs in a folder; seeds are averaged."""
    from ganzoo.system.paths import missing
    from ganzoo.training.results import write_results

    if not folder.exists():
        raise FileNotFoundError(missing(folder))
    written = write_results(folder, figure)
    for note in written.notes:
        typer.echo(f"Note: {note}")
    runs = "1 run" if written.runs == 1 else f"{written.runs} runs"
    if len(written.results) != written.runs:
        runs += f" in {len(written.results)} rows"
    typer.echo(f"{runs}: table.md, table.csv and plot.svg ({written.figure}) are in {folder}.")
