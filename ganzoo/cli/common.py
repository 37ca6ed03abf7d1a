"""What several commands share: lists of seeds, sides of images, and devices."""

import math
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


def parse_place(translate: str | None, rotate: float | None) -> tuple[tuple[float, float], float]:
    """Shift along x and y, and degrees, of the options --translate and --rotate.

    Raises:
        ValueError: for anything but two numbers and one, all finite.
    """
    try:
        numbers = [float(part) for part in (translate or "0,0").split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 2 or not all(map(math.isfinite, numbers)):
        raise ValueError(
            f"--translate is two numbers such as 0.1,-0.2, to the right and down; got {translate!r}."
        )
    if rotate is not None and not math.isfinite(rotate):
        raise ValueError(f"--rotate is a number of degrees such as 45; got {rotate}.")
    return (numbers[0], numbers[1]), rotate or 0.0


def refuse_device(device: str) -> None:
    """Raise ValueError for a device that cannot compute here."""
    import torch

    try:
        if torch.empty(0, device=device).is_meta:
            raise RuntimeError("it computes nothing.")
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {device!r} cannot be used here: {str(error).splitlines()[0]}") from error
