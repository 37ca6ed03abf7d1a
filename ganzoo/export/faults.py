"""What fails inside an exporter or an engine, as one error of one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ganzoo.export.graphs import Options

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST = 300  # characters of what the other package said


@contextmanager
def told(what: str, advice: str) -> Iterator[None]:
    """A block in which another package is at work: whatever it raises becomes a ValueError of one line.

    A missing package is told by `ganzoo.system.extras.needed`, and its ImportError is passed on.

    Args:
        what: Failed action, the beginning of the line: "onnx cannot write synthesis".
        advice: Sentence that says what to try.

    Raises:
        ValueError: with `what`, the first line of the first cause, and `advice`.
    """
    try:
        yield
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(f"{what}: {first_line(error)}. {advice}") from error


def first_line(error: BaseException) -> str:
    """What an error says, without the words that others put around it on its way up."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in _COLOURS.sub("", str(error)).splitlines() if line.strip()]
    said = lines[0].rstrip(".:") if lines else ""
    said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
    if said and type(error) in (ValueError, RuntimeError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def advice(options: Options, precision: str, opset: int | None) -> str:
    """The settings that are not the plainest ones, to be tried without."""
    tries = [
        ("without --opset", opset is not None),
        ("--batch 1", options.batch != 1),
        ("--parts apart", options.parts != "apart"),
        ("--space w+", options.space != "w+"),
        ("--noise const", options.noise != "const"),
        ("--precision fp32", precision != "fp32"),
        ("another target", True),
    ]
    *first, last = [words for words, differs in tries if differs]
    return f"Try {', '.join(first)} or {last}." if first else f"Try {last}."
