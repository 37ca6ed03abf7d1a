"""Generators that run in other engines, behind the generator's own call."""

import hashlib
import importlib.util
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganzoo.blocks import MappingNetwork
from ganzoo.export.exporting import export
from ganzoo.export.graphs import Options
from ganzoo.export.manifest import MANIFEST_FILE, check_files, file_sha256, read_manifest
from ganzoo.export.precision import LEAST_AUTO_PSNR, Choice, choose
from ganzoo.export.targets import Session, require, target
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import Generator
from ganzoo.generators.quick import DTYPES, quicken
from ganzoo.generators.synthesis import Noise, Output, RandomSource, SynthesisNetwork
from ganzoo.metrics.record import hardware
from ganzoo.models.factory import DIR, config_of, create, list_models, model_entry, resolve
from ganzoo.models.folders import find_model
from ganzoo.models.hub_names import is_hub_name, parse_hub_name
from ganzoo.models.hub_pull import locate
from ganzoo.models.recipes import list_recipes
from ganzoo.models.sources import default_cache_dir, writable_cache
from ganzoo.models.weights import CONFIG_FILE, WEIGHTS_FILE, empty
from ganzoo.system.paths import user_path
from ganzoo.system.validation import unknown
from ganzoo.system.version import __version__

# runtime: target of its files; the fastest first
TARGET_OF = {"openvino": "openvino", "onnxruntime": "onnx", "torch": "torch"}
RUNTIMES = ("auto", *TARGET_OF, "compiled")
# precision: of the weights in the file, of the computation; PyTorch without a file computes in it
PRECISIONS = {
    "fp32": ("fp32", "fp32"), "bf16": ("fp32", "bf16"), "fp16": ("fp16", "fp32"), "int8": ("int8", "fp32"),
}  # fmt: skip
_GRAPHS_VERSION = 2  # raised when the files change though the weights do not


def load(
    name: str | os.PathLike[str],
    runtime: str = "openvino",
    precision: str = "fp32",
    *,
    device: str = "cpu",
    batch: int = 1,
    threads: int | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    report: Callable[[str], None] = lambda what: None,
    least_psnr: float = LEAST_AUTO_PSNR,
) -> Generator:
    """A generator that computes in an engine, called like any other; it has no gradients.

    Files are exported once into the cache, verified, and found there the next time. With constant noise,
    `Output.noise` is empty: the constants lie in the file.

    Args:
        name: a model of `ganzoo list`, the folder of a saved one or of a run, or of exported files.
        runtime: "openvino", "onnxruntime", "torch" (the deploy form), "compiled" (the same, by
            `torch.compile`), or "auto": the fastest that is installed and needs no compiler.
        precision: "fp32"; "bf16" (OpenVINO, PyTorch) and PyTorch's "fp16" compute in it; else "fp16" and
            "int8" are how weights lie in the file. "auto": what `choose_precision` finds fastest here.
        device: of PyTorch; engines compute on the CPU.
        batch: images at once in the engine; other numbers are cut up and filled up.
        threads: of the engine; None leaves it to the engine.
        cache_dir: where weights and files are kept.
        report: called with what is being done, if it takes long.
        least_psnr: what "auto" asks of fewer bits, in dB from fp32.

    Raises:
        ValueError: for an unknown name, runtime or precision.
        ImportError: if the runtime is not installed.
    """
    if runtime not in RUNTIMES:
        raise ValueError(unknown("runtime", runtime, RUNTIMES))
    if precision not in (*PRECISIONS, "auto"):
        raise ValueError(unknown("precision", precision, (*PRECISIONS, "auto")))
    runtime = fastest(device) if runtime == "auto" else runtime
    if precision == "auto":
        precision = choose_precision(
            name, runtime, device=device, batch=batch, threads=threads, cache_dir=cache_dir,
            report=report, least_psnr=least_psnr,
        ).precision  # fmt: skip
    exported = exported_folder(name)
    if runtime in ("torch", "compiled") and exported is None:
        if precision not in DTYPES:
            raise ValueError(f"PyTorch computes in {', '.join(DTYPES)}; got the precision {precision!r}.")
        generator = deploy(create(resolve(name), pretrained=True, device=device, cache_dir=cache_dir))
        if precision == "fp32" and runtime == "torch":
            return generator
        return quicken(generator, precision, compiled=runtime == "compiled")
    if runtime == "compiled":
        raise ValueError("The runtime compiled takes a model; exported files run in their engine.")
    if torch.device(device).type != "cpu":
        raise ValueError(f"The runtime {runtime} computes on the CPU; {device} is PyTorch's.")
    if precision == "bf16" and runtime != "openvino":
        raise ValueError(
            f"The precision bf16 is OpenVINO's and PyTorch's; {runtime} has fp32, fp16 and int8."
        )
    if exported is not None:
        return engine_generator(runtime, precision, lambda noise: exported, threads)
    resolved = resolve(name)
    config_of(resolved, cache_dir)  # an unknown name is told before a missing engine
    require(TARGET_OF[runtime])

    def folder(noise: str) -> Path:
        path = cached_folder(resolved, runtime, precision, batch, cache_dir, noise=noise)
        if not (path / MANIFEST_FILE).is_file():
            writable_cache(path.parent)
            report(f"Exporting {name} for {runtime}, once")
            generator = create(resolved, pretrained=True, cache_dir=cache_dir)
            asked = os.fspath(name)
            options, stored = Options(noise=noise, batch=batch), PRECISIONS[precision][0]
            export(
                generator, [TARGET_OF[runtime]], path, name=asked, options=options, precision=stored,
                latents=1,
            )  # fmt: skip
        return path

    return engine_generator(runtime, precision, folder, threads)


