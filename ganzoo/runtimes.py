"""Generators that run in other engines, behind the generator's own call."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch

from ganzoo.export.engine import PRECISIONS as PRECISIONS
from ganzoo.export.engine import TARGET_OF as TARGET_OF
from ganzoo.export.engine import engine_generator
from ganzoo.export.exporting import export
from ganzoo.export.graphs import Options
from ganzoo.export.manifest import MANIFEST_FILE, read_manifest
from ganzoo.export.precision import LEAST_AUTO_PSNR, Choice, choose
from ganzoo.export.targets import TARGETS, is_installed, require, target
from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import Generator
from ganzoo.generators.quick import DTYPES, quicken
from ganzoo.models.reference import Folder, Name, Reference, reference
from ganzoo.models.sources import writable_cache
from ganzoo.system.files import facts_digest, sha256
from ganzoo.system.paths import default_cache_dir
from ganzoo.system.provenance import hardware
from ganzoo.system.validation import unknown
from ganzoo.system.version import __version__

RUNTIMES = ("auto", *TARGET_OF, "compiled")
_GRAPHS_VERSION = 2  # raised when the files change though the weights do not

Report = Callable[[str], None]


def _quiet(what: str) -> None:
    """A report that nobody hears."""


@dataclass(frozen=True)
class Setup:
    """How a model is to compute.

    Attributes:
        runtime: "openvino", "onnxruntime", "litert", "executorch", "torch" (the deploy form), "compiled" (the
            same, by `torch.compile`), or "auto": the fastest that is installed and needs no compiler.
        precision: "fp32"; "bf16" (OpenVINO, PyTorch) and the "fp16" of PyTorch and ExecuTorch compute in it;
            else "fp16" and "int8" are how weights lie in the file. "auto": what `choose_precision` finds
            fastest here.
        device: Device of PyTorch; engines compute on the CPU.
        batch: Images at once in the engine; other numbers are cut up and filled up.
        threads: Threads of the engine (default: the engine's). ExecuTorch's are those of the whole process.

    Raises:
        ValueError: for an unknown runtime or precision.
    """

    runtime: str = "openvino"
    precision: str = "fp32"
    device: str = "cpu"
    batch: int = 1
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise ValueError(unknown("runtime", self.runtime, RUNTIMES))
        if self.precision not in (*PRECISIONS, "auto"):
            raise ValueError(unknown("precision", self.precision, (*PRECISIONS, "auto")))

    @property
    def is_pytorch(self) -> bool:
        """Whether PyTorch computes, which needs no files."""
        return self.runtime in ("torch", "compiled")

    def here(self, model: Reference) -> "Setup":
        """The same with a runtime's name instead of auto, one that a model's files are for if it is files."""
        return replace(self, runtime=fastest(self.device, model)) if self.runtime == "auto" else self

    def __str__(self) -> str:
        """Runtime with its version, and precision, for people."""
        name = "torch" if self.runtime == "compiled" else self.runtime
        versions = target(TARGET_OF[name]).versions()
        version = next((v for package, v in versions.items() if name in package), "").partition("-")[0]
        return f"{name} {version}{', compiled' if self.runtime == 'compiled' else ''}, {self.precision}"


def load(
    name: Name,
    runtime: str = "openvino",
    precision: str = "fp32",
    *,
    device: str = "cpu",
    batch: int = 1,
    threads: int | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    report: Report = _quiet,
    least_psnr: float = LEAST_AUTO_PSNR,
) -> Generator:
    """A generator that computes in an engine, called like any other; it has no gradients.

    Files are exported once into the cache, verified, and found there the next time. With constant noise,
    `Output.noise` is empty: the constants lie in the file.

    Args:
        name: Name as `ganzoo.create` takes it, or a folder of exported files.
        runtime: Runtime; see `Setup` for this and the next four.
        precision: Precision, or "auto".
        device: Device of PyTorch.
        batch: Images at once in the engine.
        threads: Threads of the engine.
        cache_dir: Folder for weights and files.
        report: Function that is told what is being done, if it takes long.
        least_psnr: Least PSNR from fp32, in dB, that "auto" asks of fewer bits.

    Raises:
        ValueError: for an unknown name, runtime or precision.
        ImportError: if the runtime is not installed.
    """
    model = reference(name, cache_dir)
    setup = Setup(runtime, precision, device, batch, threads).here(model)
    if precision == "auto":
        choice = choose_precision(model, setup, report=report, least_psnr=least_psnr)
        setup = replace(setup, precision=choice.precision)
    return opened(model, setup, report)


def opened(model: Reference, setup: Setup, report: Report = _quiet) -> Generator:
    """The same for a reference and a setup without auto.

    Args:
        model: What to open.
        setup: How it is to compute.
        report: Function that is told what is being done, if it takes long.
    """
    exported = exported_folder(model)
    if setup.is_pytorch and exported is None:
        if setup.precision not in DTYPES:
            raise ValueError(
                f"PyTorch computes in {', '.join(DTYPES)}; got the precision {setup.precision!r}."
            )
        generator = deploy(model.load().to(setup.device))
        if setup.precision == "fp32" and setup.runtime == "torch":
            return generator
        return quicken(generator, setup.precision, compiled=setup.runtime == "compiled")
    if setup.runtime == "compiled":
        raise ValueError("The runtime compiled takes a model; exported files run in their engine.")
    if torch.device(setup.device).type != "cpu":
        raise ValueError(f"The runtime {setup.runtime} computes on the CPU; {setup.device} is PyTorch's.")
    module = target(TARGET_OF[setup.runtime])
    if setup.precision == "bf16" and setup.runtime != "openvino":
        has = ", ".join(module.PRECISIONS)
        raise ValueError(f"The precision bf16 is OpenVINO's and PyTorch's; {setup.runtime} has {has}.")
    if PRECISIONS[setup.precision][0] not in module.PRECISIONS:
        raise ValueError(f"{setup.runtime}: {unknown('precision', setup.precision, module.PRECISIONS)}")

    @cache
    def folder(noise: str) -> Path:
        return exported or _made_folder(model, setup, noise, report)

    if exported is None:
        model.config()  # an unknown name is told before a missing engine
    require(TARGET_OF[setup.runtime], to_run=exported is not None)
    return engine_generator(setup.runtime, setup.precision, folder, setup.threads)


def choose_precision(
    name: Name,
    setup: Setup,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    report: Report = _quiet,
    least_psnr: float = LEAST_AUTO_PSNR,
) -> Choice:
    """The precision in which a model computes fastest here, among those that give its images.

    It is measured once for a model, an engine's version, a processor and a number of threads, and kept in the
    cache. The arguments are those of `load`; the setup's own precision does not matter.

    Raises:
        ValueError: for an unknown name.
        ImportError: if the runtime is not installed.
    """
    model = reference(name, cache_dir)
    setup = setup.here(model)
    candidates, exported = ["fp32"], exported_folder(model)
    if setup.runtime == "openvino":
        candidates += ["bf16"]
    elif setup.runtime == "executorch" and exported is None:
        candidates += ["fp16"]
    elif setup.is_pytorch and exported is None:
        candidates += ["bf16"] if torch.device(setup.device).type == "cpu" else ["bf16", "fp16"]

    def open_one(precision: str) -> Generator:
        report(f"Measuring {model} in {precision}, once")
        return opened(model, replace(setup, precision=precision), report)

    if exported is not None:
        files: str | None = sha256(exported / MANIFEST_FILE)
    else:
        model.config()  # an unknown name is told before a missing engine
        files = model.identity().hash
    made_for, place = target(TARGET_OF.get(setup.runtime, "torch")).versions(), hardware(setup.device)
    what = [files, setup.runtime, made_for, __version__, place, setup.threads, setup.batch, candidates]
    path = _cache(model) / "precisions" / f"{_key(what)}.json"
    return choose(open_one, candidates, path, device=setup.device, batch=setup.batch, least_psnr=least_psnr)


def exported_folder(model: Reference) -> Path | None:
    """The folder of exported files that a name stands for, or None if it stands for none."""
    if isinstance(model, Folder) and not model.is_model and (model.path / MANIFEST_FILE).is_file():
        return model.path
    return None


def fastest(device: str = "cpu", model: Reference | None = None) -> str:
    """The fastest runtime that is installed, computes on a device, and has files where a model is files."""
    if torch.device(device).type != "cpu":
        return "torch"
    exported = None if model is None else exported_folder(model)
    written = TARGETS if exported is None else {e["target"] for e in read_manifest(exported)["files"]}
    for runtime, name in TARGET_OF.items():
        if name in written and is_installed(name, to_run=exported is not None):
            return runtime
    return "torch"


def cached_folder(model: Reference, setup: Setup, noise: str = "const") -> Path:
    """Where the files of a model for a runtime lie, or would."""
    made_for, options = TARGET_OF[setup.runtime], Options(noise=noise, batch=setup.batch)
    stored = PRECISIONS[setup.precision][0]
    what = [model.identity().hash, made_for, stored, options.to_dict(), _GRAPHS_VERSION, __version__]
    what.append(target(made_for).versions())
    return _cache(model) / "exports" / f"{made_for}-{_key(what)}"


def _made_folder(model: Reference, setup: Setup, noise: str, report: Report) -> Path:
    """The same, with the files in it: they are exported if they are not there."""
    path = cached_folder(model, setup, noise)
    if not (path / MANIFEST_FILE).is_file():
        writable_cache(path.parent)
        report(f"Exporting {model} for {setup.runtime}, once")
        export(
            model.load(), [TARGET_OF[setup.runtime]], path, name=model.name,
            options=Options(noise=noise, batch=setup.batch), precision=PRECISIONS[setup.precision][0],
            latents=1,
        )  # fmt: skip
    return path


def _cache(model: Reference) -> Path:
    """The folder of the cache."""
    return default_cache_dir() if model.cache_dir is None else model.cache_dir


def _key(what: Sequence[object]) -> str:
    """A short name for all that a cached file depends on."""
    return facts_digest(what)[:16]
