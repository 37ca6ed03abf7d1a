"""`bench`: what `ganzoo bench` does, from names to a table.

found = ganzoo.bench.bench("mobilestylegan_ffhq_64_lite", runtimes=["torch", "openvino"])
print([(row.label, row.p50) for row in found.rows])
"""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import torch

from ganzoo.bench.measure import Row, measure, ratios
from ganzoo.bench.report import write
from ganzoo.bench.subjects import Subject, check, is_file
from ganzoo.bench.submissions import write as write_submission
from ganzoo.bench.submitting import check_submittable, submission
from ganzoo.metrics.distances import DEFINITIONS
from ganzoo.models.reference import Recipe, reference
from ganzoo.runtimes import Setup, choose_precision, fastest
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.paths import user_path
from ganzoo.system.provenance import Provenance, load, provenance
from ganzoo.system.version import __version__


@dataclass(frozen=True)
class BenchRequest:
    """What is timed, and how.

    Args:
        name: Model, recipe (with random weights), folder, or file of an engine.
        vs: Others to time in turns with it: A B A B.
        runtimes: Names of `ganzoo.runtimes.RUNTIMES`; "auto" for the fastest. A file has its own.
        precisions: Names of `ganzoo.runtimes.PRECISIONS`; "auto" for the fastest that gives the same images.
        batches: Numbers of images at once.
        resolutions: Sides of a recipe's images; None for its own.
        rounds: Number of timed calls of each.
        threads: Threads of the engines; None for PyTorch's number.
        latents: Number of latents on which images are compared with PyTorch's; 0 for no comparison.
        w: File of saved w to draw and compare on; None for w of seeds.
        other_mapping: Take w that were made with another mapping network.
        memory: Whether start-up and memory are measured, each in a process of its own.
        device: Device of PyTorch; engines compute on the CPU.
        out: Folder for bench.json, table.md and plot.svg; None to write nothing.
        submit: JSON file for others, of published models; see `ganzoo.bench.submissions`. None for none.
        cache_dir: Folder for weights and exported files.
    """

    name: str
    _: KW_ONLY
    vs: Sequence[str] = ()
    runtimes: Sequence[str] = ("auto",)
    precisions: Sequence[str] = ("fp32",)
    batches: Sequence[int] = (1,)
    resolutions: Sequence[int | None] = (None,)
    rounds: int = 20
    threads: int | None = None
    latents: int = 0
    w: str | os.PathLike[str] | None = None
    other_mapping: bool = False
    memory: bool = True
    device: str = "cpu"
    out: str | os.PathLike[str] | None = None
    submit: str | os.PathLike[str] | None = None
    cache_dir: str | os.PathLike[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What was measured, here and now.

    Attributes:
        rows: One a subject.
        ratios: How many times slower those of the first name are than the others; see `ratios`.
        notes: Lines on precisions that were chosen, for people.
        origin: Command, date, hardware and versions.
        threads: Threads of the engines.
        load: Processes that wanted a core in the minute before, or None where nobody counts.
        rounds: Number of timed calls of each.
    """

    rows: tuple[Row, ...]
    ratios: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    origin: Provenance
    threads: int
    load: float | None
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """What bench.json holds beside the rows."""
        exact = any(row.psnr is not None for row in self.rows)
        return {
            "ganzoo_version": __version__,
            "command": self.origin.command,
            "date": self.origin.date,
            "hardware": self.origin.hardware,
            "threads": self.threads,
            "load": self.load,
            "versions": self.origin.versions,
            "rounds": self.rounds,
            "ratios": list(self.ratios),
            **({"definitions": {"psnr": DEFINITIONS["psnr"]}} if exact else {}),
        }


def bench(request: BenchRequest, *, report: Callable[[str], None] = lambda what: None) -> Benchmark:
    """Latency, throughput, memory, start-up and size of synthesis networks, from w.

    Args:
        request: What is timed, and how.
        report: Function that is told what is being done.

    Raises:
        ValueError: for an unknown name, runtime or precision, or a damaged file; for `submit` of a model that
            is not published.
        ImportError: if an engine is not installed.
        OSError: if `out` or `submit` cannot be written.
    """
    out, cache_dir = (None if p is None else user_path(p) for p in (request.out, request.cache_dir))
    if out is not None:
        refuse_unwritable(out, "--out")
    submit = None if request.submit is None else check_submittable(request)
    with _threads(request.threads) as threads, tempfile.TemporaryDirectory() as work:
        notes: list[str] = []
        groups = [_subjects(request, one, threads, notes) for one in (request.name, *request.vs)]
        subjects = [subject for group in groups for subject in group]
        for subject in subjects:
            check(subject)
        load_before = load()
        rows = measure(
            subjects, work=Path(work), rounds=request.rounds, threads=threads, latents=request.latents,
            processes=request.memory, cache_dir=cache_dir, report=report,
        )  # fmt: skip
        found = Benchmark(
            rows=tuple(rows), ratios=tuple(ratios(rows, len(groups[0]))), notes=tuple(notes),
            origin=provenance(), threads=threads, load=load_before, rounds=request.rounds,
        )  # fmt: skip
    if out is not None:
        write(out, found.rows, found.to_dict())
    if submit is not None:
        write_submission(submit, submission(found, request))
    return found


@contextmanager
def _threads(number: int | None) -> Iterator[int]:
    """The threads that PyTorch has in the block."""
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _subjects(request: BenchRequest, name: str, threads: int, notes: list[str]) -> list[Subject]:
    """Everything to time of one name; what was chosen on the way is noted."""
    device = request.device
    model = None if is_file(name) else reference(name, request.cache_dir)
    engines = [fastest(device, model) if engine == "auto" else engine for engine in request.runtimes]
    if model is None:
        engines, device = engines[:1], "cpu"
    found = []
    for engine in engines:
        kinds = [_precision(request, kind, name, engine, threads, notes) for kind in request.precisions]
        shapes = itertools.product(dict.fromkeys(kinds), request.resolutions, request.batches)
        saved = None if request.w is None else str(user_path(request.w)), request.other_mapping
        found += [Subject(name, engine, kind, n, size, device, *saved) for kind, size, n in shapes]
    return found


def _precision(
    request: BenchRequest, kind: str, name: str, runtime: str, threads: int, notes: list[str]
) -> str:
    """A precision; for "auto" what is fastest for a model in a runtime, which is noted."""
    if kind != "auto":
        return kind
    if is_file(name) or isinstance(reference(name), Recipe):
        raise ValueError(f"--precision auto needs a model; for {name!r} name one or several: fp32,bf16.")
    setup = Setup(runtime, device=request.device, threads=threads)
    choice = choose_precision(reference(name, request.cache_dir), setup)
    notes.append(choice.told)
    return choice.precision
