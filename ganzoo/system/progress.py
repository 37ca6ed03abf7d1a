"""Where progress is shown: on stderr, one line that changes for a person, a line per stage for a pipe."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_BEGIN_AND_CLEAR = "\r\x1b[2K"


class Stage:
    """One line on a terminal. No thread draws it, so that a stage within a stage leaves nothing behind.

    Args:
        told: whether a pipe gets a line, too, when it begins: for what takes long, and happens once.
    """

    def __init__(self, *, told: bool) -> None:
        self._told = told
        self._last = ""

    def update(self, text: str, detail: str = "") -> None:
        """Show what is being done; the detail, such as a count, is for a person alone."""
        if sys.stderr.isatty():
            width = shutil.get_terminal_size().columns - 1
            shown = f"{text}{detail}"
            shown = shown if len(shown) <= width else f"{shown[: width - 1]}…"
            print(_BEGIN_AND_CLEAR + shown, end="", file=sys.stderr, flush=True)
        elif self._told and text != self._last:
            print(text, file=sys.stderr, flush=True)
        self._last = text

    def clear(self) -> None:
        """Take the line away."""
        if sys.stderr.isatty():
            print(_BEGIN_AND_CLEAR, end="", file=sys.stderr, flush=True)


@contextmanager
def stage(text: str, *, told: bool = False) -> Iterator[Stage]:
    """A block of work that is shown while it runs."""
    shown = Stage(told=told)
    shown.update(text)
    try:
        yield shown
    finally:
        shown.clear()


def progress_console() -> "Console":
    """A console on stderr that stays silent when stderr is a file or a pipe."""
    from rich.console import Console  # imported where it is used: `import ganzoo` does not wait for it

    return Console(stderr=True, quiet=not sys.stderr.isatty())
