"""`ganzoo data`: images made ready for training and measuring."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.cli import options
from ganzoo.cli.help import settings
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.interruption import Interrupted

if TYPE_CHECKING:
    from ganzoo.data import Report

_SHOWN = 10  # names of each list; all of them stand in the zip's ganzoo.json
_CLASSES = 40  # lines of the table

data_app = typer.Typer(
    help="Prepare images for training and measuring.",
    no_args_is_help=True,
    epilog=settings("data")["epilog"],
)


Src = Annotated[Path, typer.Argument(help="A folder of images, with all its folders, or a zip.")]
Out = Annotated[Path, typer.Argument(help="The zip to write.")]
Side = Annotated[int, options.side("Of the images: a power of two from 4 to 2048.")]
Crop = Annotated[
    str, typer.Option(help="center (the square in the middle), or none (squeeze the whole image).")
]
Channels = Annotated[int, typer.Option(help="3 for RGB, 1 for greyscale, 4 to keep alpha.")]
Labels = Annotated[
    str, typer.Option(help="keep (those of the source's dataset.json), folders (a class for each), or none.")
]
Upscale = Annotated[bool, typer.Option(help="Enlarge images that are too small; skip them if not.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes that work at once; as many as cores if not given.")
]
MaxPixels = Annotated[int | None, typer.Option(help="Skip images with more; 100 million if not given.")]
White = Annotated[
    int | None, typer.Option(help="White in 16-bit greyscale: 4095 for 12 bits; 65535 if not given.")
]
Overwrite = Annotated[
    bool, typer.Option(help="Replace OUT, and drop an unfinished run that had other settings.")
]


@data_app.command("prepare", **settings("data"))
def prepare(
    src: Src,
    out: Out,
    resolution: Side,
    crop: Crop = "center",
    channels: Channels = 3,
    labels: Labels = "keep",
    upscale: Upscale = False,
    workers: Workers = None,
    max_pixels: MaxPixels = None,
    white: White = None,
    overwrite: Overwrite = False,
) -> None:
    """Write images as the zip that StyleGAN's tools train from. Run it again to continue a stopped run."""
    from ganzoo.data import prepare as prepare_set
    from ganzoo.data.decoding import MAX_PIXELS, WHITE
    from ganzoo.system.progress import progress_bar

    refuse_unwritable(out.parent, "The folder of OUT")
    count, total = 0, 0
    try:
        with progress_bar() as progress:
            task = progress.add_task("Preparing", total=None)

            def show(done: int, of: int) -> None:
                nonlocal count, total
                if not total and done:
                    typer.echo(f"Continuing a stopped run: {done} of {of} images are done.")
                count, total = done, of
                progress.update(task, completed=done, total=of)

            report = prepare_set(
                src, out, resolution=resolution, crop=crop, channels=channels, labels=labels, upscale=upscale,
                max_pixels=MAX_PIXELS if max_pixels is None else max_pixels,
                white=WHITE if white is None else white, workers=workers, overwrite=overwrite, progress=show,
            )  # fmt: skip
    except KeyboardInterrupt:
        kept = f"{count} of {total} images are done; the same command goes on from there" if total else ""
        raise Interrupted(f"Interrupted: {kept or 'nothing was written'}.") from None
    _print(report)


def _print(report: "Report") -> None:
    """What was written, what was left out and why, as a table and lists of names."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from ganzoo.cli.show import console
    from ganzoo.data.conversion import SKIPPED
    from ganzoo.data.labels import RECORD_FILE

    table = Table(box=SIMPLE_HEAD, show_header=False)
    for kind, number in report.counts.items():
        if number or kind == "written":
            row = (
                f"skipped: {kind}" if kind in SKIPPED else kind if kind == "written" else f"of these, {kind}"
            )
            table.add_row(row, str(number))
    if report.not_images:
        table.add_row("not images, left out", str(len(report.not_images)))
    table.add_row("labels", report.labels)
    for number, count in list(report.class_counts.items())[:_CLASSES]:
        name = f" {ascii(report.classes[number])[1:-1]}" if number < len(report.classes) else ""
        table.add_row(f"  class {number}{name}", str(count))
    if len(report.class_counts) > _CLASSES:
        table.add_row(f"  and {len(report.class_counts) - _CLASSES} more classes", f"in {RECORD_FILE}")
    if report.resumed:
        table.add_row("of an earlier run", str(report.resumed))
    out = console()
    out.print(table)
    lines = [f"  {ascii(name)[1:-1]}: {reason}" for name, reason in _of_every_kind(report.skipped)]
    if len(report.skipped) > _SHOWN:
        lines.append(f"  and {len(report.skipped) - _SHOWN} more: {RECORD_FILE} in the zip lists them all.")
    if report.not_images:
        names = ", ".join(ascii(name)[1:-1] for name in report.not_images[:_SHOWN])
        more = len(report.not_images) - _SHOWN
        lines.append(f"Not images: {names}{f' and {more} more' if more > 0 else ''}.")
    for line in [*lines, *_dark(report)]:
        out.print(Text(line))
    typer.echo(f"sha256 of the set: {report.dataset_sha256}")
    typer.echo(f"The set is in {report.out}.")


def _of_every_kind(skipped: "tuple[tuple[str, str, str], ...]") -> list[tuple[str, str]]:
    """Some names and reasons, in their order: the first of every kind, then the second ones."""
    met = Counter[str]()
    ranks: list[tuple[int, int, str, str]] = []
    for name, kind, reason in skipped:
        ranks.append((met[kind], len(ranks), name, reason))
        met[kind] += 1
    shown = sorted(sorted(ranks)[:_SHOWN], key=lambda rank: rank[1])
    return [(name, reason) for _, _, name, reason in shown]


def _dark(report: "Report") -> list[str]:
    """What to do about 16-bit images that hold fewer bits."""
    count = report.counts["dark 16-bit"]
    if not count:
        return []
    bits = (report.brightest or 0).bit_length()
    if not 8 < bits < 15:  # colour, or some images reach white
        return [f"16-bit images that do not reach a quarter of white, and come out nearly black: {count}."]
    return [
        f"16-bit images that come out nearly black: {count}. The largest value is {report.brightest}, of "
        f"65535. If they hold {bits} bits, prepare them with --white {2**bits - 1}."
    ]
