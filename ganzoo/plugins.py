"""Blocks and architectures of other packages: the entry-point group `ganzoo.plugins` names their modules."""

import importlib.metadata
import sys
from functools import cache
from typing import Any, Protocol
from weakref import WeakSet

GROUP = "ganzoo.plugins"


class Watched(Protocol):
    """A registry that plug-ins may add to."""

    def classes(self) -> dict[str, type[Any]]:
        """Registered classes by their names."""

    def restore(self, classes: dict[str, type[Any]]) -> None:
        """Replace all registered classes by these."""


_WATCHED: WeakSet[Watched] = WeakSet()


def watch(registry: Watched) -> None:
    """Take back what a plug-in added to this registry if the plug-in fails."""
    _WATCHED.add(registry)


def has_plugins() -> bool:
    """Whether any is installed."""
    return bool(importlib.metadata.entry_points(group=GROUP))


def load_plugins() -> None:
    """Import the plug-ins, once. One that fails is left out with all of its blocks, and stderr says so."""
    _failures()


def missing_block() -> str:
    """What may be behind a name that nobody knows."""
    broken = " ".join(_failures())
    return broken or "If it comes with another package, install that package: it is a plug-in of ganzoo."


@cache
def _failures() -> tuple[str, ...]:
    """Import every plug-in; a line for each that failed."""
    found = []
    for point in importlib.metadata.entry_points(group=GROUP):
        before = {registry: registry.classes() for registry in _WATCHED}
        try:
            point.load()
        except Exception as error:
            for registry in _WATCHED:
                registry.restore(before.get(registry, _own(registry)))
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            found.append(f"The ganzoo plug-in {point.name!r} ({point.value}) is left out: {reason}.")
            print(f"ganzoo: {found[-1]}", file=sys.stderr)
    return tuple(found)


def _own(registry: Watched) -> dict[str, type[Any]]:
    """A registry's classes without those of other packages: of one that a plug-in was the first to import."""
    return {name: cls for name, cls in registry.classes().items() if cls.__module__.startswith("ganzoo.")}
