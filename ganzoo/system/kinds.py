"""What a file is that was taken for weights: a pointer, a web page, half of a download, an archive."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"  # of a model that ganzoo wrote
DIGEST_KEY, CONFIG_KEY = "weights_sha256", "config_sha256"  # in the metadata of its weights
_HEAD = 1024
_MAX_HEADER = 100_000_000  # of safetensors' own
_AGAIN, _UNPACK = "get it again", "unpack it first"
# how files begin that hold no weights in any format; what they are, and what to do
_BEGINNINGS = {
    b"version https://git-lfs": (
        "a Git LFS pointer instead of the file itself",
        "git lfs pull gets it",
    ),
    b"\x89HDF": ("an HDF5 file", ""),
    b"\x1f\x8b": ("a compressed file (gzip)", _UNPACK),
    b"BZh": ("a compressed file (bzip2)", _UNPACK),
    b"\xfd7zXZ": ("a compressed file (xz)", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("a compressed file (zstd)", _UNPACK),
    b"7z\xbc\xaf": ("a compressed file (7z)", _UNPACK),
    b"Rar!": ("a compressed file (rar)", _UNPACK),
    b"\x93NUMPY": ("a NumPy file", ""),
    b"\xff\xd8\xff": ("an image", ""),
    b"\x89PNG": ("an image", ""),
    b"GIF8": ("an image", ""),
    b"%PDF": ("a PDF file", ""),
}
_PAGES = (b"<!doctype", b"<html", b"<head", b"<body", b"<!--")
_SPACE = b"\xef\xbb\xbf \t\r\n"  # with the mark of UTF-8, before a page
_TAR, _TAR_AT = b"ustar", 257
_TEXT = bytes({7, 8, 9, 10, 12, 13, 27} | set(range(0x20, 0x100)) - {0x7F})


def other_kind(head: bytes) -> str | None:
    """What a file is, and what to do, if its first KiB is of no format of weights; else None."""
    if not head:
        return f"an empty file: {_AGAIN}"
    if head.lstrip(_SPACE)[:9].lower().startswith(_PAGES):
        return f"a web page instead of the file itself: {_AGAIN}, perhaps after signing in"
    if head.lstrip(_SPACE).startswith(b"<?xml"):
        return "an XML file"
    if head[_TAR_AT:].startswith(_TAR):
        return f"an archive (tar): {_UNPACK}"
    for beginning, (what, advice) in _BEGINNINGS.items():
        if head.startswith(beginning):
            return f"{what}: {advice}" if advice else what
    return None


def kind_of(path: Path) -> str | None:
    """The same for a file; None also for what cannot be read."""
    try:
        with path.open("rb") as file:
            return other_kind(file.read(_HEAD))
    except OSError:
        return None


def why_no_tensors(path: Path, error: Exception) -> str:
    """Why a file cannot be read as safetensors: what it is, or else what its reader said."""
    what = kind_of(path)
    if what is None:
        what = _other_weights(path)
    return f"{path} is not a whole safetensors file: {f'it is {what}.' if what else error}"


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """A safetensors file, opened.

    Raises:
        ValueError: with what the file is, if it is another or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise ValueError(why_no_tensors(path, error)) from error


def read_tensors(path: Path) -> dict[str, Any]:
    """All tensors of a safetensors file; raises the same."""
    with open_tensors(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _other_weights(path: Path) -> str | None:
    """What a file is that may hold weights, but is no safetensors, or not a whole one."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
            length = int.from_bytes(head[:8], "little")
            if head[8:9] == b"{" and length <= _MAX_HEADER:
                if size < 8 + length:
                    return f"cut off after {size} bytes, in its header: {_AGAIN}"
                file.seek(8)
                header = json.loads(file.read(length))
                ends = [e["data_offsets"][1] for name, e in header.items() if name != "__metadata__"]
                whole = 8 + length + max(ends, default=0)
                return f"cut off after {size} of {whole} bytes: {_AGAIN}" if size < whole else None
    except (OSError, ValueError, RecursionError, AttributeError, KeyError, IndexError, TypeError):
        return None
    if head.startswith(b"PK\x03\x04"):
        return "a zip file, as torch.save writes them: ganzoo convert makes a model of it"
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return "a pickle: ganzoo convert makes a model of it"
    if len(head) < 8:
        return f"cut off after {size} bytes: {_AGAIN}"
    return "a text file" if not head.translate(None, _TEXT) else None
