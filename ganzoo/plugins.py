"""Blocks and architectures of other packages: the entry-point group `ganzoo.plugins` names their modules."""

import importlib.metadata
import sys
from functools import cache

GROUP = "ganzoo.plugins"


def has_plugins() -> bool:
    """Whether any is installed."""
    return bool(importlib.metadata.entry_points(group=GROUP))


def load_plugins() -> None:
    """Import the plug-ins, once. One that fails is left out with all of its blocks, and stderr says so."""
    _failures()


def missing_block() -> str:
    """What may be behind the name of a block that nobody knows."""
    broken = " ".join(_failures())
    return broken or "If it is a block of another package, install that package: it is a plug-in of ganzoo."


@cache
def _failures() -> tuple[str, ...]:
    """Import every plug-in; a line for each that failed."""
    from ganzoo.blocks import KINDS
    from ganzoo.generators.config import GENERATORS

    found, registries = [], [*KINDS.values(), GENERATORS]
    for point in importlib.metadata.entry_points(group=GROUP):
        before = [registry.classes() for registry in registries]
        try:
            point.load()
        except Exception as error:
            for registry, classes in zip(registries, before, strict=True):
                registry.restore(classes)
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            found.append(f"The ganzoo plug-in {point.name!r} ({point.value}) is left out: {reason}.")
            print(f"ganzoo: {found[-1]}", file=sys.stderr)
    return tuple(found)
