"""Where progress is shown: on stderr, if a person looks at it."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def progress_console() -> "Console":
    """A console on stderr that stays silent when stderr is a file or a pipe."""
    from rich.console import Console  # imported where it is used: `import ganzoo` does not wait for it

    return Console(stderr=True, quiet=not sys.stderr.isatty())
