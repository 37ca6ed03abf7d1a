"""`ganzoo distill`: train a student from a teacher, or a sweep of students."""

from collections.abc import Iterator
from typing import Annotated

import typer

from ganzoo.cli.options import DryRun, Multirun, PrintSettings
from ganzoo.cli.settings import preset_names, setting_lines
from ganzoo.cli.train import start

DEFAULT_RECIPE = "mobilestylegan"
EXAMPLES = """\
Examples:
  ganzoo distill teacher=my-teacher resolution=256             says what it will cost, then trains
  ganzoo distill mobilestylegan_full teacher=my-teacher kimg=200 optimizer.lr=1e-3 out=runs/first
  ganzoo distill teacher=my-teacher training=debug             a run of a minute: does everything work?
  ganzoo distill -m teacher=my-teacher conv=full,depthwise upsampler=idwt,conv_transpose
  ganzoo distill -m "mobilestylegan*" teacher=my-teacher       recipes with names like that
  ganzoo distill -m … launcher=ray                             needs pip install ".[ray]"
  ganzoo distill -m … launcher=slurm hydra.launcher.partition=gpu          and ".[slurm]"

The same command again goes on with a run that was cut off, and leaves a finished one as it is.
"""


def _show_help(context: typer.Context, asked: bool) -> None:
    if asked:
        typer.echo(context.get_help())
        typer.echo(EXAMPLES)
        typer.echo("\n".join(_settings_help()))
        raise typer.Exit


def distill(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECIPE] [KEY=VALUE]…",
            help=f"A recipe of `ganzoo list`, {DEFAULT_RECIPE} if none is given, and settings.",
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
    """Train a student from a teacher, or a sweep of students."""
    given = list(arguments or [])
    if named := [text for text in given if text.partition("=")[0] == "task"]:
        raise ValueError(f"{named[0]}: this command is short for ganzoo train task=distillation.")
    start(given, "distillation", sweep=multirun, shown=print_settings, dry=dry_run)


def _settings_help() -> Iterator[str]:
    """Blocks, presets, and a line for every setting."""
    from ganzoo.models.catalogue import block_cards

    yield "Blocks, each a kind and its names:"
    for kind, names in sorted(block_cards().items()):
        yield f"  {kind + '=':<38} {', '.join(names)}"
    yield ""
    yield f"Presets: training= {', '.join(preset_names())}. Without one it is cpu or gpu, by the machine;"
    yield "--print shows all settings of a run. Those of training=distillation; of the student (resolution,"
    yield "channels, …), the resolution is the teacher's and the others are the recipe's:"
    yield from setting_lines("distillation")
    yield ""
    yield "Settings of every run, as ganzoo train has them, too:"
    yield from setting_lines("loop")
