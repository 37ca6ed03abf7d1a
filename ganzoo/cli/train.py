"""`ganzoo train`: train by any task, or a sweep of such runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.cli.options import Multirun, PrintSettings
from ganzoo.cli.results import results
from ganzoo.cli.settings import setting_lines
from ganzoo.system.allocator import keep_freed_memory

if TYPE_CHECKING:
    from ganzoo.training.jobs import Plan

EXAMPLES = """\
Examples:
  ganzoo train task=distillation teacher=my-teacher            as ganzoo distill teacher=my-teacher
  ganzoo train mobilestylegan task=distillation teacher=my-teacher kimg=200 out=runs/first
  ganzoo train task=mine size=3 kimg=10                        a task of a plug-in, with an option of its own
  ganzoo train -m task=mine size=3,4,5                         a sweep

ganzoo train task=NAME --print shows all settings of a task; ganzoo distill --help explains its own.
The same command again goes on with a run that was cut off, and leaves a finished one as it is.
"""


def _show_help(context: typer.Context, asked: bool) -> None:
    if asked:
        typer.echo(context.get_help())
        typer.echo(EXAMPLES)
        typer.echo("\n".join(["Settings of every run:", *setting_lines("loop")]))
        raise typer.Exit


def train(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECIPE] task=NAME [KEY=VALUE]…",
            help="A recipe of `ganzoo list`, for a task that trains one; the task; and settings.",
        ),
    ] = None,
    multirun: Multirun = False,
    print_settings: PrintSettings = False,
    help_: Annotated[
        bool,
        typer.Option("-h", "--help", is_eager=True, callback=_show_help, help="Show all settings and exit."),
    ] = False,
) -> None:
    """Train by a task, or a sweep of such runs."""
    given = list(arguments or [])
    tasks = [text.partition("=")[2] for text in given if text.partition("=")[0] == "task"]
    if len(tasks) != 1:
        from ganzoo.training.tasks import task_names

        what = "task is missing" if not tasks else "task is given twice"
        raise ValueError(f"{what}: task=NAME. Choose from: {', '.join(task_names())}.")
    given = [text for text in given if text.partition("=")[0] != "task"]
    start(given, tasks[0], sweep=multirun, shown=print_settings)


def start(given: Sequence[str], task: str, *, sweep: bool, shown: bool) -> None:
    """Train, or show settings, as a command line asks.

    Args:
        given: A recipe, or none, and settings.
        task: Name of the task.
        sweep: Whether there may be several runs.
        shown: Whether settings are printed and nothing is trained.
    """
    from ganzoo.training.compose import plan

    recipe = given[0] if given and "=" not in given[0] else None
    settings = given if recipe is None else given[1:]
    found = plan(recipe, settings, task=task, sweep=sweep, complete=not shown)
    if shown:
        _print(found)
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
