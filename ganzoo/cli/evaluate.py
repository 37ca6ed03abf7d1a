"""`ganzoo eval`: quality figures, each with the protocol that it was measured by."""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganzoo.cli.common import Interrupted, refuse_unwritable, resolve

if TYPE_CHECKING:
    from ganzoo.metrics.record import Record
    from ganzoo.metrics.sets import Samples

HELD_OUT_SEED = 1_000_000_000  # far from the seeds that people look at and train on
_EXTRA = 'Quality figures need an extra: pip install "ganzoo-torch[eval]".'


def evaluate(
    name: Annotated[str, typer.Argument(help="A model, its folder, or a folder or zip file of pictures.")],
    real: Annotated[
        str | None,
        typer.Option(help="What to compare with: pictures, another model, or statistics saved by --save."),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="A model to compare with seed by seed: l1, psnr, perceptual.")
    ] = None,
    metrics: Annotated[
        str,
        typer.Option(help="Of fd, kid, precision, recall, is, ppl; with --teacher: l1, psnr, perceptual."),
    ] = "fd,kid",
    features: Annotated[
        str, typer.Option(help="efficientnet_lite0, inception (FID proper), or a classifier of timm.")
    ] = "efficientnet_lite0",
    num: Annotated[int, typer.Option(min=2, help="Pictures of a model; files are measured whole.")] = 5000,
    seed: Annotated[int, typer.Option(help="Seed of the first picture.")] = HELD_OUT_SEED,
    real_seed: Annotated[int, typer.Option(help="The same for the model of --real.")] = 2 * HELD_OUT_SEED,
    psi: Annotated[float, typer.Option(help="Truncation: 1 for none.")] = 1.0,
    real_psi: Annotated[float, typer.Option(help="The same for the model of --real.")] = 1.0,
    noise: Annotated[str, typer.Option(help="const, random or none.")] = "const",
    real_noise: Annotated[str, typer.Option(help="The same for the model of --real.")] = "const",
    resolution: Annotated[int | None, typer.Option(help="Resize the model's pictures to it first.")] = None,
    given: Annotated[
        str, typer.Option(help="With --teacher: z, or w for the teacher's styles in both.")
    ] = "z",
    eager: Annotated[bool, typer.Option(help="Do not deploy the model.")] = False,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples for the uncertainty.")] = 10,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps …")] = "cpu",
    save: Annotated[Path | None, typer.Option(help="Write the statistics of the pictures to a .npz.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Append the records to a file, one JSON line each.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare with the records of a file, if their protocol is the same.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON lines.")] = False,
    cache_dir: Annotated[Path | None, typer.Option(help="Where weights and features are kept.")] = None,
) -> None:
    """Measure a model or pictures against pictures, a model or its teacher."""
    wanted = _metrics(metrics, has_teacher=teacher is not None)
    if not math.isfinite(psi) or not math.isfinite(real_psi):
        raise ValueError("--psi is a number such as 0.7.")
    compares = bool({"fd", "kid", "precision", "recall"} & set(wanted))
    if compares and real is None and save is None:
        raise ValueError("Give --real: a folder or zip file of pictures, a model, or a file of statistics.")
    for path, option in ((save, "--save"), (out, "--out")):
        if path is not None:
            refuse_unwritable(path.absolute().parent, option)

    try:
        import accelerate  # noqa: F401
        import torch_fidelity  # noqa: F401
    except ImportError as error:
        raise ImportError(_EXTRA) from error
    from ganzoo.metrics.record import compared, read_records

    before = read_records(against) if against is not None else []
    sampling = {"num": num, "resolution": resolution, "device": device, "cache_dir": cache_dir}
    fake = {"seed": seed, "psi": psi, "noise": noise, "eager": eager}
    other = {"seed": real_seed, "psi": real_psi, "noise": real_noise, "eager": False}
    try:
        records = _measure(
            (name, {**sampling, **fake}),
            (teacher or real, {**sampling, **other}),
            pairs=teacher is not None,
            metrics=wanted,
            features=features,
            given=given,
            resamples=resamples,
            save=save,
        )
    except KeyboardInterrupt:
        raise Interrupted("Interrupted: the features so far are kept, the same command goes on.") from None
    if out is not None:
        with out.open("a", encoding="utf-8") as file:
            file.writelines(record.to_json() + "\n" for record in records)
    if as_json:
        for record in records:
            typer.echo(record.to_json())
    else:
        _print(records)
    for record, old in compared(records, before) if before else []:
        change = record.value - old.value
        typer.echo(f"{record.metric}: {old.value:.4g} ({old.fake['name']}) before, {change:+.4g} now.")


