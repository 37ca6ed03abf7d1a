"""What is measured: a model in a runtime, a recipe at a resolution, or a file in its engine."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo.export.exporting import write
from ganzoo.export.graphs import Options, graphs
from ganzoo.export.manifest import read_manifest
from ganzoo.export.targets import TARGETS, Session, require, target
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import Generator
from ganzoo.latent.saved import load_w
from ganzoo.models.cost import costs
from ganzoo.models.factory import build
from ganzoo.models.recipes import compose, override
from ganzoo.models.reference import Folder, Recipe, Reference, reference
from ganzoo.models.weights import CONFIG_FILE, WEIGHTS_FILE
from ganzoo.runtimes import PRECISIONS, RUNTIMES, TARGET_OF, Setup, cached_folder, exported_folder, load
from ganzoo.system.paths import missing, user_path


@dataclass(frozen=True)
class Subject:
    """One line of the table.

    Attributes:
        name: Model, recipe, folder or file.
        runtime: Name in `ganzoo.runtimes.RUNTIMES`; for a file, its target.
        precision: Name in `ganzoo.runtimes.PRECISIONS`.
        batch: Images at once; a file with a batch size of its own is asked for that.
        resolution: Resolution of a recipe; None for its own.
        device: Device of PyTorch; engines compute on the CPU.
        w: File of saved w to draw; None for w of seeds.
        other_mapping: Take w that were made with another mapping network.
    """

    name: str
    runtime: str
    precision: str = "fp32"
    batch: int = 1
    resolution: int | None = None
    device: str = "cpu"
    w: str | None = None
    other_mapping: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Opened:
    """A subject, ready.

    Attributes:
        run: Function that makes `batch` images from prepared w and returns them.
        batch: Images of a call.
        resolution: Side of the images, or None where nobody knows.
        bytes: Size on disk of mapping and synthesis.
        config: Config, or None for a file.
    """

    run: Callable[[], Any]
    batch: int
    resolution: int | None
    bytes: int
    config: GeneratorConfig | None

    @property
    def cost(self) -> dict[str, int]:
        """Parameters and multiply-accumulates of mapping and deployed synthesis together."""
        if self.config is None:
            return {}
        parts = costs(self.config)
        both = parts["mapping"], parts["deployed synthesis"]
        return {"parameters": sum(p.parameters for p in both), "macs": sum(p.macs for p in both)}


def open_subject(subject: Subject, *, threads: int, work: Path, cache_dir: Path | None = None) -> Opened:
    """A subject in its engine.

    Args:
        subject: Subject to open.
        threads: Threads of the engine.
        work: Folder for files of recipes, which have random weights: no cache keeps them.
        cache_dir: Folder of models.

    Raises:
        ValueError: for an unknown name, runtime or precision, or a damaged file.
        ImportError: if the engine is not installed.
    """
    path = user_path(subject.name)
    if is_file(subject.name):
        return _open_file(path, subject, threads)
    model = reference(subject.name, cache_dir)
    if isinstance(model, Recipe):
        return _open_recipe(subject, threads, work)
    if subject.resolution is not None:
        raise ValueError(f"A resolution is chosen for recipes; {subject.name!r} has its own.")
    generator = load(
        model, subject.runtime, subject.precision, device=subject.device, batch=subject.batch,
        threads=threads,
    )  # fmt: skip
    if (exported := exported_folder(model)) is not None:
        size = _bytes(exported, subject.runtime, subject.precision)
    else:
        size = generator_bytes(subject, model)
    w = drawn_w(subject, generator)

    def run() -> Tensor:
        image: Tensor = generator.synthesis(w).image
        if image.device.type != "cpu":
            torch.accelerator.synchronize()
        return image

    return Opened(run, subject.batch, generator.resolution, size, generator.config)


def drawn_w(subject: Subject, generator: Generator) -> Tensor:
    """W of a batch: the first saved ones, again and again if they are few, or those of the first seeds."""
    if subject.w is not None:
        saved = load_w(subject.w, generator, other_mapping=subject.other_mapping).w
        return saved[torch.arange(subject.batch) % len(saved)]
    z, label = generator.sample_z(subject.batch), _labels(generator.label_dim, subject.batch)
    w: Tensor = generator.mapping(z.to(subject.device), None if label is None else label.to(subject.device))
    return w


def is_file(name: str) -> bool:
    """Whether a name is one of a file for an engine, by its ending."""
    return Path(name).suffix in _SUFFIXES and not user_path(name).is_dir()


def label(subject: Subject) -> str:
    """What a line of the table is called, short."""
    name = Path(subject.name).name if Path(subject.name).exists() else subject.name
    parts = [name if subject.resolution is None else f"{name} {subject.resolution}"]
    if not is_file(subject.name):
        parts.append(subject.runtime)
    parts.append(subject.precision)
    if subject.batch > 1:
        parts.append(f"batch {subject.batch}")
    if subject.device != "cpu":
        parts.append(subject.device)
    return ", ".join(parts)


_SUFFIXES = {target(name).SUFFIX: name for name in TARGETS}


def _open_file(path: Path, subject: Subject, threads: int) -> Opened:
    """A file alone: it is run on random numbers of its inputs' shapes."""
    if not path.is_file():
        raise FileNotFoundError(missing(path))
    name = _SUFFIXES[path.suffix]
    require(name, to_run=True)
    session = target(name).open_file(path, PRECISIONS[subject.precision][1], threads)
    size = sum(p.stat().st_size for p in path.parent.glob(f"{path.stem}.*") if _goes_with(path, p))
    inputs = _random(session, subject.batch)
    shape = session(inputs).shape
    batch = shape[0] if len(shape) == 4 else subject.batch
    return Opened(lambda: session(inputs), batch, shape[-1] if len(shape) == 4 else None, size, None)


