"""Where the data folders lie: inside an installed wheel, or beside the package in a checkout."""

from pathlib import Path

_INSTALLED = Path(__file__).parent / "_data"
DATA = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1]
