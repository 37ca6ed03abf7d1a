"""`ganzoo distill`: train a student from a teacher, or a sweep of students."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from ganzoo.cli.train import start

DEFAULT_RECIPE = "mobilestylegan"
EXAMPLES = """\
Examples:
  ganzoo distill teacher=my-teacher resolution=256             says what it will cost, then trains
  ganzoo distill mobilestylegan_full teacher=my-teacher kimg=200 optimizer.lr=1e-3 out=runs/first
  ganzoo distill teacher=my-teacher training=debug             a run of a minute: does everything work?
  ganzoo distill -m teacher=my-teacher conv=full,depthwise upsampler=idwt,conv_transpose
  ganzoo distill -m "mobilestylegan*" teacher=my-teacher       recipes with names like that
  ganzoo distill -m … launcher=ray                             needs pip install "ganzoo-torch[ray]"
  ganzoo distill -m … launcher=slurm hydra.launcher.partition=gpu          and "ganzoo-torch[slurm]"

The same command again goes on with a run that was cut off, and leaves a finished one as it is.
"""
_KEY = re.compile(r"^( *)(\w+):")
_COMMENT = re.compile(r" # (.*)$")


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
    multirun: Annotated[
        bool,
        typer.Option("-m", "--multirun", help="A sweep: a run for every combination of KEY=VALUE,VALUE."),
    ] = False,
    print_settings: Annotated[
        bool, typer.Option("--print", "--cfg", help="Print all settings as YAML, and train nothing.")
    ] = False,
    help_: Annotated[
        bool,
        typer.Option("-h", "--help", is_eager=True, callback=_show_help, help="Show all settings and exit."),
    ] = False,
) -> None:
    """Train a student from a teacher, or a sweep of students."""
    given = list(arguments or [])
    if named := [text for text in given if text.partition("=")[0] == "task"]:
        raise ValueError(f"{named[0]}: this command is short for ganzoo train task=distillation.")
    start(given, "distillation", sweep=multirun, shown=print_settings)


def _settings_help() -> Iterator[str]:
    """A line for every setting: what it is without being given, and its comment."""
    from omegaconf import OmegaConf

    from ganzoo.models.catalogue import block_cards
    from ganzoo.system.paths import DATA  # without ganzoo.models.recipes, which waits for torch

    path = DATA / "recipes" / "training" / "distillation.yaml"
    shipped = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(shipped, dict)
    shipped.pop("defaults")
    comments: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := _KEY.match(line):
            depth = len(match[1])
            above = [(d, key) for d, key in above if d < depth] + [(depth, match[2])]
            if comment := _COMMENT.search(line):
                comments[".".join(key for _, key in above)] = comment[1]
    yield "Blocks, each a kind and its names:"
    for kind, names in sorted(block_cards().items()):
        yield f"  {kind + '=':<38} {', '.join(names)}"
    yield ""
    presets = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
    yield f"Presets: training= {presets}. Without one it is cpu or gpu, by the machine; --print shows all"
    yield "settings of a run. Those of training=distillation; of the student (resolution, channels, …), the"
    yield "resolution is the teacher's and the others are the recipe's:"
    yield from (f"  {setting:<38} {comment}".rstrip() for setting, comment in _flat(shipped, comments))


def _flat(data: dict[Any, Any], comments: dict[str, str], above: str = "") -> Iterator[tuple[str, str]]:
    """Settings as they are typed, and their comments; one of several settings stands on a line of its own."""
    for name, value in data.items():
        key = f"{above}{name}"
        comment = comments.get(key, "")
        if not isinstance(value, dict):
            yield f"{key}={_typed(value)}", comment
            continue
        within = list(_flat(value, comments, f"{key}."))
        if len(within) == 1:
            within = [(within[0][0], comment)]
        elif comment:
            yield f"{key}.…", comment
        yield from within


def _typed(value: object) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_typed, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "" if value == "???" else f"{value}"
