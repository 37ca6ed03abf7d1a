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
Seeds = Annotated[str | None, typer.Option(help="A row for each: 0-7, or 1,4,10-12 (default: 0-7).")]
Psi = Annotated[
    float | None,
    options.psi("Truncation: 1 for full variety, 0 for the mean image (default: 0.7; of saved w 1)."),
]
Noise = Annotated[
    str, options.noise("const (saved with the weights), random (by the image's seed), or none.")
]
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
    seeds: Seeds = None,
    w: options.SavedW = None,
    psi: Psi = None,
    noise: Noise = "const",
    label: options.Label = None,
    out: Out = Path("compare.html"),
    records: Records = None,
    features: Features = NO_FEATURES,
    runs: Runs = 10,
    other_mapping: options.OtherMapping = False,
    device: Device = "cpu",
    cache_dir: CacheDir = None,
) -> None:
    """Write one self-contained page: images of the same seeds, differences, cost, records, plots."""
    from ganzoo.compare import Settings
    from ganzoo.compare import compare as write
    from ganzoo.latent.look import PSI, SAVED_PSI
    from ganzoo.metrics.record import read_records
    from ganzoo.system.progress import progress_bar

    names = names or []
    if seeds is not None and w is not None:
        raise ValueError("--w takes the place of --seeds: give one of the two.")
    numbers = tuple(parse_seeds(seeds or "0-7")) if w is None else ()
    cut = psi if psi is not None else PSI if w is None else SAVED_PSI
    settings = Settings(numbers, cut, noise, label, None if w is None else str(w), other_mapping)
    refuse_device(device)
    keep_freed_memory()
    try:
        with progress_bar() as progress:
            task = progress.add_task("Opening", total=None)
            found = write(
                names, settings, out=out, features=None if features == NO_FEATURES else features, runs=runs,
                records=() if records is None else read_records(records), device=device, cache_dir=cache_dir,
                report=lambda what, done, total: progress.update(
                    task, description=what, completed=done, total=total or None
                ),
            )  # fmt: skip
    except KeyboardInterrupt:
        raise Interrupted("Interrupted: no page was written.") from None
    rows, kind = len(found.rows), found.settings.kind
    count = f"{rows} {kind}{'s' if kind == 'seed' and rows != 1 else ''}"
    size = out.stat().st_size / 1e6
    typer.echo(f"{len(names)} models, {count}: {out}, {size:.2f} MB. It needs no network.")
