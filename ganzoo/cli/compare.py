"""`ganzoo compare`: models side by side on one HTML page."""

import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.cli.common import parse_seeds, refuse_device
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.interruption import Interrupted

if TYPE_CHECKING:
    from ganzoo.compare.measure import Comparison, Settings

NO_FEATURES = "none"
_NOISE = ("const", "random", "none")


def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Models of `ganzoo list`, or folders of saved ones."),
    ] = None,
    seeds: Annotated[str, typer.Option(help="A row for each: 0-7, or 1,4,10-12.")] = "0-7",
    psi: Annotated[float, typer.Option(help="Truncation: 1 for full variety, 0 for the mean image.")] = 0.7,
    noise: Annotated[
        str, typer.Option(help="const (saved with the weights), random (by the image's seed), or none.")
    ] = "const",
    label: Annotated[int | None, typer.Option(help="Class, for conditional models.")] = None,
    out: Annotated[Path, typer.Option(help="The page, a .html file.")] = Path("compare.html"),
    records: Annotated[
        Path | None, typer.Option(help="Show the records of a file that `ganzoo eval --out` wrote.")
    ] = None,
    features: Annotated[
        str, typer.Option(help="Perceptual distance in efficientnet_lite0 or a classifier of timm; or none.")
    ] = NO_FEATURES,
    runs: Annotated[
        int, typer.Option(min=0, help="Timed images of each model; 0 to measure no latency.")
    ] = 10,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps …")] = "cpu",
    cache_dir: Annotated[Path | None, typer.Option(help="Where weights and features are kept.")] = None,
) -> None:
    """Write one self-contained page: images of the same seeds, differences, cost, records, plots."""
    names = names or []
    numbers = parse_seeds(seeds)
    if noise not in _NOISE:
        raise ValueError(f"--noise is const, random or none; got {noise!r}.")
    if not math.isfinite(psi):
        raise ValueError(f"--psi is a number such as 0.7; got {psi}.")
    if out.suffix.lower() != ".html" or out.is_dir():
        raise ValueError(f"--out is the page, a file such as compare.html; got {str(out)!r}.")

    from ganzoo.compare.measure import MAX_MODELS, MAX_SEEDS, Settings, check_label
    from ganzoo.compare.page import write_page
    from ganzoo.compare.records import groups
    from ganzoo.metrics.record import read_records
    from ganzoo.models.factory import config_of, resolve

    if not 2 <= len(names) <= MAX_MODELS:
        raise ValueError(f"Give 2 to {MAX_MODELS} models: ganzoo compare A B. Got {len(names)}.")
    if len(numbers) > MAX_SEEDS:
        raise ValueError(f"--seeds {seeds!r}: a page has room for {MAX_SEEDS} seeds; got {len(numbers)}.")
    refuse_unwritable(out.absolute().parent, "--out")
    keep_freed_memory()
    refuse_device(device)
    # All that is cheap to refuse, before anything is downloaded or computed.
    configs = [config_of(resolve(name), cache_dir) for name in names]
    for name, config in zip(names, configs, strict=True):
        check_label(config, name, label)
    if label is not None and not any(config.label_dim for config in configs):
        raise ValueError("--label: none of these models is conditional.")
    found = groups(read_records(records)) if records is not None else []
    try:
        settings = Settings(tuple(numbers), psi, noise, label)
        comparison = _measure(names, settings, features, runs, device, cache_dir)
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        size = write_page(out, comparison, groups=found, command=command)
    except KeyboardInterrupt:
        raise Interrupted("Interrupted: no page was written.") from None
    count = "1 seed" if len(numbers) == 1 else f"{len(numbers)} seeds"
    typer.echo(f"{len(names)} models, {count}: {out}, {size / 1e6:.2f} MB. It needs no network.")


def _measure(
    names: Sequence[str],
    settings: "Settings",
    features: str,
    runs: int,
    device: str,
    cache_dir: Path | None,
) -> "Comparison":
    """The comparison, with a progress bar for whoever looks."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ganzoo.compare.measure import compare as measure
    from ganzoo.compare.measure import subject
    from ganzoo.features.networks import INCEPTION, load_features
    from ganzoo.models.factory import create, resolve
    from ganzoo.system.progress import progress_console

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=progress_console(), transient=True) as progress:
        task = progress.add_task("Opening", total=None)
        if features == INCEPTION:  # its feature maps are out of reach
            raise ValueError("--features inception measures sets of images; pairs take efficientnet_lite0.")
        network = None
        if features != NO_FEATURES:
            network = load_features(features, cache_dir=cache_dir).to(device)
        subjects = [
            subject(name, create(resolve(name), pretrained=True, device=device, cache_dir=cache_dir))
            for name in names
        ]

        def report(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        return measure(subjects, settings, network=network, runs=runs, report=report)
