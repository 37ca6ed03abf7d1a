"""Lists of seeds as people write them: `0-15`, or `1,4,10-12`."""

MAX_SEEDS = 100_000


def parse_seeds(text: str, what: str = "--seeds", most: int = MAX_SEEDS) -> list[int]:
    """Seeds of a list like `0-15` or `1,4,10-12`, each once.

    Args:
        text: The list.
        what: Name of the list for messages.
        most: Seeds at most.

    Raises:
        ValueError: for anything else, a range that runs backwards, or too many seeds.
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
        if stop - start + len(seeds) >= most:
            raise ValueError(f"{what} {text!r}: more than {most} seeds at once.")
        if stop > 2**32 - 1:
            raise ValueError(f"{what} {text!r}: a seed is at most {2**32 - 1}.")
        seeds += range(start, stop + 1)
    return list(dict.fromkeys(seeds))  # every seed once: an image is a file
