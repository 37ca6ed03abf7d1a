"""Modules that are imported when they are first asked for, so that `import ganzoo` alone gives them all."""

import importlib
import pkgutil
import sys
from typing import Any


def modules(package: str) -> list[str]:
    """Names of a package's public modules; imports none of them.

    Args:
        package: the package's `__name__`.
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


def offer_modules(package: str) -> None:
    """Give a package a `__getattr__` and a `__dir__` that know its modules; type checkers keep their eyes."""
    namespace = vars(sys.modules[package])
    namespace["__getattr__"] = lambda name: module(package, name)
    namespace["__dir__"] = lambda: sorted({*namespace, *modules(package)})
