"""Modules that are imported when they are first asked for, so that `import ganzoo` alone gives them all."""

import importlib
import pkgutil
import sys
from collections.abc import Mapping
from typing import Any


def modules(package: str) -> list[str]:
    """Names of a package's public modules; imports none of them.

    Args:
        package: The package's `__name__`.
    """
    found = pkgutil.iter_modules(sys.modules[package].__path__)
    return [module.name for module in found if not module.name.startswith("_")]


def module(package: str, name: str) -> Any:
    """A public module of a package.

    Raises:
        AttributeError: if it has none of this name.
    """
    if name.startswith("_") or name not in modules(package):
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return importlib.import_module(f"{package}.{name}")


def offer_modules(package: str, members: Mapping[str, str] | None = None) -> None:
    """Give a package a `__getattr__` and a `__dir__` that know its modules; type checkers keep their eyes.

    Args:
        package: the package's `__name__`.
        members: Names that the package has besides, each with the module that defines it.
    """
    namespace, homes = vars(sys.modules[package]), members or {}

    def find(name: str) -> Any:
        return getattr(importlib.import_module(homes[name]), name) if name in homes else module(package, name)

    namespace["__getattr__"] = find
    namespace["__dir__"] = lambda: sorted({*namespace, *modules(package), *homes})
