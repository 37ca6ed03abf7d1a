"""Generators that run in other engines, behind the generator's own call."""

import os
from abc import ABC, abstractmethod
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
_FASTER = {"openvino": ("bf16",), "executorch": ("fp16",)}  # than fp32, on some processors
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
    return _computed(model, setup).open(report)


def choose_precision(
    model: Reference, setup: Setup, *, report: Report = _quiet, least_psnr: float = LEAST_AUTO_PSNR
) -> Choice:
    """The precision in which a model computes fastest here, among those that give its images.

    It is measured once for a model, an engine's version, a processor and a number of threads, and kept in the
    cache. The arguments are those of `load`; the setup's own precision does not matter.

    Raises:
        ValueError: for an unknown name.
        ImportError: if the runtime is not installed.
    """
    setup = setup.here(model)
    computed = _computed(model, setup)
    candidates = computed.candidates()

    def open_one(precision: str) -> Generator:
        report(f"Measuring {model} in {precision}, once")
        return opened(model, replace(setup, precision=precision), report)

    made_for, where = target(TARGET_OF.get(setup.runtime, "torch")).versions(), hardware(setup.device)
    what = [computed.digest(), setup.runtime, made_for, __version__, where]
    path = _cache(model) / "precisions" / f"{_key([*what, setup.threads, setup.batch, candidates])}.json"
    return choose(open_one, candidates, path, where, batch=setup.batch, least_psnr=least_psnr)


@dataclass(frozen=True)
class _Computed(ABC):
    """A model and how it is to compute, which not every model can."""

    model: Reference
    setup: Setup

    @abstractmethod
    def open(self, report: Report) -> Generator:
        """The generator that computes so.

        Raises:
            ValueError: if this model cannot compute so.
            ImportError: if the runtime is not installed.
        """

    def candidates(self) -> list[str]:
        """Precisions that may be faster than fp32, which is the first of them."""
        return ["fp32", *_FASTER.get(self.setup.runtime, ())]

    def digest(self) -> str | None:
        """Hash of all that the images come from."""
        self.model.config()  # an unknown name is told before a missing engine
        return self.model.identity().hash


class _InPyTorch(_Computed):
    """A model in PyTorch, which needs no files."""

    def open(self, report: Report) -> Generator:
        precision = self.setup.precision
        if precision not in DTYPES:
            raise ValueError(f"PyTorch computes in {', '.join(DTYPES)}; got the precision {precision!r}.")
        generator = deploy(self.model.load().to(self.setup.device))
        if precision == "fp32" and self.setup.runtime == "torch":
            return generator
        return quicken(generator, precision, compiled=self.setup.runtime == "compiled")

    def candidates(self) -> list[str]:
        return ["fp32", "bf16"] if torch.device(self.setup.device).type == "cpu" else ["fp32", "bf16", "fp16"]


class _InEngine(_Computed):
    """A model in another engine: its files are exported once into the cache."""

    def open(self, report: Report) -> Generator:
        self.check()
        self.model.config()  # an unknown name is told before a missing engine
        require(TARGET_OF[self.setup.runtime])
        return self.engine(lambda noise: _made_folder(self.model, self.setup, noise, report))

    def check(self) -> None:
        """Raise ValueError if the engine has no such device or precision."""
        runtime, precision, device = self.setup.runtime, self.setup.precision, self.setup.device
        if torch.device(device).type != "cpu":
            raise ValueError(f"The runtime {runtime} computes on the CPU; {device} is PyTorch's.")
        module = target(TARGET_OF[runtime])
        if precision == "bf16" and runtime != "openvino":
            has = ", ".join(module.PRECISIONS)
            raise ValueError(f"The precision bf16 is OpenVINO's and PyTorch's; {runtime} has {has}.")
        if PRECISIONS[precision][0] not in module.PRECISIONS:
            raise ValueError(f"{runtime}: {unknown('precision', precision, module.PRECISIONS)}")

    def engine(self, folder: Callable[[str], Path]) -> Generator:
        """The generator in the engine, with the folder of the files for a kind of noise."""
        return engine_generator(self.setup.runtime, self.setup.precision, cache(folder), self.setup.threads)


class _Exported(_InEngine):
    """Exported files in their engine."""

    model: Folder

    def open(self, report: Report) -> Generator:
        if self.setup.runtime == "compiled":
            raise ValueError("The runtime compiled takes a model; exported files run in their engine.")
        self.check()
        require(TARGET_OF[self.setup.runtime], to_run=True)
        return self.engine(lambda noise: self.model.path)

    def candidates(self) -> list[str]:
        return super().candidates() if self.setup.runtime == "openvino" else ["fp32"]

    def digest(self) -> str | None:
        return sha256(self.model.path / MANIFEST_FILE)


def _computed(model: Reference, setup: Setup) -> _Computed:
    """A model that is to compute so, by what it is and what computes."""
    if exported_folder(model) is not None:
        return _Exported(model, setup)
    return _InPyTorch(model, setup) if setup.is_pytorch else _InEngine(model, setup)


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
