"""Where the data folders lie (in an installed wheel, or beside the package in a checkout), and the cache."""

import os
from pathlib import Path

_INSTALLED = Path(__file__).parent / "_data"
DATA = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1]


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/ganzoo`, or `~/.cache/ganzoo`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganzoo"
