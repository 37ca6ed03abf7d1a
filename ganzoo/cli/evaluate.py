"""`ganzoo eval`: quality figures, each with the protocol that it was measured by."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.cli import options
from ganzoo.cli.common import refuse_device
from ganzoo.metrics.seeds import HELD_OUT_SEED, REAL_SEED
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.interruption import Interrupted

if TYPE_CHECKING:
    from ganzoo.metrics.evaluation import EvalRequest
    from ganzoo.metrics.record import Record

_TWIN = "The same for the model of --real."
Name = Annotated[str, typer.Argument(help="A model, its folder, or a folder or zip file of images.")]
Real = Annotated[
    str | None,
    typer.Option(help="What to compare with: images, another model, or statistics saved by --save."),
]
Teacher = Annotated[
    str | None, typer.Option(help="A model to compare with seed by seed: l1, psnr, perceptual.")
]
Metrics = Annotated[
    str | None,
    typer.Option(
        help="Of fd, kid, precision, recall, is, ppl (fd,kid by default; fd against statistics); with "
        "--teacher of l1, psnr, perceptual (all of them)."
    ),
]
Features = Annotated[
    str, typer.Option(help="efficientnet_lite0 to _lite2, inception (FID proper), or a classifier of timm.")
]
Num = Annotated[int, typer.Option(min=2, help="Images of a model; files are measured whole.")]
Seed = Annotated[int, typer.Option(help="Seed of the first image.")]
RealSeed = Annotated[int, typer.Option(help=_TWIN)]
Psi = Annotated[float, options.psi("Truncation: 1 for none.")]
RealPsi = Annotated[float, options.psi(_TWIN)]
Noise = Annotated[str, options.noise("const, random or none.")]
RealNoise = Annotated[str, options.noise(_TWIN)]
Side = Annotated[int | None, options.side("Resize the model's images to it first.")]
RealSide = Annotated[int | None, options.side("Resize those of the --real model.")]
Given = Annotated[str, typer.Option(help="With --teacher: z, or w for the teacher's w in both.")]
Eager = Annotated[bool, typer.Option(help="Do not deploy the model.")]
Resamples = Annotated[int, typer.Option(min=0, help="Bootstrap resamples for the uncertainty.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps …")]
Save = Annotated[Path | None, typer.Option(help="Write the statistics of the images to a .npz.")]
Out = Annotated[Path | None, typer.Option(help="Append the records to a file, one JSON line each.")]
Against = Annotated[
    Path | None, typer.Option(help="Compare with the records of a file, if their protocol is the same.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the records as JSON lines.")]
CacheDir = Annotated[Path | None, typer.Option(help="Where weights and features are kept.")]


def evaluate(
    name: Name,
    real: Real = None,
    teacher: Teacher = None,
    metrics: Metrics = None,
    features: Features = "efficientnet_lite0",
    num: Num = 5000,
    seed: Seed = HELD_OUT_SEED,
    real_seed: RealSeed = REAL_SEED,
    psi: Psi = 1.0,
    real_psi: RealPsi = 1.0,
    noise: Noise = "const",
    real_noise: RealNoise = "const",
    resolution: Side = None,
    real_resolution: RealSide = None,
    given: Given = "z",
    eager: Eager = False,
    resamples: Resamples = 10,
    device: Device = "cpu",
    save: Save = None,
    out: Out = None,
    against: Against = None,
    as_json: Json = False,
    cache_dir: CacheDir = None,
) -> None:
    """Measure a model or images against images, a model or its teacher."""
    from ganzoo.metrics import EvalRequest, Sampling
    from ganzoo.metrics.record import read_records

    request = EvalRequest(
        name, real=real, teacher=teacher, features=features, given=given, resamples=resamples,
        metrics=None if metrics is None else [part.strip() for part in metrics.split(",") if part.strip()],
        sampling=Sampling(
            num=num, seed=seed, truncation_psi=psi, noise=noise, resolution=resolution, eager=eager
        ),
        real_sampling=Sampling(
            num=num, seed=real_seed, truncation_psi=real_psi, noise=real_noise, resolution=real_resolution
        ),
        device=device, save=save, out=out, cache_dir=cache_dir,
        against=None if against is None else read_records(against),
    )  # fmt: skip
    keep_freed_memory()
    refuse_device(device)
    records = _evaluated(request)
    if records is not None:
        _print(request, records, as_json)


def _evaluated(request: "EvalRequest") -> "list[Record] | None":
    """The records, with a progress bar for whoever looks; None for all processes but the main one."""
    from ganzoo.metrics import evaluate as measure
    from ganzoo.metrics.extract import processes
    from ganzoo.system.progress import progress_bar

    try:
        state = processes(request.device)
        with progress_bar(shown=state.is_main_process) as progress:
            task = progress.add_task("Opening", total=None)
            records = measure(
                request,
                report=lambda what, done, total: progress.update(
                    task, description=what, completed=done, total=total or None
                ),
            )
    except KeyboardInterrupt:
        kept = "" if request.teacher else ": the features so far are kept, the same command goes on"
        raise Interrupted(f"Interrupted{kept}.") from None
    finally:  # a process that leaves its group to the interpreter's end may be aborted there
        processes(request.device).destroy_process_group()
    return records if state.is_main_process else None


def _print(request: "EvalRequest", records: "Sequence[Record]", as_json: bool) -> None:
    """The records as a table or as lines, what limits them, and what earlier ones said."""
    from ganzoo.metrics.record import compared

    if as_json:
        for record in records:
            typer.echo(record.to_json())
    elif records:
        _print_table(records)
    if request.save is not None and not as_json:
        typer.echo(f"The statistics are in {request.save}.")
    for record, old in compared(records, request.against) if request.against is not None else []:
        change = record.value - old.value
        typer.echo(
            f"{record.metric}: {old.value:.4g} ({old.fake.get('name')}) before, {change:+.4g} now.",
            err=as_json,
        )


def _print_table(records: "Sequence[Record]") -> None:
    """The figures as a table, with what limits them."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from ganzoo.cli.show import console

    table = Table(box=SIMPLE_HEAD)
    for column in ("metric", "value", "±", "images", "against", "seconds"):
        table.add_column(column)
    for r in records:
        spread = "" if r.uncertainty is None else f"{r.uncertainty:.2g}"
        table.add_row(
            r.metric, f"{r.value:.5g}", spread, str(r.num_fake), str(r.num_real or ""), f"{r.seconds:.0f}"
        )
    console().print(table)
    for warning in dict.fromkeys(w for r in records for w in r.warnings):
        print(f"Note: {warning}.", file=sys.stderr)
