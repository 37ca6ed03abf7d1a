"""Exported files in an engine, behind the generator's own call."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganzoo.blocks import MappingNetwork
from ganzoo.export.graphs import Options
from ganzoo.export.manifest import check_files, read_manifest
from ganzoo.export.targets import Session, target
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.generators.synthesis import Noise, Output, RandomSource, SynthesisNetwork

# runtime: target of its files; the fastest first, those behind that take half a minute to write their files
TARGET_OF = {
    "openvino": "openvino", "onnxruntime": "onnx", "litert": "litert", "executorch": "executorch",
    "torch": "torch",
}  # fmt: skip
# precision: of the weights in the file, of the computation; PyTorch without a file computes in it
PRECISIONS = {
    "fp32": ("fp32", "fp32"), "bf16": ("fp32", "bf16"), "fp16": ("fp16", "fp32"), "int8": ("int8", "fp32"),
}  # fmt: skip


def engine_generator(
    runtime: str, precision: str, folder: Callable[[str], Path], threads: int | None
) -> Generator:
    """A generator whose two networks are files in an engine.

    Args:
        runtime: Name in `RUNTIMES`, not auto.
        precision: Name in `PRECISIONS`.
        folder: Function of the noise ("const", "given" or, of files that have none, "none") to the folder of
            files made for it.
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
        self.w_avg = shell.w_avg = w_avg
        self._center = shell.center
        self.session, self.batch = session, batch

    def center(self, w: Tensor) -> Tensor:
        return self._center(w)

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
        if self.options.space == "w":
            if not torch.equal(w, w[:, :1].expand_as(w)):
                raise ValueError("These files were exported with one w for all layers: w's rows differ.")
            inputs = [w[:, 0]]
        kind = noise if isinstance(noise, str) and noise in ("const", self.options.noise) else "given"
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
        session: Session that runs the file.
        inputs: Inputs with the samples along their first dimension.
        batch: Samples that the file takes at once; None for any number.
        after: Inputs behind those, which all samples share.
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
