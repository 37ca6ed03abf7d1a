"""Options that several commands share, each checked where it is read, under the name that it has there."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ganzoo.cli.common import parse_label, parse_side

Multirun = Annotated[
    bool, typer.Option("-m", "--multirun", help="A sweep: a run for every combination of KEY=VALUE,VALUE.")
]
PrintSettings = Annotated[
    bool, typer.Option("--print", "--cfg", help="Print all settings as YAML, and train nothing.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Tell memory, disk and time of the run, and train nothing.")
]

SavedW = Annotated[
    Path | None,
    typer.Option("--w", help="Saved w instead of seeds: a file of --save-w or `ganzoo project`."),
]
OtherMapping = Annotated[
    bool, typer.Option("--other-mapping", help="Take w that were made with another mapping network.")
]
Cutoff = Annotated[int | None, typer.Option(help="Truncate this many rows of w only.")]
# Any: what it is parsed to, a class or a mix of classes, is no type that Typer knows
Label = Annotated[
    Any,
    typer.Option(
        parser=parse_label,
        metavar="CLASS",
        help="Class of a conditional model, such as 3, or a mix such as 3:0.5,7:0.5.",
    ),
]
ZLimit = Annotated[
    float | None,
    typer.Option(help="Cut the numbers of latents off at this many deviations; BigGAN's way is 2."),
]
Centers = Annotated[
    int | None,
    typer.Option(help="Truncate each w towards the nearest of so many centers, such as 64: more variety."),
]
Runtime = Annotated[
    str,
    typer.Option(
        help="torch, compiled (PyTorch, after a minute), openvino, onnxruntime, litert, executorch, or auto."
    ),
]
Precision = Annotated[
    str, typer.Option(help="fp32, bf16, fp16, int8, as the runtime has them; auto: the fastest here.")
]


def psi(text: str) -> Any:
    """An option for the psi of a truncation, with its help."""

    def checked(param: typer.CallbackParam, value: float | None) -> float | None:
        from ganzoo.generators.sampling import check_psi

        if value is not None:
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
