"""`ganzoo convert`: a foreign checkpoint to a model directory, without running anything in it."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.system.interruption import Interrupted

if TYPE_CHECKING:
    from ganzoo.converters.conversion import Conversion
    from ganzoo.converters.layouts import Network


def convert(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="An NVIDIA .pkl, a .pt or .safetensors with a StyleGAN2, a MobileStyleGAN .ckpt (of a "
            "teacher: both files), or a folder: of OpenVINO files, or of an unpacked .pt.",
        ),
    ] = None,
    out: Annotated[
        str, typer.Argument(metavar="OUT", help="Folder for the model; made if need be.", show_default=False)
    ] = "",
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
    assume: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A setting that a state dict does not record. Of NVIDIA's networks: activation, clamp, "
            "mapping_activation, lr_multiplier, group_size; of mmagic's: colors (rgb, bgr). May be repeated.",
        ),
    ] = None,
    license: Annotated[
        str, typer.Option("--license", help="License of the weights, for the card, as the Hub spells it.")
    ] = "unknown",
    overwrite: Annotated[bool, typer.Option(help="Replace the model that the folder holds.")] = False,
) -> None:
    """Turn a checkpoint into config.json, model.safetensors and a card. Nothing in the file is run."""
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
