"""`export`: a generator's files for any number of engines, verified, with a manifest."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ganzoo.export.check import Errors, measure, refuse_errors
from ganzoo.export.faults import advice, told
from ganzoo.export.graphs import Graph, Options, graphs
from ganzoo.export.manifest import MANIFEST_FILE, SCHEMA_VERSION, describe, file_bytes, read_manifest
from ganzoo.export.targets import Target, require, target
from ganzoo.generators.generator import Generator
from ganzoo.metrics.record import hardware, versions
from ganzoo.models.weights import weights_digest
from ganzoo.system.files import move_together, refuse_unwritable
from ganzoo.system.paths import user_path
from ganzoo.system.validation import unknown
from ganzoo.system.version import __version__


@dataclass(frozen=True)
class Exported:
    """What was written for one graph and one target: names, bytes together, and errors if it was verified."""

    target: str
    graph: str
    files: tuple[str, ...]
    bytes: int
    errors: Errors | None


def export(
    generator: Generator,
    targets: Sequence[str],
    out: str | os.PathLike[str],
    *,
    name: str,
    options: Options | None = None,
    precision: str = "fp32",
    opset: int | None = None,
    verify: bool = True,
    latents: int = 4,
    command: str = "",
    report: Callable[[str], None] = lambda what: None,
) -> list[Exported]:
    """Write a trained generator for every target into a folder; all files appear together, or none.

    Args:
        generator: as `create` gives it with weights, not deployed.
        targets: names of `ganzoo.export.targets.TARGETS`.
        out: the folder, made if need be.
        name: of the model, for the manifest.
        options: what the files take and give.
        precision: of the weights in the files.
        opset: of ONNX; None for its default.
        verify: run every file that can be run here in its engine, and compare with PyTorch.
        latents: to compare on.
        command: for the manifest.
        report: called with what is being done.

    Raises:
        ValueError: for an unknown target, a precision, batch or opset that a target does not have, random
            weights, a file that does not give PyTorch's images, or what an exporter fails at.
        ImportError: if the packages of a target are not installed.
        OSError: if the folder cannot be written.
    """
    options = options or Options()
    modules = {t: checked_target(t, precision, options, opset) for t in dict.fromkeys(targets)}
    if not modules:
        raise ValueError("export needs a target, such as onnx or openvino.")
    out = user_path(out)
    refuse_unwritable(out, "The folder")
    refuse_random(generator)
    digest = weights_digest(generator)
    instead = advice(options, precision, opset)
    kept = _kept(out, digest, options)
    written: list[Exported] = []
    entries: list[dict[str, Any]] = []
    with _new_folder(out) as new:
        for t, module in modules.items():
            for graph in graphs(generator, options, module.FORM):
                report(f"Writing {graph.name} for {t}")
                path = new / f"{graph.name}{'' if precision == 'fp32' else f'_{precision}'}{module.SUFFIX}"
                before = set(new.iterdir())
                write(t, graph, path, precision, opset=opset, instead=instead)
                paths = sorted(set(new.iterdir()) - before)
                errors = None
                if verify and runs_here(t):
                    report(f"Comparing {graph.name} for {t} with PyTorch")
                    with told(f"{t} cannot run the {graph.name} that it wrote", instead):
                        session = module.open_file(path, precision)
                        errors = measure(generator, graph, options, session, latents=latents)
                    refuse_errors(f"{path.name} for {t}", errors, precision)
                entry = describe(graph, t, precision, paths)
                entries.append({**entry, "errors": errors.to_dict() if errors else None})
                size = sum(file_bytes(p) for p in paths)
                written.append(Exported(t, graph.name, tuple(p.name for p in paths), size, errors))
        new_names = {name for entry in entries for name in entry["files"]}
        entries = [*(e for e in kept if not new_names & set(e["files"])), *entries]
        made_by = {**versions(), **{k: v for m in modules.values() for k, v in m.versions().items()}}
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "ganzoo_version": __version__,
            "model": name,
            "weights_sha256": digest,
            "config": generator.config.to_dict(),
            "options": options.to_dict(),
            "w_avg": generator.mapping.w_avg.tolist(),
            "files": entries,
            "versions": {**made_by, **({} if opset is None else {"opset": str(opset)})},
            "hardware": hardware(),
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "command": command,
        }
        (new / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n")
        move_together([*(f for e in written for f in e.files), MANIFEST_FILE], new, out)
    return written


def _kept(out: Path, digest: str, options: Options) -> list[dict[str, Any]]:
    """Entries of the manifest that the folder has already, of the same weights and options.

    Raises:
        ValueError: if it is of others, whose files would lie there without an entry.
    """
    if not (out / MANIFEST_FILE).is_file():
        return []
    old = read_manifest(out)
    if old["weights_sha256"] != digest or old["options"] != options.to_dict():
        raise ValueError(
            f"{out} holds files of another model or with other options: choose another folder, or delete it."
        )
    return [entry for entry in old["files"] if all((out / name).is_file() for name in entry["files"])]


def write(
    name: str,
    graph: Graph,
    path: Path,
    precision: str,
    *,
    opset: int | None = None,
    instead: str = "Try another target.",
) -> None:
    """Write a graph's file for a target.

    Args:
        name: of the target.
        graph: what to write.
        path: of the file; its folder is there.
        precision: of the weights in the file.
        opset: of ONNX; None for its default.
        instead: what to try where the exporter fails, a sentence.

    Raises:
        ValueError: if the exporter fails, with what it said.
        ImportError: if it is not installed.
    """
    more = {} if opset is None else {"opset": opset}
    with told(f"{name} cannot write {graph.name}", instead):
        target(name).write(graph, path, precision, **more)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder for new files within `out`; where the block fails, folders that were made for it are gone."""
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=out, prefix=".export-") as folder:
            yield Path(folder)
    except BaseException:
        with suppress(OSError):  # somebody else may have put something there
            for empty in made:
                empty.rmdir()
        raise


def checked_target(name: str, precision: str, options: Options, opset: int | None = None) -> Target:
    """A target's module, if it is installed and has what is asked for."""
    module = target(name)
    if opset is not None and not module.OPSETS:
        raise ValueError(f"{name} has no opset, only onnx has one: leave out --opset for {name}.")
    if opset is not None and opset not in module.OPSETS:
        raise ValueError(f"--opset for {name} is {module.OPSETS[0]} to {module.OPSETS[-1]}; got {opset}.")
    if precision not in module.PRECISIONS:
        raise ValueError(f"{name}: {unknown('precision', precision, module.PRECISIONS)}")
    if options.batch is None and not module.FREE_BATCH:
        raise ValueError(f"{name} has no free batch size: give a number.")
    require(name)
    return module


def runs_here(name: str) -> bool:
    """Whether a target's files can be run on this machine, and so verified."""
    return name != "coreml" or sys.platform == "darwin"


def refuse_random(generator: Generator) -> None:
    """Raise ValueError if a generator has the random weights that it is created with, from whichever seed.

    Biases and strengths of noise begin at 0, gains at 1 (Karras et al. 2019, appendix C), and no training
    leaves all of them there.
    """
    vectors = [p for p in generator.synthesis.parameters() if p.ndim <= 1]
    if vectors and all(bool((p == 0).all()) or (p.ndim == 1 and bool((p == 1).all())) for p in vectors):
        raise ValueError("This generator has random weights: load trained ones before the export.")