def _metrics(text: str, *, has_teacher: bool) -> list[str]:
    """The metrics of a list.

    Raises:
        ValueError: for one that is unknown, or needs a teacher, or cannot use one.
    """
    from ganzoo.metrics.figures import METRICS
    from ganzoo.metrics.pairs import PAIR_METRICS
    from ganzoo.registry import unknown

    wanted = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    known = list(PAIR_METRICS) if has_teacher else [*METRICS, "ppl"]
    for metric in wanted:
        if metric in PAIR_METRICS and not has_teacher:
            raise ValueError(f"{metric} compares with a teacher, seed by seed: give --teacher.")
        if metric not in known:
            raise ValueError(unknown("metric", metric, known))
    return wanted


def _measure(
    fake: tuple[str, dict[str, Any]],
    other: tuple[str | None, dict[str, Any]],
    *,
    pairs: bool,
    metrics: list[str],
    features: str,
    given: str,
    resamples: int,
    save: Path | None,
) -> "list[Record]":
    """Records of all metrics, of what `fake` names against what `other` names."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ganzoo.metrics import evaluate as ev
    from ganzoo.metrics.features import load_features
    from ganzoo.progress import progress_console

    cache_dir, device = fake[1]["cache_dir"], fake[1]["device"]
    network = load_features(features, cache_dir=cache_dir).to(device)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=progress_console(), transient=True) as progress:
        task = progress.add_task("Opening", total=None)

        def report(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total or None)

        pictures = open_samples(fake[0], **fake[1])
        name, options = other
        reference: Samples | ev.SavedStatistics | None = None
        if name is not None and name.endswith(ev.STATISTICS_SUFFIX):
            reference = ev.SavedStatistics(name)
        elif name is not None:
            reference = open_samples(name, **options)
        if pairs:
            return ev.evaluate_pairs(
                pictures, reference, metrics=metrics, network=network, given=given, report=report
            )
        if reference is None:  # --save alone
            metrics = [metric for metric in metrics if metric in ("is", "ppl")]
        return ev.evaluate(
            pictures,
            reference,
            metrics=metrics,
            network=network,
            resamples=resamples,
            cache_dir=cache_dir,
            save=save,
            report=report,
        )


def open_samples(
    name: str,
    *,
    num: int,
    seed: int,
    psi: float,
    noise: str,
    resolution: int | None,
    eager: bool,
    device: str,
    cache_dir: Path | None,
) -> "Samples":
    """The pictures that a name stands for: a model's, or files."""
    from ganzoo.factory import create, list_models
    from ganzoo.generators.deploy import deploy
    from ganzoo.metrics.sets import FileSamples, GeneratedSamples
    from ganzoo.weights import weights_digest

    path = Path(name)
    is_model = resolve(name) != name or name in list_models() or name.startswith("dir:")
    if not is_model and (path.is_dir() or path.suffix.lower() == ".zip"):
        return FileSamples(path)
    generator = create(resolve(name), pretrained=True, device=device, cache_dir=cache_dir)
    return GeneratedSamples(
        generator if eager else deploy(generator),
        name=name,
        num=num,
        seed=seed,
        truncation_psi=psi,
        noise=noise,
        resolution=resolution,
        sha256=weights_digest(generator),
    )


def _print(records: "list[Record]") -> None:
    """The figures as a table, with what limits them."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from ganzoo.cli.show import console

    table = Table(box=SIMPLE_HEAD)
    for column in ("metric", "value", "±", "pictures", "against", "seconds"):
        table.add_column(column)
    for r in records:
        spread = "" if r.uncertainty is None else f"{r.uncertainty:.2g}"
        table.add_row(
            r.metric, f"{r.value:.5g}", spread, str(r.num_fake), str(r.num_real or ""), f"{r.seconds:.0f}"
        )
    console().print(table)
    for warning in dict.fromkeys(w for r in records for w in r.warnings):
        print(f"Note: {warning}.", file=sys.stderr)
