"""The engines of a page: their own files, from npm, pinned by hash, kept in the cache."""

import gzip
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganzoo.models.entries import NpmSource
from ganzoo.models.npm import npm_files
from ganzoo.models.sources import SourceError, check_hash, writable_cache
from ganzoo.system.files import replacing
from ganzoo.system.paths import default_cache_dir, missing, user_path

_LICENSES = Path(__file__).parent / "licenses"
_ZIP_LEVEL = 6  # a binary of 14.2 MB becomes 3.7, with 9 hardly less


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine that runs networks in a browser.

    Attributes:
        kind: Its name, and that of the module in `ganzoo/web/package` that calls it.
        target: Export target of the networks' files.
        sources: Packages of npm.
        builds: For each kind of browser the script, the one that starts WebAssembly, and the binary.
        beside: More files that the scripts import.
        renamed: What a script says, to what it is to say in a folder without packages.
    """

    kind: str
    target: str
    sources: tuple[NpmSource, ...]
    builds: Mapping[str, tuple[str, str, str]]
    beside: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Package and version, for people."""
        return f"{self.sources[0].package} {self.sources[0].version}"


ONNXRUNTIME = Engine(
    kind="onnxruntime",
    target="web",
    sources=(
        NpmSource(
            package="onnxruntime-web",
            version="1.30.0",
            sha256="d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
            bytes=33106585,
            files={
                f"package/dist/{name}": sha256
                for name, sha256 in {
                    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
                    "ort-wasm-simd-threaded.mjs": (
                        "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"
                    ),
                    "ort-wasm-simd-threaded.wasm": (
                        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
                    ),
                    "ort.webgpu.min.mjs": "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0",
                    "ort-wasm-simd-threaded.asyncify.mjs": (
                        "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28"
                    ),
                    "ort-wasm-simd-threaded.asyncify.wasm": (
                        "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da"
                    ),
                }.items()
            },
        ),
    ),
    builds={
        "threads": ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
        "webgpu": (
            "ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs",
            "ort-wasm-simd-threaded.asyncify.wasm",
        ),
    },
)  # fmt: skip
LITERT = Engine(
    kind="litert",
    target="web_litert",
    sources=(
        NpmSource(
            package="@litertjs/core",
            version="2.5.3",
            sha256="a97660833e9e7e1063c95e12016718881240b14f7438728a2f62785e912d30fd",
            bytes=11817097,
            files={
                f"package/{name}": sha256
                for name, sha256 in {
                    "dist/index.js": "e7daccc3a31eef890848a737ccb863ded5f046a6b40c3fdc0556495adeb5d9b3",
                    "wasm/litert_wasm_threaded_internal.js": (
                        "92fe7a720c6deedaa1194c011c79a005ea4f6fc98f533b661cf7900760ab4849"
                    ),
                    "wasm/litert_wasm_threaded_internal.wasm": (
                        "b5e54eca10f043497edf9a02186332707cae260c550d7ea22b2cae55669596cf"
                    ),
                    "wasm/litert_wasm_internal.js": (
                        "68efb69f770e3f76aff36a377de629ca496c131b86ac0f0f4b592a1543a898eb"
                    ),
                    "wasm/litert_wasm_internal.wasm": (
                        "7280cf4471774867e385e6c3cd53e2b45e2975b80fea338fff4ef359b0865614"
                    ),
                    "wasm/litert_wasm_compat_internal.js": (
                        "4d8f894b7883654fd6e8439730aa41e79ceaab7d19184fc4f1f0b0f1a2a2c8a5"
                    ),
                    "wasm/litert_wasm_compat_internal.wasm": (
                        "5255c8ad06eabdbd2522cdebf6b22fc10faf74625c23a49b9e072570cd1fa41c"
                    ),
                }.items()
            },
        ),
        NpmSource(
            package="@litertjs/wasm-utils",
            version="2.5.3",
            sha256="ce2a1f8379c067be49e59752e5a7f40db6be09f6e497f0f11e59f17b515366a7",
            bytes=4698,
            files={
                "package/dist/bundle.js": "c9c6c95a4e8692dd8a01f5d2d19dbe741b59c95c29d51bed19a22496760a9c62"
            },
        ),
    ),
    builds={
        name: ("index.js", f"litert_wasm_{part}internal.js", f"litert_wasm_{part}internal.wasm")
        for name, part in {"threads": "threaded_", "single": "", "compatible": "compat_"}.items()
    },
    beside=("bundle.js",),
    renamed={'from "@litertjs/wasm-utils"': 'from "./bundle.js"'},
)
ENGINES = {engine.kind: engine for engine in (ONNXRUNTIME, LITERT)}


