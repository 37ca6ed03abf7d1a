"""Packages that come with an extra, and may not be there."""

import importlib
from typing import Any


def needed(module: str, extra: str) -> Any:
    """A module of an optional package.

    Raises:
        ImportError: naming the extra that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{package} is broken or not installed ({error}). {how(extra)}") from error


def how(extra: str) -> str:
    """What installs an extra."""
    return f'In the checkout: pip install ".[{extra}]"'
