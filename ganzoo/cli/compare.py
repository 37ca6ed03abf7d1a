"""`ganzoo compare`: models side by side on one HTML page."""

from pathlib import Path
from typing import Annotated

import typer

from ganzoo.cli import options
from ganzoo.cli.common import parse_seeds, refuse_device
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.interruption import Interrupted

NO_FEATURES = "none"
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="MODEL", help="Models of `ganzoo list`, or folders of saved ones."),
]
Seeds = Annotated[str, typer.Option(help="A row for each: 0-7, or 1,4,10-12.")]
Psi = Annotated[float, options.psi("Truncation: 1 for full variety, 0 for the mean image.")]
Noise = Annotated[
    str, options.noise("const (saved with the weights), random (by the image's seed), or none.")
]
Label = Annotated[int | None, typer.Option(help="Class, for conditional models.")]
Out = Annotated[Path, typer.Option(help="The page, a .html file.")]
Records = Annotated[
    Path | None, typer.Option(help="Show the records of a file that `ganzoo eval --out` wrote.")
]
Features = Annotated[
    str,
    typer.Option(help="Perceptual distance in efficientnet_lite0 to _lite2, a classifier of timm, or none."),
]
Runs = Annotated[int, typer.Option(min=0, help="Timed images of each model; 0 to measure no latency.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps …")]
CacheDir = Annotated[Path | None, typer.Option(help="Where weights and features are kept.")]


def compare(
    names: Names = None,
    seeds: Seeds = "0-7",
    psi: Psi = 0.7,
    noise: Noise = "const",
    label: Label = None,
    out: Out = Path("compare.html"),
    records: Records = None,
    features: Features = NO_FEATURES,
    runs: Runs = 10,
    device: Device = "cpu",
    cache_dir: CacheDir = None,
) -> None:
    """Write one self-contained page: images of the same seeds, differences, cost, records, plots."""
    from ganzoo.compare import Settings
    from ganzoo.compare import compare as write
    from ganzoo.metrics.record import read_records
    from ganzoo.system.progress import progress_bar

    names = names or []
    settings = Settings(tuple(parse_seeds(seeds)), psi, noise, label)
    refuse_device(device)
    keep_freed_memory()
    try:
        with progress_bar() as progress:
            task = progress.add_task("Opening", total=None)
            write(
                names, settings, out=out, features=None if features == NO_FEATURES else features, runs=runs,
                records=() if records is None else read_records(records), device=device, cache_dir=cache_dir,
                report=lambda what, done, total: progress.update(
                    task, description=what, completed=done, total=total or None
                ),
            )  # fmt: skip
    except KeyboardInterrupt:
        raise Interrupted("Interrupted: no page was written.") from None
    count = "1 seed" if len(settings.seeds) == 1 else f"{len(settings.seeds)} seeds"
    size = out.stat().st_size / 1e6
    typer.echo(f"{len(names)} models, {count}: {out}, {size:.2f} MB. It needs no network.")
