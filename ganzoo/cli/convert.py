"""`ganzoo convert`: a foreign checkpoint to a model directory, without running anything in it; and back."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganzoo.system.interruption import Interrupted

if TYPE_CHECKING:
    from ganzoo.converters.conversion import Conversion
    from ganzoo.converters.layouts import Network

_UNKNOWN = "unknown"
Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE",
        help="A checkpoint: .pkl, .pt, .pth, .model, .ckpt (of a MobileStyleGAN teacher: both files), "
        ".safetensors; or a folder: of a BigGAN, of OpenVINO files, of an unpacked .pt. With --to: a model.",
    ),
]
Out = Annotated[
    str,
    typer.Argument(
        metavar="OUT",
        help="Folder for the model, made if need be. With --to: a file.",
        show_default=False,
    ),
]
Assume = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="A setting that the file does not record, such as clamp=none; `convert` prints all that it "
        "assumed. May be repeated. With --to, clamp=none leaves out a clamp that no image reaches.",
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        metavar="LAYOUT",
        help="The other way, a model to a file for other code: rosinality (.pt) or nvidia (.pt or "
        ".safetensors, with a .json).",
    ),
]


def convert(
    files: Files = None,
    out: Out = "",
    part: Annotated[
        str | None,
        typer.Option(
            help="Which network: generator_ema, student, teacher, generator or discriminator. Default: the "
            "first of these that the file has."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Place of the network in the file, such as state_dict.generator_ema."),
    ] = None,
    assume: Assume = None,
    license: Annotated[
        str, typer.Option("--license", help="License of the weights, for the card, as the Hub spells it.")
    ] = _UNKNOWN,
    overwrite: Annotated[bool, typer.Option(help="Replace what is there.")] = False,
    to: To = None,
    discriminator: Annotated[
        str | None, typer.Option(metavar="DIR", help="With --to: a discriminator for the same file.")
    ] = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")] = None,
) -> None:
    """Turn a checkpoint into config.json, model.safetensors and a card. Nothing in the file is run.

    With --to, turn a model into a checkpoint.
    """
    if to is not None:
        reading = {"--part": part, "--key": key, "--license": None if license == _UNKNOWN else license}
        if given := [option for option, value in reading.items() if value is not None]:
            raise ValueError(f"{given[0]} is for a checkpoint that is read: leave it out with --to.")
        _write(files or [], out, to, discriminator, _settings(assume or []), overwrite, cache_dir)
        return
    if discriminator is not None:
        raise ValueError("--discriminator is for --to; --part discriminator reads one of a checkpoint.")
    if not files or not all(files) or not out:
        raise ValueError("Give the checkpoint and the folder for the model: ganzoo convert FILE OUT.")

    from ganzoo.cards.saving import place_for_model, save_conversion
    from ganzoo.converters.conversion import convert_with_account

    model = place_for_model(out, license=license, overwrite=overwrite)
    try:
        conversion = convert_with_account(files, part, key, _settings(assume or []))
        _print(conversion)
        written = save_conversion(conversion, model, license=license, overwrite=overwrite)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {model} was left as it was.") from None
    typer.echo(f"{', '.join(written)} are in {model}, read back and the same, bit for bit.")
    typer.echo(_next(model, conversion.module))


def _write(
    names: list[str],
    out: str,
    to: str,
    discriminator: str | None,
    assume: dict[str, Any],
    overwrite: bool,
    cache_dir: Path | None,
) -> None:
    """A model to a file in the layout of other code."""
    from ganzoo.converters.outgoing.assumed import refuse_misfits
    from ganzoo.converters.outgoing.writing import place_for_file, write
    from ganzoo.generators.config import GeneratorConfig
    from ganzoo.models.reference import Folder, reference
    from ganzoo.models.weights import load
    from ganzoo.system.paths import user_path
    from ganzoo.system.progress import stage

    if len(names) != 1 or not names[0] or not out:
        raise ValueError("Give one model and the file: ganzoo convert MODEL OUT --to LAYOUT.")
    file = place_for_file(out, to, overwrite=overwrite)
    model = reference(names[0], cache_dir)
    config = model.module_config if isinstance(model, Folder) else model.config()
    refuse_misfits(config, to, assume)
    judge = None
    if discriminator is not None:
        judge = Folder(discriminator, user_path(discriminator), None)
        is_pair = isinstance(config, GeneratorConfig) and not isinstance(judge.module_config, GeneratorConfig)
        if not is_pair:
            raise ValueError("Give the generator first, and its discriminator by --discriminator.")
        refuse_misfits(judge.module_config, to, assume)
    try:
        with stage(f"Opening {model}"):
            module = load(model.folder) if isinstance(model, Folder) else model.load()
            other = None if judge is None else load(judge.folder)
        written = write(module, file, to, discriminator=other, assume=assume, overwrite=overwrite)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {file} was left as it was.") from None
    held = ", ".join(f"{key} ({n} tensors)" if n > 1 else key for key, n in written.tensors.items())
    typer.echo(f"{' and '.join(map(str, written.files))}: {held}, read back and the same, bit for bit.")
    for note in written.notes:
        typer.echo(note)


def _settings(given: list[str]) -> dict[str, str | float | None]:
    """The settings of `--assume`: numbers as numbers, "none" as None.

    Raises:
        ValueError: for anything but NAME=VALUE.
    """
    settings: dict[str, str | float | None] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not name or not equals or not value:
            raise ValueError(f"--assume takes NAME=VALUE, such as clamp=none; got {item!r}.")
        try:
            number = float(value)
            settings[name] = int(number) if number.is_integer() else number
        except ValueError:
            settings[name] = None if value.lower() == "none" else value
    return settings


def _next(model: Path, module: "Network") -> str:
    """What to do with the model next."""
    from ganzoo.generators.generator import Generator
    from ganzoo.models.reference import Folder, reference
    from ganzoo.system.images import CHANNELS

    name = str(model)
    name = name if isinstance(reference(name), Folder) else f"dir:{name}"
    if not isinstance(module, Generator) or module.img_channels not in CHANNELS:
        return f"Next, in Python: ganzoo.load({str(model)!r})"
    return f"Next: ganzoo generate {shlex.quote(name)}" + (" --label 0" if module.label_dim else "")


def _print(conversion: "Conversion") -> None:
    """What was found and what became of it, as a table."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from ganzoo.cli.show import console
    from ganzoo.converters.account import account, others

    config = conversion.module.config
    widths = ", ".join(map(str, config.level_channels))
    rows = {
        "format": conversion.format,
        "network": f"{conversion.part}, from {conversion.key}" if conversion.key else conversion.part,
        **({"also there": listed} if (listed := others(conversion)) else {}),
        "resolution": f"{config.resolution} x {config.resolution}, {config.img_channels} channels",
        **({"widths": widths} if widths else {}),
        "labels": str(config.label_dim) if config.label_dim else "none",
        "tensors": "\n".join(account(conversion)),
        **{f"sha256 of {file.name}": file.sha256 for file in conversion.files},
    }
    table = Table(box=SIMPLE_HEAD, show_header=False)
    for key, value in rows.items():
        table.add_row(key, value)
    console().print(table)