def choose_precision(
    name: str | os.PathLike[str],
    runtime: str,
    *,
    device: str = "cpu",
    batch: int = 1,
    threads: int | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    report: Callable[[str], None] = lambda what: None,
    least_psnr: float = LEAST_AUTO_PSNR,
) -> Choice:
    """The precision in which a model computes fastest here, among those that give its images.

    It is measured once for a model, an engine's version, a processor and a number of threads, and kept in the
    cache. The arguments are those of `load`; `runtime` is not "auto".

    Raises:
        ValueError: for an unknown name or runtime.
        ImportError: if the runtime is not installed.
    """
    if runtime not in RUNTIMES[1:]:
        raise ValueError(unknown("runtime", runtime, RUNTIMES[1:]))
    candidates, exported = ["fp32"], exported_folder(name)
    if runtime == "openvino":
        candidates += ["bf16"]
    elif runtime in ("torch", "compiled") and exported is None:
        candidates += ["bf16"] if torch.device(device).type == "cpu" else ["bf16", "fp16"]

    def open_one(precision: str) -> Generator:
        report(f"Measuring {name} in {precision}, once")
        return load(
            name, runtime, precision, device=device, batch=batch, threads=threads, cache_dir=cache_dir,
            report=report,
        )  # fmt: skip

    if exported is not None:
        identity: list[str | None] = [file_sha256(exported / MANIFEST_FILE)]
    else:
        config_of(resolve(name), cache_dir)  # an unknown name is told before a missing engine
        identity = _identity(resolve(name), cache_dir)
    made_for = target(TARGET_OF.get(runtime, "torch")).versions()
    what = [identity, runtime, made_for, __version__, hardware(device), threads, batch, candidates]
    path = _cache(cache_dir) / "precisions" / f"{_key(what)}.json"
    return choose(open_one, candidates, path, device=device, batch=batch, least_psnr=least_psnr)


def exported_folder(name: str | os.PathLike[str]) -> Path | None:
    """The folder of exported files that a name stands for, or None if it stands for none."""
    resolved = resolve(name)
    if resolved in [*list_models(), *list_recipes()] or is_hub_name(resolved):
        return None
    folder = Path(resolved.removeprefix(DIR))
    return folder if find_model(folder) is None and (folder / MANIFEST_FILE).is_file() else None


def fastest(device: str = "cpu") -> str:
    """The fastest runtime that is installed and computes on a device."""
    if torch.device(device).type != "cpu":
        return "torch"
    for runtime, name in TARGET_OF.items():
        if all(map(importlib.util.find_spec, target(name).PACKAGES)):
            return runtime
    return "torch"


def described(runtime: str, precision: str) -> str:
    """A runtime with its version, for people."""
    name = "torch" if runtime == "compiled" else runtime
    version = target(TARGET_OF[name]).versions().get(name, "").partition("-")[0]
    return f"{name} {version}{', compiled' if runtime == 'compiled' else ''}, {precision}"


def engine_generator(
    runtime: str, precision: str, folder: Callable[[str], Path], threads: int | None
) -> Generator:
    """A generator whose two networks are files in an engine.

    Args:
        runtime: Name in `RUNTIMES`, not auto.
        precision: Name in `PRECISIONS`.
        folder: Function of the noise ("const" or "given") to the folder of files made for it.
        threads: Threads of the engine.
    """
    manifest = read_manifest(folder("const"))
    shell = empty(GeneratorConfig.from_dict(manifest["config"]))

    def open_graph(graph: str, noise: str) -> Session:
        return _open(folder(noise), graph, noise, runtime, precision, threads)

    options = Options(**manifest["options"])
    w_avg = torch.tensor(manifest["w_avg"], dtype=torch.float32)
    return Generator(
        shell.config,
        EngineMapping(shell.mapping, w_avg, open_graph("mapping", options.noise), options.batch),
        EngineSynthesis(shell.synthesis, lambda noise: open_graph("synthesis", noise), options),
        form=f"{runtime}, {precision}",
    )


