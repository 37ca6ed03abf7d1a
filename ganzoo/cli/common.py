"""What several commands share: lists of seeds, sides of images, and devices."""

import typer

MAX_SEEDS = 100_000


def parse_seeds(text: str, what: str = "--seeds") -> list[int]:
    """Seeds of a list like `0-15` or `1,4,10-12`.

    Raises:
        ValueError: for anything else, a range that runs backwards, or more than 100,000 seeds.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not part.isascii() or not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"{what} {text!r}: {part!r} is neither a number nor a range such as 0-15.")
        start, stop = int(first), int(last) if dash else int(first)
        if stop < start:
            raise ValueError(
                f"{what} {text!r}: the range {part.strip()!r} runs backwards; write {stop}-{start}."
            )
        if stop - start + len(seeds) >= MAX_SEEDS:
            raise ValueError(f"{what} {text!r}: more than {MAX_SEEDS} seeds at once.")
        if stop > 2**32 - 1:
            raise ValueError(f"{what} {text!r}: a seed is at most {2**32 - 1}.")
        seeds += range(start, stop + 1)
    return list(dict.fromkeys(seeds))  # every seed once: an image is a file


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


def refuse_device(device: str) -> None:
    """Raise ValueError for a device that cannot compute here."""
    import torch

    try:
        if torch.empty(0, device=device).is_meta:
            raise RuntimeError("it computes nothing.")
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {device!r} cannot be used here: {str(error).splitlines()[0]}") from error
