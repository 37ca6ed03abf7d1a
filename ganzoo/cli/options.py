"""Options that several commands share, each checked where it is read, under the name that it has there."""

from typing import Annotated, Any

import typer

from ganzoo.cli.common import parse_side

Multirun = Annotated[
    bool, typer.Option("-m", "--multirun", help="A sweep: a run for every combination of KEY=VALUE,VALUE.")
]
PrintSettings = Annotated[
    bool, typer.Option("--print", "--cfg", help="Print all settings as YAML, and train nothing.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Tell memory, disk and time of the run, and train nothing.")
]


def psi(text: str) -> Any:
    """An option for the psi of a truncation, with its help."""

    def checked(param: typer.CallbackParam, value: float) -> float:
        from ganzoo.generators.sampling import check_psi

        check_psi(value, param.opts[0])
        return value

    return typer.Option(help=text, callback=checked)


def noise(text: str) -> Any:
    """An option for a noise mode, with its help."""

    def checked(param: typer.CallbackParam, value: str) -> str:
        from ganzoo.generators.sampling import check_noise

        check_noise(value, param.opts[0])
        return value

    return typer.Option(help=text, callback=checked)


def side(text: str) -> Any:
    """An option for the side of square images, with its help."""
    return typer.Option(parser=parse_side, metavar="NUMBER", help=text)
