"""`ganzoo convert`: a foreign checkpoint to a model directory, without running anything in it."""

import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.system.files import refuse_unwritable
from ganzoo.system.interruption import Interrupted

if TYPE_CHECKING:
    from ganzoo.converters.conversion import Conversion
    from ganzoo.converters.layouts import Network

_LICENSE_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.-"


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
    if not license or set(license.lower()) - set(_LICENSE_CHARACTERS):
        raise ValueError(f"--license is an identifier such as apache-2.0 or other; got {license!r}.")

    if not files or not all(files) or not out:
        raise ValueError("Give the checkpoint and the folder for the model: ganzoo convert FILE OUT.")

    from ganzoo.converters.card import CARD_FILE, card_stub
    from ganzoo.converters.conversion import convert_with_account
    from ganzoo.models.golden import GOLDEN_FILE
    from ganzoo.models.weights import CONFIG_FILE, WEIGHTS_FILE, load, save, weights_digest
    from ganzoo.system.files import move_together

    model = Path(out)
    refuse_unwritable(model, "OUT")
    names = (CARD_FILE, CONFIG_FILE, GOLDEN_FILE, WEIGHTS_FILE)
    there = [name for name in names if (model / name).exists()]
    if there and not overwrite:
        raise ValueError(f"{model} holds {', '.join(there)}: choose another folder, or add --overwrite.")
    try:
        conversion = convert_with_account(files, part, key, _settings(assume or []))
        _print(conversion)
        _make(model.parent)
        with tempfile.TemporaryDirectory(dir=model.parent, prefix=f".{model.name}.") as temporary:
            written = Path(temporary)
            save(conversion.module, written)
            card = card_stub(conversion, title=model.absolute().name, license=license.lower())
            (written / CARD_FILE).write_text(card, encoding="utf-8")
            following = _next(model, conversion.module)
            config, digest = conversion.module.config, weights_digest(conversion.module)
            del conversion  # one copy in memory is enough
            again = load(written)
            if again.config != config or weights_digest(again) != digest:
                raise OSError(f"{model}: what was written differs from what was read: is the disk sound?")
            move_together(names, written, model)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {model} was left as it was.") from None
    written_names = [name for name in names if (model / name).exists()]
    typer.echo(f"{', '.join(written_names)} are in {model}, read back and the same, bit for bit.")
    typer.echo(following)


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
    from ganzoo.models.factory import list_models
    from ganzoo.models.recipes import list_recipes
    from ganzoo.system.images import CHANNELS

    name = str(model)
    name = f"dir:{name}" if name in [*list_models(), *list_recipes()] else name
    if not isinstance(module, Generator) or module.img_channels not in CHANNELS:
        return f"Next, in Python: ganzoo.load({str(model)!r})"
    return f"Next: ganzoo generate {shlex.quote(name)}" + (" --label 0" if module.label_dim else "")


def _make(folder: Path) -> None:
    """Make a folder.

    Raises:
        OSError: if it cannot be made or written, with its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"OUT cannot be made in {str(folder)!r}: {error.strerror}.") from error


def _print(conversion: "Conversion") -> None:
    """What was found and what became of it, as a table."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from ganzoo.cli.show import console
    from ganzoo.converters.card import account, others

    config = conversion.module.config
    rows = {
        "format": conversion.format,
        "network": f"{conversion.part}, from {conversion.key}" if conversion.key else conversion.part,
        **({"also there": listed} if (listed := others(conversion)) else {}),
        "resolution": f"{config.resolution} x {config.resolution}, {config.img_channels} channels",
        "widths": ", ".join(map(str, config.level_channels)),
        "labels": str(config.label_dim) if config.label_dim else "none",
        "tensors": "\n".join(account(conversion)),
        **{f"sha256 of {file.name}": file.sha256 for file in conversion.files},
    }
    table = Table(box=SIMPLE_HEAD, show_header=False)
    for key, value in rows.items():
        table.add_row(key, value)
    console().print(table)
