"""`ganzoo eval`: quality figures, each with the protocol that it was measured by."""

import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.cli.common import parse_side, refuse_device
from ganzoo.metrics.seeds import HELD_OUT_SEED
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.interruption import Interrupted

if TYPE_CHECKING:
    from ganzoo.metrics.record import Record
    from ganzoo.metrics.sets import Samples

_REAL_SEED = 2 * HELD_OUT_SEED
_STATISTICS_SUFFIX = ".npz"
_EXTRA = 'Quality figures need an extra: pip install "ganzoo-torch[eval]".'


@dataclass(frozen=True)
class Sampling:
    """How images of a model are made; files are measured whole."""

    num: int
    seed: int
    psi: float = 1.0
    noise: str = "const"
    resolution: int | None = None
    eager: bool = False


def evaluate(
    name: Annotated[str, typer.Argument(help="A model, its folder, or a folder or zip file of images.")],
    real: Annotated[
        str | None,
        typer.Option(help="What to compare with: images, another model, or statistics saved by --save."),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="A model to compare with seed by seed: l1, psnr, perceptual.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Of fd, kid, precision, recall, is, ppl (fd,kid by default; fd against statistics); with "
            "--teacher of l1, psnr, perceptual (all of them)."
        ),
    ] = None,
    features: Annotated[
        str, typer.Option(help="efficientnet_lite0, inception (FID proper), or a classifier of timm.")
    ] = "efficientnet_lite0",
    num: Annotated[int, typer.Option(min=2, help="Images of a model; files are measured whole.")] = 5000,
    seed: Annotated[int, typer.Option(help="Seed of the first image.")] = HELD_OUT_SEED,
    real_seed: Annotated[int, typer.Option(help="The same for the model of --real.")] = _REAL_SEED,
    psi: Annotated[float, typer.Option(help="Truncation: 1 for none.")] = 1.0,
    real_psi: Annotated[float, typer.Option(help="The same for the model of --real.")] = 1.0,
    noise: Annotated[str, typer.Option(help="const, random or none.")] = "const",
    real_noise: Annotated[str, typer.Option(help="The same for the model of --real.")] = "const",
    resolution: Annotated[
        int | None,
        typer.Option(parser=parse_side, metavar="NUMBER", help="Resize the model's images to it first."),
    ] = None,
    real_resolution: Annotated[
        int | None,
        typer.Option(parser=parse_side, metavar="NUMBER", help="Resize those of the --real model."),
    ] = None,
    given: Annotated[
        str, typer.Option(help="With --teacher: z, or w for the teacher's styles in both.")
    ] = "z",
    eager: Annotated[bool, typer.Option(help="Do not deploy the model.")] = False,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples for the uncertainty.")] = 10,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps …")] = "cpu",
    save: Annotated[Path | None, typer.Option(help="Write the statistics of the images to a .npz.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Append the records to a file, one JSON line each.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare with the records of a file, if their protocol is the same.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON lines.")] = False,
    cache_dir: Annotated[Path | None, typer.Option(help="Where weights and features are kept.")] = None,
) -> None:
    """Measure a model or images against images, a model or its teacher."""
    sampling = Sampling(num, seed, psi, noise, resolution, eager)
    real_sampling = Sampling(num, real_seed, real_psi, real_noise, real_resolution)
    _refuse_clashes(teacher, real, save, sampling, real_sampling)
    wanted = _metrics(metrics, _default(teacher, real, save))
    if not math.isfinite(psi) or not math.isfinite(real_psi):
        raise ValueError("--psi is a number such as 0.7.")
    if {"fd", "kid", "precision", "recall"} & set(wanted) and real is None:
        raise ValueError("Give --real: a folder or zip file of images, a model, or a file of statistics.")
    if save is not None and save.suffix != _STATISTICS_SUFFIX:
        raise ValueError(f"--save ends in {_STATISTICS_SUFFIX}; got {str(save)!r}.")
    for path, option in ((save, "--save"), (out, "--out")):
        if path is not None:
            refuse_unwritable(path.absolute().parent, option)
            if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
                raise OSError(f"{option} {str(path)!r} cannot be written: it is no writable file.")

    try:
        import accelerate  # noqa: F401
        import torch_fidelity  # noqa: F401
    except ImportError as error:
        raise ImportError(_EXTRA) from error
    from ganzoo.metrics.extract import processes
    from ganzoo.metrics.record import compared, read_records

    keep_freed_memory()
    refuse_device(device)
    before = read_records(against) if against is not None else None
    try:
        records = _measure(
            (name, sampling),
            (teacher or real, real_sampling),
            pairs=teacher is not None,
            metrics=wanted,
            features=features,
            given=given,
            resamples=resamples,
            save=save,
            against=before,
            device=device,
            cache_dir=cache_dir,
        )
    except KeyboardInterrupt:
        kept = "" if teacher else ": the features so far are kept, the same command goes on"
        raise Interrupted(f"Interrupted{kept}.") from None
    finally:  # a process that leaves its group to the interpreter's end may be aborted there
        processes(device).destroy_process_group()
    if not processes(device).is_main_process:
        return
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a", encoding="utf-8") as file:
            file.writelines(record.to_json() + "\n" for record in records)
    if as_json:
        for record in records:
            typer.echo(record.to_json())
    elif records:
        _print(records)
    if save is not None and not as_json:
        typer.echo(f"The statistics are in {save}.")
    for record, old in compared(records, before) if before is not None else []:
        change = record.value - old.value
        typer.echo(
            f"{record.metric}: {old.value:.4g} ({old.fake.get('name')}) before, {change:+.4g} now.",
            err=as_json,
        )


