"""`ganzoo train`: train by any task, or a sweep of such runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.cli.options import DryRun, Multirun, PrintSettings
from ganzoo.cli.results import results
from ganzoo.cli.settings import preset_names, setting_lines
from ganzoo.system.allocator import keep_freed_memory

if TYPE_CHECKING:
    from ganzoo.training.jobs import Plan

EXAMPLES = """\
Examples:
  ganzoo train stylegan2 data=photos/ resolution=64 kimg=200 out=runs/mine
  ganzoo train stylegan2 data=photos/ resolution=64 training=projected         judged by a trained network
  ganzoo train data=photos/ init=my-model ada.kimg=100                         goes on from a trained network
  ganzoo train teacher=my-teacher resolution=256                               as ganzoo distill
  ganzoo train -m stylegan2 data=photos/ resolution=64 penalty.r1=0.1,1,10     a sweep
  ganzoo train task=encoder teacher=my-teacher                                 images to w, for ganzoo project
  ganzoo train task=mine size=3 kimg=10                                        a task of a plug-in

data= trains from images, teacher= distils; any other task is named by task=. ganzoo train … --print shows all
settings of a run, --dry-run says what it will cost; ganzoo distill --help explains those of distillation.
The same command again goes on with a run that was cut off, and leaves a finished one as it is.
"""


def _show_help(context: typer.Context, asked: bool) -> None:
    if asked:
        typer.echo(context.get_help())
        typer.echo(EXAMPLES)
        typer.echo("\n".join(["Settings of every run:", *setting_lines("loop"), ""]))
        presets = ", ".join(preset_names("adversarial"))
        typer.echo(f"Training from images, by training= one of {presets}:")
        typer.echo("\n".join(setting_lines("adversarial")))
        raise typer.Exit


def train(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECIPE] [KEY=VALUE]…",
            help="A recipe of `ganzoo list`, for a task that trains one; and settings.",
        ),
    ] = None,
    multirun: Multirun = False,
    print_settings: PrintSettings = False,
    dry_run: DryRun = False,
    help_: Annotated[
        bool,
        typer.Option("-h", "--help", is_eager=True, callback=_show_help, help="Show all settings and exit."),
    ] = False,
) -> None:
    """Train from images, distil a teacher, or train by a task of a plug-in."""
    given = list(arguments or [])
    task = _task_of(given)
    given = [text for text in given if text.partition("=")[0] != "task"]
    start(given, task, sweep=multirun, shown=print_settings, dry=dry_run)


def _task_of(given: Sequence[str]) -> str:
    """The task that is named, or the only one that learns from what is given."""
    from ganzoo.training.tasks import options_of, task_names

    keys = [text.partition("=")[0] for text in given]
    named = [text.partition("=")[2] for key, text in zip(keys, given, strict=True) if key == "task"]
    if len(named) > 1:
        raise ValueError(f"task is given twice: task=NAME. Choose from: {', '.join(task_names())}.")
    if named:
        return named[0]
    fitting = [name for name in task_names() if {*options_of(name).sources} & {*keys}]
    if len(fitting) > 1:
        told = " and ".join(f"{key}=" for key in keys if any(key in options_of(n).sources for n in fitting))
        raise ValueError(f"{told} are of different tasks, {' and '.join(fitting)}: give one of them.")
    if not fitting:
        raise ValueError(
            "What is learnt from is missing: data=FOLDER trains from images, teacher=MODEL distils; "
            f"task=NAME names any other task. Choose from: {', '.join(task_names())}."
        )
    return fitting[0]


def start(given: Sequence[str], task: str, *, sweep: bool, shown: bool, dry: bool) -> None:
    """Train, or show settings, as a command line asks.

    Args:
        given: A recipe, or none, and settings.
        task: Name of the task.
        sweep: Whether there may be several runs.
        shown: Whether settings are printed and nothing is trained.
        dry: Whether the cost is told and nothing is trained.
    """
    from ganzoo.training.compose import plan

    recipe = given[0] if given and "=" not in given[0] else None
    settings = given if recipe is None else given[1:]
    found = plan(recipe, settings, task=task, sweep=sweep, complete=not shown)
    if shown:
        _print(found)
    elif dry:
        if sweep:
            raise ValueError("--dry-run is about one run: leave out -m.")
        _dry(found)
    elif sweep:
        _sweep(found)
    else:
        _run(found)


def _run(found: "Plan") -> None:
    """One run, in this process."""
    from ganzoo.training.results import read_result, summary
    from ganzoo.training.run import carry_out

    keep_freed_memory()
    _tell(found)
    folder = carry_out(found.jobs[0])
    typer.echo(f"{folder}: {summary(read_result(folder))}")


def _dry(found: "Plan") -> None:
    """What one run would cost."""
    from ganzoo.training.run import carry_out

    keep_freed_memory()
    _tell(found)
    carry_out(found.jobs[0], dry=True)


def _sweep(found: "Plan") -> None:
    """All jobs, and then the tables of those that ended well."""
    from ganzoo.training.compose import launch

    _tell(found)
    outcomes = launch(found)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if len(failed) < len(outcomes):
        results(found.folder)
    if failed:
        names: dict[str, list[str]] = {}
        for outcome in failed:
            names.setdefault(str(outcome.error), []).append(outcome.name)
        told = " ".join(f"{', '.join(those)}: {error}" for error, those in names.items())
        raise ValueError(f"{len(failed)} of {len(outcomes)} jobs failed. {told}")


def _tell(found: "Plan") -> None:
    """Where the settings come from that are not given."""
    for line in dict.fromkeys(job.told for job in found.jobs if job.told):
        typer.echo(line, err=True)


def _print(found: "Plan") -> None:
    """The settings of every job as a YAML document."""
    from omegaconf import OmegaConf

    for job in found.jobs:
        if len(found.jobs) > 1:
            typer.echo("---")
        typer.echo(OmegaConf.to_yaml(job.data), nl=False)