class EngineMapping(MappingNetwork):
    """A mapping network in an engine; truncation stays here."""

    def __init__(self, shell: MappingNetwork, w_avg: Tensor, session: Session, batch: int | None) -> None:
        super().__init__(
            z_dim=shell.z_dim, w_dim=w_avg.shape[-1], num_ws=shell.num_ws, label_dim=shell.label_dim
        )
        self.w_avg = w_avg
        self.session, self.batch = session, batch

    def rows(self, z: Tensor, label: Tensor | None) -> Tensor:
        latents = [z] if label is None else [z, label]
        w = _run(self.session, latents, self.batch, after=[torch.ones(1)])
        return w if w.ndim == 3 else w[:, None].repeat(1, self.num_ws, 1)


class EngineSynthesis(SynthesisNetwork):
    """A synthesis network in an engine."""

    def __init__(self, shell: SynthesisNetwork, session: Callable[[str], Session], options: Options) -> None:
        super().__init__(num_ws=shell.num_ws, w_dim=shell.w_dim, noise_sizes=shell.noise_sizes)
        self.cuts_batches = options.batch is not None
        self._open, self._sessions = session, dict[str, Session]()
        self.batch, self.options = options.batch, options

    def forward(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Output:
        found = self.layer_noise(w, noise, generator)  # refuses what a generator refuses
        inputs, used = [w], list[Tensor]()
        if self.options.styles == "w":
            if not torch.equal(w, w[:, :1].expand_as(w)):
                raise ValueError("These files were exported with one style for all layers: w's rows differ.")
            inputs = [w[:, 0]]
        kind = noise if isinstance(noise, str) and noise == "const" else "given"
        if kind == "given":
            used = [x.detach() for x in self.used_noise(w, found)]
            inputs += [x.expand(w.shape[0], -1, -1, -1) for x in used]
        if kind not in self._sessions:
            self._sessions[kind] = self._open(kind)
        return Output(_run(self._sessions[kind], inputs, self.batch), [], used)


def _run(
    session: Session, inputs: Sequence[Tensor], batch: int | None, after: Sequence[Tensor] = ()
) -> Tensor:
    """The result for any number of samples, `batch` at a time, the last ones filled up with zeros.

    Args:
        session: what runs the file.
        inputs: with the samples along their first dimension.
        batch: what the file takes; None for any number.
        after: inputs behind those that all samples share.
    """
    count = inputs[0].shape[0]
    step = batch or max(1, count)
    shared = [x.numpy() for x in after]
    results = []
    for start in range(0, max(1, count), step):
        part = [np.ascontiguousarray(x[start : start + step].detach().float().numpy()) for x in inputs]
        size = part[0].shape[0]
        if size < step:
            part = [np.concatenate([x, np.zeros((step - size, *x.shape[1:]), x.dtype)]) for x in part]
        results.append(torch.from_numpy(session([*part, *shared]))[:size])
    return results[0] if len(results) == 1 else torch.cat(results)


def _open(folder: Path, graph: str, noise: str, runtime: str, precision: str, threads: int | None) -> Session:
    """A file of a folder in its engine, after its hash was checked."""
    manifest = read_manifest(folder)
    name, (stored, computed) = TARGET_OF[runtime], PRECISIONS[precision]
    if manifest["options"]["noise"] != noise and graph == "synthesis":
        raise ValueError(
            f"The files in {folder} were exported with --noise {manifest['options']['noise']}: "
            f"{'other' if noise == 'given' else 'constant'} noise needs --noise {noise}."
        )
    for entry in manifest["files"]:
        if (entry["target"], entry["graph"], entry["precision"]) == (name, graph, stored):
            check_files(folder, entry)
            path = next(folder / file for file in entry["files"] if file.endswith(target(name).SUFFIX))
            return target(name).open_file(path, computed, threads)
    raise ValueError(f"{folder} holds no {graph} for {name} in {stored}: ganzoo export writes one.")


def cached_folder(
    name: str,
    runtime: str,
    precision: str,
    batch: int = 1,
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    noise: str = "const",
) -> Path:
    """Where the files of a model for a runtime lie, or would; `name` is one for `create`."""
    made_for, options = TARGET_OF[runtime], Options(noise=noise, batch=batch)
    identity, stored = _identity(name, cache_dir), PRECISIONS[precision][0]
    what = [identity, made_for, stored, options.to_dict(), _GRAPHS_VERSION, __version__]
    what.append(target(made_for).versions())
    return _cache(cache_dir) / "exports" / f"{made_for}-{_key(what)}"


def _identity(name: str, cache_dir: str | os.PathLike[str] | None) -> list[str | None]:
    """What tells a model's weights from all others, without loading them; `name` is one for `create`."""
    entry = model_entry(name) if name in list_models() else None
    if entry is not None:
        return [entry.name, entry.weights_sha256]
    if is_hub_name(name):
        return [parse_hub_name(name).repo, locate(name, cache_dir).commit]
    own = Path(name.removeprefix("dir:"))
    return [file_sha256(own / file) for file in (CONFIG_FILE, WEIGHTS_FILE)]


def _cache(cache_dir: str | os.PathLike[str] | None) -> Path:
    """The folder of the cache."""
    return default_cache_dir() if cache_dir is None else user_path(cache_dir)


def _key(what: Sequence[object]) -> str:
    """A short name for all that a cached file depends on."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