def _refuse_clashes(
    teacher: str | None,
    real: str | None,
    save: Path | None,
    sampling: Sampling,
    real_sampling: Sampling,
) -> None:
    """Raise ValueError for options that would go unheard."""
    if teacher is not None:
        if real is not None:
            raise ValueError("Give --teacher or --real: they ask for different figures.")
        if save is not None:
            raise ValueError("--save keeps the statistics of images; with --teacher there are none.")
        if sampling.resolution is not None:
            raise ValueError("--teacher compares at the student's own resolution: leave out --resolution.")
    if real is None and real_sampling != Sampling(sampling.num, _REAL_SEED):
        raise ValueError(
            "--real-seed, --real-psi, --real-noise and --real-resolution are of the model of --real, which "
            "is not given; a teacher takes those of the student."
        )


def _default(teacher: str | None, real: str | None, save: Path | None) -> tuple[str, ...]:
    """What is measured if nothing is said."""
    if teacher is not None:
        return ("l1", "psnr", "perceptual")
    if real is None:
        return () if save is not None else ("fd", "kid")
    return ("fd",) if real.endswith(_STATISTICS_SUFFIX) else ("fd", "kid")


def _metrics(text: str | None, default: tuple[str, ...]) -> list[str]:
    """The metrics of a list.

    Raises:
        ValueError: for one that is unknown, or needs a teacher, or cannot use one.
    """
    from ganzoo.metrics.figures import METRICS
    from ganzoo.metrics.pairs import PAIR_METRICS
    from ganzoo.system.validation import unknown

    if text is None:
        return list(default)
    wanted = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    has_teacher = default == PAIR_METRICS
    known = list(PAIR_METRICS) if has_teacher else [*METRICS, "ppl"]
    if not wanted:
        raise ValueError(f"--metrics is a list such as fd,kid, of {', '.join(known)}; got {text!r}.")
    for metric in wanted:
        if metric in PAIR_METRICS and not has_teacher:
            raise ValueError(f"{metric} compares with a teacher, seed by seed: give --teacher.")
        if metric not in known:
            raise ValueError(unknown("metric", metric, known))
    return wanted


