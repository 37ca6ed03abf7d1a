"""What became of a source's tensors, in words for the screen and for the card."""

from collections import Counter
from collections.abc import Iterable

from ganzoo.converters.conversion import ANOTHER, Conversion

_MAX_REASONS, _MAX_LISTED = 20, 1000


def account(conversion: Conversion) -> list[str]:
    """What became of the source's tensors, a line each."""
    lines = [f"{_tensors(len(conversion.used))} of the source used"]
    lines += [f"{_tensors(n)} dropped: {reason}" for reason, n in _by_reason(conversion.dropped.values())]
    lines += [f"{_tensors(n)} made: {reason}" for reason, n in _by_reason(conversion.made.values())]
    if conversion.assumed:
        values = ", ".join(f"{name} {value}" for name, value in conversion.assumed.items())
        lines.append(f"assumed, for the source does not record it: {values}")
    return lines


def others(conversion: Conversion) -> str:
    """The other networks of the source, each with its place."""
    listed = [f"{part} ({key})" if key else part for part, key in conversion.others[:_MAX_REASONS]]
    more = len(conversion.others) - len(listed)
    return ", ".join([*listed, *([f"{more} more"] if more else [])])


def without_use(conversion: Conversion) -> list[str]:
    """The source's tensors that were not used and ours that it lacks, each with the reason."""
    listed = [*conversion.dropped.items(), *conversion.made.items()]
    lines = [f"{name}: {why}" for name, why in listed if not why.startswith(ANOTHER)]
    more = len(lines) - _MAX_LISTED
    return [*lines[:_MAX_LISTED], *([f"…: {more} more"] if more > 0 else [])]


def _by_reason(reasons: Iterable[str]) -> list[tuple[str, int]]:
    counted = Counter(reasons).most_common()
    rest = sum(count for _, count in counted[_MAX_REASONS:])
    return counted[:_MAX_REASONS] + ([("other reasons", rest)] if rest else [])


def _tensors(count: int) -> str:
    return "1 tensor" if count == 1 else f"{count} tensors"
