"""Where the data folders lie, in a wheel or beside the package in a checkout; users' paths; the cache."""

import os
import re
from difflib import get_close_matches
from pathlib import Path

_INSTALLED = Path(__file__).parents[1] / "_data"
DATA = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2]

DIRECTORY = "dir:"
_SHOWN = 5
_FILES = (
    ".bin", ".ckpt", ".npz", ".onnx", ".pkl", ".pt", ".pt2", ".pte", ".pth", ".safetensors", ".tflite",
    ".xml", ".zip",
)  # fmt: skip
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
# Where a path may begin in an argument: at its start, after --option=, key= or dir:, and in a list of values.
_HOME = re.compile(r"(?:^|(?<=[=,'\"])|(?<=dir:))~[\w.-]*(?=[/\\]|$|[,'\"])")


def user_path(path: str | os.PathLike[str]) -> Path:
    """A path with its home folder filled in, where it begins with `~` or `~name`."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - a Path's own way fails for users that do not exist


def user_name(name: str) -> str:
    """A model's name; the path in it, as it stands or behind `dir:`, with its home folder filled in."""
    scheme = DIRECTORY if name.startswith(DIRECTORY) else ""
    path = name.removeprefix(scheme)
    return f"{scheme}{user_path(path)}" if path.startswith("~") else name


def user_argument(text: str) -> str:
    """An argument of the command line with home folders filled in: `--out=~/x`, `teacher=~/a,~/b`, `dir:~/x`.

    A shell does that at the start of an argument only, and no shell stands between a program and ganzoo.
    """
    return _HOME.sub(lambda found: str(user_path(found[0])), text)


def is_path(name: str) -> bool:
    """Whether a name can only be meant as a path: by its separators, its start, or a file's ending.

    `owner/name` could be a repository as well: it is a path where the folder `owner` exists.
    """
    if name.startswith((".", "~", "/")) or "\\" in name or _DRIVE.match(name):
        return True
    if name.lower().endswith(_FILES) or name.count("/") > 1 or name.endswith("/"):
        return True
    return "/" in name and os.path.isdir(name.partition("/")[0])  # noqa: PTH112 - a Path refuses long names


def missing(path: str | os.PathLike[str]) -> str:
    """One line for a path that leads nowhere: up to where it leads, and what is there."""
    whole = user_path(path)
    steps = [whole, *whole.parents]
    there = next((step for step in steps if os.path.exists(step)), Path())  # noqa: PTH110 - the same
    said = f"{path} does not exist"
    if not there.is_dir():
        return f"{said}: {there} is no folder."
    lost = next((step.name for step in reversed(steps) if not os.path.exists(step)), whole.name)  # noqa: PTH110
    where = "the current folder" if there == Path() else str(there)
    try:
        names = sorted(entry.name for entry in there.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        return f"{said}: {where} cannot be read ({error.strerror})."
    near = get_close_matches(lost, names, n=1)
    hint = f" Did you mean {there / near[0]}?" if near else ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    holds = f"which holds {', '.join(names[:_SHOWN])}{more}" if names else "which is empty"
    return f"{said}: there is no {lost} in {where}, {holds}.{hint}"


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/ganzoo`, or `~/.cache/ganzoo`."""
    return user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "ganzoo"
