"""What several commands share: lists of seeds, sides of images, and devices."""

from typing import TYPE_CHECKING

import typer

from ganzoo.system.seeds import parse_seeds as parse_seeds

if TYPE_CHECKING:
    from ganzoo.generators.sampling import Label


def parse_side(text: str) -> int:
    """Side of square images, of an option's text.

    Raises:
        typer.BadParameter: for anything but a whole number, such as 512x320.
    """
    if not text.isascii() or not text.isdecimal():
        raise typer.BadParameter(
            f"{text!r} is no whole number: images are square, so one number such as 512 says both sides."
        )
    return int(text)


def parse_label(text: str) -> "Label":
    """Class of an option's text, or a mix of classes.

    Raises:
        typer.BadParameter: for any other text.
    """
    from ganzoo.generators.sampling import parse_label

    try:
        return parse_label(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def refuse_device(device: str) -> None:
    """Raise ValueError for a device that cannot compute here."""
    import torch

    try:
        if torch.empty(0, device=device).is_meta:
            raise RuntimeError("it computes nothing.")
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {device!r} cannot be used here: {str(error).splitlines()[0]}") from error
