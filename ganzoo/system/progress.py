"""Where progress is shown: on stderr, one line that changes for a person, a line per stage for a pipe."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_BEGIN_AND_CLEAR = "\r\x1b[2K"


class Stage:
    """One line on a terminal. No thread draws it, so that a stage within a stage leaves nothing behind.

    Args:
        told: Whether a pipe gets a line, too, when the work begins; for long work that happens once.
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


def progress_bar(*fields: str, counts: bool = True, shown: bool = True) -> "Progress":
    """A bar on stderr that vanishes when it ends: its description, how much is done, and what is left.

    Args:
        fields: Fields of the task to show instead of the time that rich expects.
        counts: Whether to show how many steps are done, of how many.
        shown: Whether to show it at all; a pipe or a file sees none.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),  # names may hold brackets
        BarColumn(),
        *([MofNCompleteColumn()] if counts else []),
        *(TextColumn(f"{{task.fields[{field}]}}", markup=False) for field in fields),
        *([] if fields else [TimeRemainingColumn()]),
        console=progress_console(),
        transient=True,
        disable=not shown,
    )


def progress_console() -> "Console":
    """A console on stderr that stays silent when stderr is a file or a pipe."""
    from rich.console import Console  # imported where it is used: `import ganzoo` does not wait for it

    return Console(stderr=True, quiet=not sys.stderr.isatty())