def _open_recipe(subject: Subject, threads: int, work: Path) -> Opened:
    """A recipe's network, untrained, through the same files as a trained one."""
    if subject.runtime not in TARGET_OF or subject.device != "cpu":
        raise ValueError(f"A recipe is measured on the CPU in {', '.join(TARGET_OF)}: save it for others.")
    config = reference(subject.name).config()
    if subject.resolution is not None:
        config = resized(subject.name, subject.resolution)
    stored, computed = PRECISIONS[subject.precision]
    name = TARGET_OF[subject.runtime]
    require(name)
    generator = build(config)
    if subject.runtime == "torch":
        synthesis = deploy(generator).synthesis
        w = torch.randn(subject.batch, config.num_ws, config.w_dim)
        size = 4 * sum(p.numel() for p in generator.parameters())
        return Opened(lambda: synthesis(w).image, subject.batch, config.resolution, size, config)
    folder = work / f"{subject.name}-{config.resolution}-{name}-{stored}-{subject.batch}"
    size = 0
    for graph in graphs(generator, Options(batch=subject.batch), target(name).FORM):
        path = folder / f"{graph.name}{target(name).SUFFIX}"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write(name, graph, path, stored)
    size = sum(p.stat().st_size for p in folder.iterdir())
    session = target(name).open_file(path, computed, threads)
    inputs = _random(session, subject.batch)
    return Opened(lambda: session(inputs), subject.batch, config.resolution, size, config)


def resized(recipe: str, resolution: int) -> GeneratorConfig:
    """A recipe at another resolution, as `create` makes it.

    Raises:
        ValueError: for a resolution that it cannot have.
    """
    return GeneratorConfig.from_dict(override(compose(recipe), {"resolution": resolution}))


def generator_bytes(subject: Subject, model: Reference) -> int:
    """What a model takes on disk in its runtime."""
    if subject.runtime in TARGET_OF and subject.runtime != "torch":
        setup = Setup(subject.runtime, subject.precision, batch=subject.batch)
        folder = cached_folder(model, setup)
        return sum(p.stat().st_size for p in folder.iterdir() if p.suffix != ".json")
    if isinstance(model, Folder):
        return sum((model.folder / file).stat().st_size for file in (CONFIG_FILE, WEIGHTS_FILE))
    sizes: list[int] = [tensor.numel() for tensor in model.load().state_dict().values()]
    return 4 * sum(sizes)


def check(subject: Subject) -> None:
    """Raise what would be raised on opening, where that is cheap to tell."""
    if subject.precision not in PRECISIONS:
        raise ValueError(f"precision is one of {', '.join(PRECISIONS)}; got {subject.precision!r}.")
    if subject.runtime not in RUNTIMES and subject.runtime not in TARGETS:
        raise ValueError(f"runtime is one of {', '.join(RUNTIMES)}; got {subject.runtime!r}.")
    if subject.w is not None and (is_file(subject.name) or isinstance(reference(subject.name), Recipe)):
        raise ValueError(f"--w needs models, which know their w; {subject.name!r} is none.")


def _bytes(folder: Path, runtime: str, precision: str) -> int:
    """Of the files of an exported folder that a runtime reads."""
    wanted = TARGET_OF[runtime], PRECISIONS[precision][0]
    entries = [e for e in read_manifest(folder)["files"] if (e["target"], e["precision"]) == wanted]
    names = [str(name) for entry in entries for name in entry["files"]]
    return sum((folder / name).stat().st_size for name in names)


def _goes_with(path: Path, other: Path) -> bool:
    """Whether a file is the one, or holds its weights."""
    return other == path or (path.suffix == ".xml" and other.suffix == ".bin")


def _random(session: Session, batch: int) -> list[Any]:
    """Normal numbers for every input, the same ones for every caller."""
    random = np.random.RandomState(0)
    shapes = [[batch if size is None else size for size in shape] for shape in session.shapes]
    return [random.standard_normal(shape).astype(np.float32) for shape in shapes]


def _labels(label_dim: int, n: int) -> torch.Tensor | None:
    """The first class, for all samples of a conditional network."""
    return torch.eye(label_dim)[:1].repeat(n, 1) if label_dim else None
