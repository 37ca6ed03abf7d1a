"""Which folder holds a model: the one that was named, or the student of a run; if neither, what is there."""

import os
import shlex
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO

from ganzoo.system.kinds import CONFIG_FILE as CONFIG_FILE
from ganzoo.system.kinds import WEIGHTS_FILE as WEIGHTS_FILE
from ganzoo.system.paths import user_path

STUDENT, TRAINED, BEST, RUN_FILE = "student", "generator", "best", "settings.json"
MANIFEST_FILE = "manifest.json"
_CHECKPOINTS = (".pkl", ".pt", ".pth", ".ckpt")
_IMAGES_WITHOUT_READER = (".heic", ".heif", ".avif")
_LOOKED_AT = 16  # files of a set: most sets are told by the first
_SHOWN = 3

StrPath = str | os.PathLike[str]


def find_model(path: StrPath) -> Path | None:
    """The model folder that a path stands for: itself, or the result of a run. None if it is neither."""
    named = os.fspath(user_path(path))
    for result in ("", STUDENT, TRAINED):
        folder = os.path.join(named, result)  # noqa: PTH118 - a Path refuses long names
        if os.path.isfile(os.path.join(folder, CONFIG_FILE)):  # noqa: PTH113, PTH118
            return Path(folder)
    return None


def model_folder(path: StrPath) -> Path:
    """The same, or the path as it is if there is nothing.

    Raises:
        FileNotFoundError: for a path that holds something else; the message says what, and what to do.
    """
    found = find_model(path)
    if found is None and (told := what_is(path)) is not None:
        raise FileNotFoundError(told)
    return found or user_path(path)


def what_is(path: StrPath) -> str | None:
    """A line on a file or folder that is no model, or None if there is nothing of that name."""
    name = os.fspath(user_path(path))
    if os.path.isdir(name):  # noqa: PTH112
        return _folder(name, Path(name))
    return _file(name, Path(name)) if os.path.isfile(name) else None  # noqa: PTH113


def _folder(name: str, path: Path) -> str:
    if (path / MANIFEST_FILE).is_file():
        return (
            f"{name!r} holds files that `ganzoo export` wrote. `ganzoo generate`, `ganzoo bench` and "
            "ganzoo.runtimes.load run them; here the model is needed that they were made from."
        )
    if (path / RUN_FILE).is_file():
        there = f" Did you mean {str(path / BEST)!r}?" if find_model(path / BEST) else ""
        return f"{name!r} is a training run without a result yet: the same command goes on.{there}"
    if models := sorted(str(found) for child in _children(path) if (found := find_model(child))):
        more = f", and {len(models) - _SHOWN} more" if len(models) > _SHOWN else ""
        shown = " or ".join(map(repr, models[:_SHOWN]))
        return f"{name!r} is a folder of models. Did you mean {shown}{more}?"
    if (path / WEIGHTS_FILE).is_file():
        return f"{name!r} holds {WEIGHTS_FILE} without its {CONFIG_FILE}: copy both."
    if found := next((p for p in _children(path) if p.suffix in _CHECKPOINTS), None):
        return f"{name!r} holds a checkpoint. Convert it first: ganzoo convert {shlex.quote(str(found))} OUT."
    if _any_image((p.name, partial(_open, p)) for p in _walk(path)):
        return _images(name, path.name)
    return f"{name!r} holds no model: a model folder holds {CONFIG_FILE} and {WEIGHTS_FILE}."


def _file(name: str, path: Path) -> str:
    folder = path.parent
    if find_model(folder) == folder:
        return f"{name!r} is a file of a model: give its folder, {str(folder)!r}."
    if (folder / MANIFEST_FILE).is_file():
        return f"{name!r} is a file that `ganzoo export` wrote: give its folder, {str(folder)!r}."
    if path.suffix == ".npz":
        return f"{name!r} is no model. Statistics of `ganzoo eval --save` are for `ganzoo eval --real`."
    if path.suffix == ".jsonl":
        return f"{name!r} is no model. Records of `ganzoo eval` are for --records and --against."
    if _is_image(name, partial(_open, path)):
        return (
            f"{name!r} is an image, not a model. `ganzoo data prepare` and `ganzoo eval --real` take images "
            "in a folder or zip."
        )
    if zipfile.is_zipfile(path) and _zip_of_images(path):
        return _images(name, path.stem)
    return f"{name!r} is a file. A checkpoint is converted first: ganzoo convert {shlex.quote(name)} OUT."


def _images(name: str, stem: str) -> str:
    quoted, out = shlex.quote(name), shlex.quote(f"{stem or 'images'}-256.zip")
    return (
        f"{name!r} is a set of images, not a model. To compare a model with it: ganzoo eval MODEL --real "
        f"{quoted}. To make a training set of it: ganzoo data prepare {quoted} {out} --resolution 256."
    )


def _zip_of_images(path: Path) -> bool:
    with suppress(zipfile.BadZipFile, OSError, RuntimeError), zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith(("/", ".json"))]
        if any(name.endswith("data.pkl") for name in names):  # PyTorch's own zip
            return False
        return _any_image((name, partial(archive.open, name)) for name in names)
    return False


def _any_image(files: Iterable[tuple[str, Callable[[], IO[bytes]]]]) -> bool:
    return any(_is_image(*file) for file in islice(files, _LOOKED_AT))


def _is_image(name: str, opened: Callable[[], IO[bytes]]) -> bool:
    """Whether Pillow knows the file by its first bytes, whatever its name."""
    from PIL import Image

    if name.lower().endswith(_IMAGES_WITHOUT_READER):
        return True
    with suppress(Exception), warnings.catch_warnings():  # of an image that is too large to decode
        warnings.simplefilter("ignore")
        with opened() as file, Image.open(file):
            return True
    return False


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _children(path: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(path.iterdir())
    return []


def _walk(path: Path) -> Iterator[Path]:
    """Files below a folder that are not hidden."""
    for root, _, names in os.walk(path):
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))
