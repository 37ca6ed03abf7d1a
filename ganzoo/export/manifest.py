"""manifest.json beside exported files: what they are, what they take, how exact they are, what made them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganzoo.export.graphs import Graph, Options
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.generator import Generator
from ganzoo.models.folders import MANIFEST_FILE as MANIFEST_FILE
from ganzoo.models.weights import weights_digest
from ganzoo.system.files import sha256, size
from ganzoo.system.kinds import kind_of
from ganzoo.system.provenance import hardware, now, versions
from ganzoo.system.version import __version__

SCHEMA_VERSION = 1
MAX_BYTES = 16 << 20  # a conditional network's mean w is short, its config shorter
_KEYS = {
    "schema_version", "ganzoo_version", "model", "weights_sha256", "config", "options", "w_avg", "files",
    "versions", "hardware", "date", "command",
}  # fmt: skip


def describe(graph: Graph, target: str, precision: str, paths: list[Path]) -> dict[str, Any]:
    """The entry of a graph's files, without what is measured."""
    return {
        "target": target,
        "graph": graph.name,
        "precision": precision,
        "files": {path.name: {"sha256": sha256(path), "bytes": size(path)} for path in sorted(paths)},
        "inputs": [
            {"name": i.name, "dtype": "float32", "shape": list(i.shape), "values": i.values}
            for i in graph.inputs
        ],
        "output": {
            "name": graph.output,
            "dtype": "float32",
            "shape": list(graph.output_shape),
            "values": "nominally -1 to 1, unclamped" if graph.output == "image" else "w",
        },
    }


def write_manifest(
    folder: Path,
    generator: Generator,
    options: Options,
    entries: Sequence[Mapping[str, Any]],
    engines: Mapping[str, str],
    *,
    model: str,
    opset: int | None,
    command: str,
) -> None:
    """Write the manifest of a folder of exported files.

    Args:
        folder: Folder of the files.
        generator: Exported generator.
        options: Options of what the files take and give.
        entries: Results of `describe` for each graph, with the errors that were measured.
        engines: Versions of the packages that wrote the files.
        model: Name of the generator.
        opset: Opset of ONNX that was asked for.
        command: Command that wrote the files.
    """
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "ganzoo_version": __version__,
        "model": model,
        "weights_sha256": weights_digest(generator),
        "config": generator.config.to_dict(),
        "options": options.to_dict(),
        "w_avg": generator.mapping.w_avg.tolist(),
        "files": entries,
        "versions": {**versions(), **engines, **({} if opset is None else {"opset": str(opset)})},
        "hardware": hardware(),
        "date": now(),
        "command": command,
    }
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder of exported files.

    Raises:
        ValueError: if it is none of this version, or its config or options are not valid.
        FileNotFoundError: if there is none.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: ganzoo export writes it beside its files.")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES} bytes: this is no manifest.")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        what = kind_of(path)
        raise ValueError(f"{path} is not valid JSON: {f'it is {what}.' if what else error}") from error
    if not isinstance(data, dict) or set(data) != _KEYS or data["schema_version"] != SCHEMA_VERSION:
        raise ValueError(
            f"{path} is no manifest of version {SCHEMA_VERSION}, which holds {', '.join(sorted(_KEYS))}."
        )
    try:
        GeneratorConfig.from_dict(data["config"])
        Options(**data["options"])
        for entry in data["files"]:
            for name in entry["files"]:
                if Path(name).name != name:
                    raise ValueError(f"{name!r} is no name of a file.")
            str(entry["target"]), str(entry["graph"]), str(entry["precision"])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: {error}") from error
    return data


def check_files(folder: Path, entry: Mapping[str, Any]) -> None:
    """Raise ValueError if a file of an entry is missing or not as it was written."""
    for name, facts in entry["files"].items():
        path = folder / name
        if not path.exists():
            raise ValueError(f"{path} is missing; the manifest lists it.")
        if sha256(path) != facts["sha256"]:
            what = kind_of(path)
            told = f"it is {what}" if what else "its sha256 differs from the manifest's"
            raise ValueError(f"{path} is not as it was written: {told}.")
