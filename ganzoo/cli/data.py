"""`ganzoo data`: pictures made ready for training and measuring."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.cli.help import settings
from ganzoo.files import refuse_unwritable
from ganzoo.interruption import Interrupted

if TYPE_CHECKING:
    from ganzoo.data import Report

_SHOWN = 10  # skipped pictures; all of them stand in the zip's ganzoo.json

data_app = typer.Typer(
    help="Prepare pictures for training and measuring.",
    no_args_is_help=True,
    epilog=settings("data")["epilog"],
)


@data_app.command("prepare", **settings("data"))
def prepare(
    src: Annotated[Path, typer.Argument(help="A folder of pictures, with all its folders, or a zip.")],
    out: Annotated[Path, typer.Argument(help="The zip to write.")],
    resolution: Annotated[int, typer.Option(help="Of the pictures: a power of two from 4 to 2048.")],
    crop: Annotated[
        str, typer.Option(help="center (the square in the middle), or none (squeeze the whole picture).")
    ] = "center",
    channels: Annotated[int, typer.Option(help="3 for RGB, 1 for greyscale.")] = 3,
    labels: Annotated[
        str,
        typer.Option(help="keep (those of the source's dataset.json), folders (a class for each), or none."),
    ] = "keep",
    upscale: Annotated[
        bool, typer.Option(help="Enlarge pictures that are too small; skip them if not.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that work at once; as many as cores if not given.")
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(help="Skip pictures with more; 100 million if not given.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option(help="Replace OUT, and drop an unfinished run that had other settings.")
    ] = False,
) -> None:
    """Write pictures as the zip that StyleGAN's tools train from. Run it again to continue a stopped run."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ganzoo.data import MAX_PIXELS
    from ganzoo.data import prepare as prepare_set
    from ganzoo.progress import progress_console

    refuse_unwritable(out.parent, "The folder of OUT")
    count, total = 0, 0
    columns = (TextColumn("Preparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=progress_console(), transient=True) as progress:
            task = progress.add_task("", total=None)

            def show(done: int, of: int) -> None:
                nonlocal count, total
                if not total and done:
                    typer.echo(f"Continuing a stopped run: {done} of {of} pictures are done.")
                count, total = done, of
                progress.update(task, completed=done, total=of)

            report = prepare_set(
                src, out, resolution=resolution, crop=crop, channels=channels, labels=labels, upscale=upscale,
                max_pixels=MAX_PIXELS if max_pixels is None else max_pixels, workers=workers,
                overwrite=overwrite, progress=show,
            )  # fmt: skip
    except KeyboardInterrupt:
        kept = f"{count} of {total} pictures are done; the same command goes on from there" if total else ""
        raise Interrupted(f"Interrupted: {kept or 'nothing was written'}.") from None
    _print(report)


def _print(report: "Report") -> None:
    """Counts, hash and place, as a table."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from ganzoo.cli.show import console
    from ganzoo.data.conversion import SKIPPED
    from ganzoo.data.prepare import RECORD_FILE

    table = Table(box=SIMPLE_HEAD, show_header=False)
    for kind, number in report.counts.items():
        if number or kind == "written":
            row = (
                f"skipped: {kind}" if kind in SKIPPED else kind if kind == "written" else f"of these, {kind}"
            )
            table.add_row(row, str(number))
    if report.classes:
        table.add_row("classes", str(len(report.classes)))
    if report.resumed:
        table.add_row("of an earlier run", str(report.resumed))
    table.add_row("sha256 of the set", report.dataset_sha256)
    out = console()
    out.print(table)
    for name, _, reason in report.skipped[:_SHOWN]:
        out.print(Text(f"  {ascii(name)[1:-1]}: {reason}"))
    if len(report.skipped) > _SHOWN:
        out.print(f"  and {len(report.skipped) - _SHOWN} more: {RECORD_FILE} in the zip lists them all.")
    typer.echo(f"The set is in {report.out}.")
