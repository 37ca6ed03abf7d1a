"""What several commands share: model names as users type them, lists of seeds, the end by Ctrl-C."""

import os
import tempfile
from pathlib import Path

MAX_SEEDS = 100_000


class Interrupted(Exception):
    """The user pressed Ctrl-C; the message says what was kept."""


def resolve(name: str) -> str:
    """A name for `create`; the folder of a model may be given by its bare path."""
    from ganzoo.factory import list_models
    from ganzoo.recipes import list_recipes

    if name in [*list_models(), *list_recipes()]:
        return name
    is_model = os.path.isfile(os.path.join(name, "config.json"))  # noqa: PTH113, PTH118 - a Path refuses long names
    return f"dir:{name}" if is_model else name


def parse_seeds(text: str) -> list[int]:
    """Seeds of a list like `0-15` or `1,4,10-12`.

    Raises:
        ValueError: for anything else, a range that runs backwards, or more than 100,000 seeds.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not part.isascii() or not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"--seeds {text!r}: {part!r} is neither a number nor a range such as 0-15.")
        start, stop = int(first), int(last) if dash else int(first)
        if stop < start:
            raise ValueError(
                f"--seeds {text!r}: the range {part.strip()!r} runs backwards; write {stop}-{start}."
            )
        if stop - start + len(seeds) >= MAX_SEEDS:
            raise ValueError(f"--seeds {text!r}: more than {MAX_SEEDS} seeds at once.")
        if stop > 2**32 - 1:
            raise ValueError(f"--seeds {text!r}: a seed is at most {2**32 - 1}.")
        seeds += range(start, stop + 1)
    return list(dict.fromkeys(seeds))  # every seed once: a picture is a file


def refuse_unwritable(out: Path, what: str) -> None:
    """Raise OSError if the folder cannot be made or written, before anything is downloaded or computed."""
    existing = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise OSError(f"{what} {str(out)!r} cannot be written: {existing} is no writable folder.")
    if existing == out:
        try:
            with tempfile.TemporaryFile(dir=out):  # rights alone do not tell: the disk may be read-only
                pass
        except OSError as error:
            raise OSError(f"{what} {str(out)!r} cannot be written: {error.strerror}.") from error


def refuse_device(device: str) -> None:
    """Raise ValueError for a device that cannot compute here."""
    import torch

    try:
        if torch.empty(0, device=device).is_meta:
            raise RuntimeError("it computes nothing.")
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {device!r} cannot be used here: {str(error).splitlines()[0]}") from error
