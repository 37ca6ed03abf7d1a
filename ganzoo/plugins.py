"""Blocks of other packages: the entry-point group `ganzoo.plugins` names modules that register them."""

import importlib.metadata
from functools import cache

GROUP = "ganzoo.plugins"


def load_plugins() -> None:
    """Import the plug-ins, once.

    Raises:
        ImportError: if one of them fails, with its name; at every call, since some of its blocks are missing.
    """
    if failure := _failure():
        raise ImportError(failure)


@cache
def _failure() -> str | None:
    """Import every plug-in; what went wrong with the first that failed."""
    for point in importlib.metadata.entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:
            return f"The ganzoo plug-in {point.name!r} ({point.value}) fails: {error}"
    return None
