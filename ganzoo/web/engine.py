"""The engine of a page: onnxruntime-web's own files (MIT), from npm, pinned by hash, kept in the cache."""

import gzip
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganzoo.models.entries import NpmSource
from ganzoo.models.npm import npm_files
from ganzoo.models.sources import SourceError, check_hash, writable_cache
from ganzoo.system.files import replacing
from ganzoo.system.paths import default_cache_dir, missing, user_path

ENGINE = NpmSource(
    package="onnxruntime-web",
    version="1.30.0",
    sha256="d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
    bytes=33106585,
    files={
        "package/dist/ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
        "package/dist/ort-wasm-simd-threaded.mjs": (
            "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"
        ),
        "package/dist/ort-wasm-simd-threaded.wasm": (
            "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
        ),
        "package/dist/ort.webgpu.min.mjs": "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0",
        "package/dist/ort-wasm-simd-threaded.asyncify.mjs": (
            "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28"
        ),
        "package/dist/ort-wasm-simd-threaded.asyncify.wasm": (
            "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da"
        ),
    },
)
# what a page calls: the script, the module that starts WebAssembly, and the binary
BUILDS = {
    "wasm": ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": (
        "ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm",
    ),
}  # fmt: skip
_LICENSE = Path(__file__).parent / "licenses" / "onnxruntime-web.txt"
_ZIP_LEVEL = 6  # a binary of 14.2 MB becomes 3.7, with 9 hardly less


def engine_files(
    folder: str | os.PathLike[str] | None = None, cache_dir: str | os.PathLike[str] | None = None
) -> dict[str, bytes]:
    """The engine's files by their names, every one checked against its hash.

    Args:
        folder: Folder that holds them, such as `node_modules/onnxruntime-web`; None for the cache, and npm
            where they are not there yet.
        cache_dir: Folder of the cache.

    Raises:
        SourceError: if they cannot be had, or one is not what its hash says.
        FileNotFoundError: for a folder that does not hold them.
    """
    if folder is not None:
        return _from_folder(user_path(folder))
    cache = user_path(cache_dir) if cache_dir is not None else default_cache_dir()
    kept = cache / f"{ENGINE.package}-{ENGINE.version}"
    try:
        return _from_folder(kept)
    except OSError:  # not there, or damaged
        writable_cache(kept)
    try:
        fetched = npm_files(ENGINE)
    except SourceError as error:
        raise SourceError(f"{error} Or give the folder of its files: --engine DIR") from error
    files = {Path(path).name: data for path, data in fetched.items()}
    for name, data in files.items():
        with replacing(kept / name) as temporary:
            temporary.write_bytes(data)
    return files


def _from_folder(folder: Path) -> dict[str, bytes]:
    """The files that lie in a folder or in its `dist`."""
    if not folder.is_dir():
        raise FileNotFoundError(missing(folder))
    files = {}
    for path, sha256 in ENGINE.files.items():
        name = Path(path).name
        found = [place for place in (folder / name, folder / "dist" / name) if place.is_file()]
        if not found:
            raise FileNotFoundError(
                f"{folder} does not hold {name}: it is to be the folder of {ENGINE.package} {ENGINE.version}."
            )
        files[name] = found[0].read_bytes()
        check_hash(f"{found[0]} (of {ENGINE.package} {ENGINE.version}?)", files[name], sha256)
    return files


def write_engine(files: Mapping[str, bytes], folder: Path) -> dict[str, Any]:
    """Write the engine into a site's folder, its binaries zipped, and say what a page has to know of it."""
    folder.mkdir()
    (folder / "LICENSE").write_text(_LICENSE.read_text(encoding="utf-8"), encoding="utf-8")
    facts: dict[str, Any] = {"name": f"{ENGINE.package} {ENGINE.version}"}
    for provider, build in BUILDS.items():
        entries = {}
        for role, name in zip(("script", "module", "binary"), build, strict=True):
            data = files[name]
            if role == "binary":  # many hosts would send it as it is
                name, data = f"{name}.gzip", gzip.compress(data, _ZIP_LEVEL, mtime=0)
            (folder / name).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            entries[role] = {"path": name, "sha256": digest, "bytes": len(data)}
        facts[provider] = entries
    return facts