def which_engine(choice: str | os.PathLike[str]) -> Engine:
    """The engine of a name, or the one whose files lie in a folder.

    Raises:
        FileNotFoundError: for another name, or a folder that holds none of their files.
    """
    if choice in ENGINES:
        return ENGINES[str(choice)]
    folder = user_path(choice)
    if not folder.is_dir():
        raise FileNotFoundError(f"{missing(folder)} An engine is {', '.join(ENGINES)}, or a folder.")
    for engine in ENGINES.values():
        if any(folder.rglob(engine.builds["threads"][2])):
            return engine
    labels = " nor of ".join(engine.label for engine in ENGINES.values())
    raise FileNotFoundError(f"{folder} holds neither the files of {labels}.")


def engine_files(
    engine: Engine,
    folder: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> dict[str, bytes]:
    """An engine's files by their names, every one checked against its hash.

    Args:
        engine: Engine.
        folder: Folder that holds them, such as `node_modules/onnxruntime-web`; None for the cache, and npm
            where they are not there yet.
        cache_dir: Folder of the cache.

    Raises:
        SourceError: if they cannot be had, or one is not what its hash says.
        FileNotFoundError: for a folder that does not hold them.
    """
    if folder is not None:
        return _from_folder(engine, user_path(folder))
    cache = user_path(cache_dir) if cache_dir is not None else default_cache_dir()
    kept = cache / f"{engine.kind}-web-{engine.sources[0].version}"
    try:
        return _from_folder(engine, kept)
    except OSError:  # not there, or damaged
        writable_cache(kept)
    files: dict[str, bytes] = {}
    for source in engine.sources:
        try:
            fetched = npm_files(source)
        except SourceError as error:
            raise SourceError(f"{error} Or give the folder of its files: --engine DIR.") from error
        files |= {Path(path).name: data for path, data in fetched.items()}
    for name, data in files.items():
        with replacing(kept / name) as temporary:
            temporary.write_bytes(data)
    return files


def _from_folder(engine: Engine, folder: Path) -> dict[str, bytes]:
    """The files that lie somewhere in a folder."""
    files = {}
    for source in engine.sources:
        for path, sha256 in source.files.items():
            name = Path(path).name
            found = sorted(folder.rglob(name))
            if not found:
                raise FileNotFoundError(
                    f"{folder} does not hold {name} of {source.package} {source.version}."
                )
            for place in found:  # packages have files of equal names
                data = place.read_bytes()
                if hashlib.sha256(data).hexdigest() == sha256:
                    break
            check_hash(f"{place} (of {source.package} {source.version}?)", data, sha256)
            files[name] = data
    return files


def write_engine(engine: Engine, files: Mapping[str, bytes], folder: Path) -> dict[str, Any]:
    """Write an engine into a site's folder, its binaries zipped, and say what a page has to know of it."""
    folder.mkdir()
    text = (_LICENSES / f"{engine.kind}.txt").read_text(encoding="utf-8")
    (folder / "LICENSE").write_text(text, encoding="utf-8")
    for name in engine.beside:
        (folder / name).write_bytes(files[name])
    builds = {
        build: {role: _written(engine, files, name, folder) for role, name in zip(_ROLES, names, strict=True)}
        for build, names in engine.builds.items()
    }
    return {"kind": engine.kind, "name": engine.label, "builds": builds}


_ROLES = ("script", "module", "binary")


def _written(engine: Engine, files: Mapping[str, bytes], name: str, folder: Path) -> dict[str, Any]:
    """Name, hash and size of a file that is written."""
    data = files[name]
    if name.endswith(".wasm"):  # many hosts would send it as it is
        name, data = f"{name}.gzip", gzip.compress(data, _ZIP_LEVEL, mtime=0)
    else:
        for old, new in engine.renamed.items():
            data = data.replace(old.encode(), new.encode())
    (folder / name).write_bytes(data)
    return {"path": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
