"""`export`: a generator's files for any number of engines, verified, with a manifest."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.export.check import Errors, measure, refuse_errors
from ganzoo.export.faults import advice, told
from ganzoo.export.graphs import Graph, Options, graphs
from ganzoo.export.manifest import MANIFEST_FILE, describe, read_manifest, write_manifest
from ganzoo.export.targets import Target, require, target
from ganzoo.generators.generator import Generator
from ganzoo.models.factory import build
from ganzoo.models.weights import weights_digest
from ganzoo.system.files import move_together, new_folder, refuse_unwritable, size
from ganzoo.system.paths import user_path
from ganzoo.system.validation import unknown


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
    precision: str | None = None,
    opset: int | None = None,
    verify: bool = True,
    latents: int = 4,
    w: Tensor | None = None,
    command: str = "",
    report: Callable[[str], None] = lambda what: None,
) -> list[Exported]:
    """Write a trained generator for every target into a folder; all files appear together, or none.

    Args:
        generator: Generator as `create` gives it with weights, not deployed.
        targets: Names in `ganzoo.export.targets.TARGETS`.
        out: Folder of the files; made if it does not exist.
        name: Model name for the manifest.
        options: Options of what the files take and give.
        precision: Precision of the weights in the files; None for each target's first.
        opset: Opset of ONNX; None for its default.
        verify: Whether to run every file that can be run here in its engine, and to compare with PyTorch.
        latents: Number of latents to compare on.
        w: W `[N, num_ws, w_dim]` to compare the synthesis network on; None for w of seeds.
        command: Command line for the manifest.
        report: Function that is told what is being done.

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
    refuse_w(w, options, verify)
    out = user_path(out)
    refuse_unwritable(out, "The folder")
    refuse_random(generator)
    kept = _kept(out, weights_digest(generator), options)
    writer = _Writer(generator, options, precision, opset, latents if verify else None, w, report)
    with new_folder(out) as new:
        made = [
            writer.write(t, g, new) for t, m in modules.items() for g in graphs(generator, options, m.FORM)
        ]
        entries = [entry for _, entry in made]
        replaced = {file for entry in entries for file in entry["files"]}
        kept = [entry for entry in kept if not replaced & set(entry["files"])]
        engines = {k: v for module in modules.values() for k, v in module.versions().items()}
        write_manifest(
            new, generator, options, [*kept, *entries], engines, model=name, opset=opset, command=command
        )
        move_together([*(file for exported, _ in made for file in exported.files), MANIFEST_FILE], new, out)
    return [exported for exported, _ in made]


@dataclass(frozen=True)
class _Writer:
    """Writes the graphs of a generator for one target after another, and compares each with PyTorch.

    Attributes:
        latents: Latents to compare on; None not to compare.
    """

    generator: Generator
    options: Options
    precision: str | None
    opset: int | None
    latents: int | None
    w: Tensor | None
    report: Callable[[str], None]

    def write(self, name: str, graph: Graph, folder: Path) -> tuple[Exported, dict[str, Any]]:
        """A graph's files in a folder that gets no others meanwhile, and their entry in the manifest."""
        self.report(f"Writing {graph.name} for {name}")
        precision = self.precision or target(name).PRECISIONS[0]
        instead = advice(self.options, precision, self.opset)
        suffix = "" if precision == "fp32" else f"_{precision}"
        path = folder / f"{graph.name}{suffix}{target(name).SUFFIX}"
        before = set(folder.iterdir())
        write(name, graph, path, precision, opset=self.opset, instead=instead)
        paths = sorted(set(folder.iterdir()) - before)
        errors = None
        if self.latents is not None and runs_here(name):
            self.report(f"Comparing {graph.name} for {name} with PyTorch")
            with told(f"{name} cannot run the {graph.name} that it wrote", instead):
                session = target(name).open_file(path, precision)
                errors = measure(self.generator, graph, self.options, session, latents=self.latents, w=self.w)
            refuse_errors(f"{path.name} for {name}", errors, precision)
        entry = describe(graph, name, precision, paths)
        exported = Exported(name, graph.name, tuple(p.name for p in paths), sum(map(size, paths)), errors)
        return exported, {**entry, "errors": errors.to_dict() if errors else None}


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
        name: Name of the target.
        graph: Graph to write.
        path: Path of the file, in a folder that exists.
        precision: Precision of the weights in the file.
        opset: Opset of ONNX; None for its default.
        instead: Sentence that says what to try if the exporter fails.

    Raises:
        ValueError: if the exporter fails, with what it said.
        ImportError: if it is not installed.
    """
    more = {} if opset is None else {"opset": opset}
    with told(f"{name} cannot write {graph.name}", instead):
        target(name).write(graph, path, precision, **more)


def checked_target(name: str, precision: str | None, options: Options, opset: int | None = None) -> Target:
    """A target's module, if it is installed and has what is asked for."""
    module = target(name)
    if opset is not None and not module.OPSETS:
        raise ValueError(f"{name} has no opset, only onnx has one: leave out --opset for {name}.")
    if opset is not None and opset not in module.OPSETS:
        raise ValueError(f"--opset for {name} is {module.OPSETS[0]} to {module.OPSETS[-1]}; got {opset}.")
    if precision is not None and precision not in module.PRECISIONS:
        raise ValueError(f"{name}: {unknown('precision', precision, module.PRECISIONS)}")
    if options.batch is None and not module.FREE_BATCH:
        raise ValueError(f"{name} has no free batch size: give a number.")
    require(name)
    return module


def refuse_w(w: Tensor | None, options: Options, verify: bool) -> None:
    """Raise ValueError for w on which files cannot be verified."""
    if w is None:
        return
    if not verify or options.parts != "apart":
        raise ValueError("--w is what a synthesis file is verified on: it needs --verify and --parts apart.")
    if options.space == "w" and not torch.equal(w, w[:, :1].expand_as(w)):
        raise ValueError("--space w takes one w for all layers, and the rows of these w differ.")


def runs_here(name: str) -> bool:
    """Whether a target's files can be run on this machine, and so verified."""
    return name != "coreml" or sys.platform == "darwin"


def refuse_random(generator: Generator) -> None:
    """Raise ValueError if a generator has the random weights that it is created with, from whichever seed.

    Biases, strengths of noise and gains begin at fixed numbers (Karras et al. 2019, appendix C), and no
    training leaves all of them there.
    """
    begun = dict(build(generator.config).synthesis.named_parameters())
    vectors = {name: p.cpu() for name, p in generator.synthesis.named_parameters() if p.ndim <= 1}
    if vectors and all(name in begun and torch.equal(begun[name], p) for name, p in vectors.items()):
        raise ValueError("This generator has random weights: load trained ones before the export.")