def _measure(
    fake: tuple[str, Sampling],
    other: tuple[str | None, Sampling],
    *,
    pairs: bool,
    metrics: list[str],
    features: str,
    given: str,
    resamples: int,
    save: Path | None,
    against: "list[Record] | None",
    device: str,
    cache_dir: Path | None,
) -> "list[Record]":
    """Records of all metrics, of what `fake` names against what `other` names."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ganzoo.features.networks import load_features
    from ganzoo.metrics import evaluate as ev
    from ganzoo.metrics.extract import processes
    from ganzoo.metrics.saved import SavedStatistics
    from ganzoo.system.progress import progress_console

    for asked in filter(None, (fake[0], other[0])):
        _refuse_absent(asked)  # before anything is fetched
    state = processes(device)  # first: it tells every process which accelerator "cuda" is
    text = TextColumn("{task.description}", markup=False)  # names may hold brackets
    columns = (text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    network = None
    if not pairs or "perceptual" in metrics:
        with state.main_process_first():  # what is downloaded is downloaded once
            network = load_features(features, cache_dir=cache_dir).to(device)
    with Progress(
        *columns, console=progress_console(), transient=True, disable=not state.is_main_process
    ) as progress:
        task = progress.add_task("Opening", total=None)

        def report(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total or None)

        name, sampling = other
        reference: Samples | SavedStatistics | None = None
        if name is not None and name.endswith(_STATISTICS_SUFFIX):
            reference = SavedStatistics(name)
        with state.main_process_first():
            images = open_samples(*fake, device=device, cache_dir=cache_dir)
            if name is not None and reference is None:
                reference = open_samples(name, sampling, device=device, cache_dir=cache_dir)
        if pairs or network is None:
            return ev.evaluate_pairs(
                images,
                reference,
                metrics=metrics,
                network=network,
                given=given,
                against=against,
                report=report,
            )
        return ev.evaluate(
            images,
            reference,
            metrics=metrics,
            network=network,
            resamples=resamples,
            cache_dir=cache_dir,
            save=save,
            against=against,
            report=report,
        )


def _refuse_absent(name: str) -> None:
    """Raise ValueError or OSError for a name that is neither a model nor a file; fetches nothing."""
    from ganzoo.models.factory import DIR, config_of, resolve
    from ganzoo.models.hub_names import is_hub_name
    from ganzoo.system.paths import missing, user_path

    path = user_path(name.removeprefix(DIR))
    if path.suffix.lower() in (".zip", _STATISTICS_SUFFIX):
        if not path.exists():
            raise FileNotFoundError(missing(name))
    elif not path.is_dir() and not is_hub_name(name):
        config_of(resolve(name))


def open_samples(name: str, sampling: Sampling, *, device: str, cache_dir: Path | None) -> "Samples":
    """The images that a name stands for: a model's, or files."""
    from ganzoo.generators.deploy import deploy
    from ganzoo.metrics.sets import FileSamples, GeneratedSamples
    from ganzoo.models.factory import DIR, create, list_models, resolve
    from ganzoo.models.folders import find_model
    from ganzoo.models.hub_names import is_hub_name
    from ganzoo.models.weights import weights_digest

    path = Path(name.removeprefix(DIR))
    is_model = find_model(path) is not None or name in list_models() or is_hub_name(name)
    if not is_model and (path.is_dir() or path.suffix.lower() == ".zip"):
        return FileSamples(path)
    generator = create(resolve(name), pretrained=True, device=device, cache_dir=cache_dir)
    return GeneratedSamples(
        generator if sampling.eager else deploy(generator),
        name=name,
        num=sampling.num,
        seed=sampling.seed,
        truncation_psi=sampling.psi,
        noise=sampling.noise,
        resolution=sampling.resolution,
        sha256=weights_digest(generator),
    )


def _print(records: "list[Record]") -> None:
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
