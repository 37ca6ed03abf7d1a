"""Rows of w by name: coarse, middle and fine, as StyleGAN divides them (Karras et al. 2019, section 3.1)."""

from ganzoo.generators.config import GeneratorConfig
from ganzoo.latent.direction import Rows
from ganzoo.system.validation import unknown

# Smallest and largest side of the features that the rows act on.
RANGES = {"coarse": (0, 8), "middle": (16, 32), "fine": (64, 1 << 30)}
HELP = "coarse (up to 8 pixels), middle (16 and 32), fine (from 64), or rows of w such as 0-7"


def rows_of(text: str, config: GeneratorConfig, what: str = "rows") -> Rows:
    """The first row of w and the one after the last that a text means for a generator.

    Args:
        text: Name in `RANGES`, a row such as `4`, or rows such as `0-7`, the last one included.
        config: Config of the generator.
        what: Name of the value for messages, such as `--rows`.

    Raises:
        ValueError: for another text, rows that the generator does not have, or a name where it has none of
            that size.
    """
    if text in RANGES:
        low, high = RANGES[text]
        found = [row for row, side in enumerate(config.row_sides) if low <= side <= high]
        if not found:
            raise ValueError(
                f"{what}: this model has no {text} rows: say them by numbers, 0-{config.num_ws - 1}."
            )
        return found[0], found[-1] + 1
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()) or not text.isascii():
        raise ValueError(f"{unknown(what, text, RANGES)} Or rows by their numbers, such as 0-7.")
    start, stop = int(first), int(last or first) + 1
    if not start < stop <= config.num_ws:
        raise ValueError(f"{what} {text!r}: this model has the rows 0-{config.num_ws - 1}.")
    return start, stop
