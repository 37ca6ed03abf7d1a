"""Times, memory and start-up of subjects.

Latency is measured in one process, the subjects in turns, A B A B, so that a machine that slows down slows
all of them; memory and start-up in a process of its own for each.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganzoo.bench.subjects import Opened, Subject, label, open_subject
from ganzoo.export.check import FIRST_SEED
from ganzoo.metrics.distances import psnr
from ganzoo.models.factory import create, resolve
from ganzoo.runtimes import load

WARM_UP = 2
_PAUSE = 0.05  # seconds in front of every call: threads of the engine before spin on for a while


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        subject, label: what was measured.
        resolution: of the images, where known.
        p50, p90: seconds of a call, from styles to images.
        images_per_second: at the median.
        start_seconds: from the start of a process to its first image; None if not measured.
        peak_bytes, import_bytes: of that process, and what it had before it opened the subject.
        bytes: on disk.
        parameters, macs: of mapping and deployed synthesis; None for a file.
        psnr: against PyTorch in fp32, over `latents`; see `ganzoo.metrics.distances`. None if not measured.
        seconds: of every round.
    """

    subject: dict[str, Any]
    label: str
    resolution: int | None
    batch: int
    p50: float
    p90: float
    images_per_second: float
    bytes: int
    start_seconds: float | None
    peak_bytes: int | None
    import_bytes: int | None
    parameters: int | None
    macs: int | None
    psnr: float | None
    latents: int
    seconds: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def bench(
    subjects: Sequence[Subject],
    *,
    work: Path,
    rounds: int = 20,
    threads: int = 1,
    latents: int = 0,
    processes: bool = True,
    cache_dir: Path | None = None,
    report: Callable[[str], None] = lambda what: None,
) -> list[Row]:
    """A row for every subject.

    Args:
        subjects: what to measure.
        work: a folder for files that no cache keeps.
        rounds: timed calls of each.
        threads: of the engines.
        latents: to compare with PyTorch on; 0 for no comparison.
        processes: measure memory and start-up, too.
        cache_dir: of models and exported files.
        report: called with what is being done.

    Raises:
        ValueError: for an unknown name, runtime or precision, or a damaged file.
        ImportError: if an engine is not installed.
    """
    opened = []
    for subject in subjects:
        report(f"Opening {label(subject)}")
        with torch.inference_mode():
            opened.append(open_subject(subject, threads=threads, work=work, cache_dir=cache_dir))
    seconds: list[list[float]] = [[] for _ in subjects]
    with torch.inference_mode():
        for i in range(WARM_UP + rounds):
            report(f"Round {i + 1} of {WARM_UP + rounds}")
            for one, times in zip(opened, seconds, strict=True):
                time.sleep(_PAUSE)
                began = time.perf_counter()
                one.run()
                if i >= WARM_UP:
                    times.append(time.perf_counter() - began)
    rows = []
    for subject, one, times in zip(subjects, opened, seconds, strict=True):
        report(f"Memory and exactness of {label(subject)}")
        rows.append(_row(subject, one, times, threads, latents, processes, work, cache_dir))
    return rows


def ratios(rows: Sequence[Row], count: int) -> list[dict[str, Any]]:
    """How many times slower the first `count` rows are than every other one: medians over rounds."""
    found = []
    for row in rows[:count]:
        for other in rows[count:]:
            each = [
                (a / row.batch) / (b / other.batch) for a, b in zip(row.seconds, other.seconds, strict=True)
            ]
            ordered = sorted(each)
            found.append(
                {
                    "of": row.label,
                    "to": other.label,
                    "ratio": statistics.median(each),
                    "p10": ordered[len(ordered) // 10],
                    "p90": ordered[-1 - len(ordered) // 10],
                }
            )
    return found


def _row(
    subject: Subject,
    opened: Opened,
    times: Sequence[float],
    threads: int,
    latents: int,
    processes: bool,
    work: Path,
    cache_dir: Path | None,
) -> Row:
    ordered = sorted(times)
    p50 = statistics.median(times)
    alone: dict[str, Any] = {}
    if processes:
        alone = _in_own_process(subject, threads, work, cache_dir)
    is_model = opened.config is not None and subject.resolution is None and latents > 0
    psnr = _psnr(subject, latents, threads, cache_dir) if is_model else None
    return Row(
        subject=subject.to_dict(),
        label=label(subject),
        resolution=opened.resolution,
        batch=opened.batch,
        p50=p50,
        p90=ordered[math.ceil(0.9 * len(ordered)) - 1],
        images_per_second=opened.batch / p50,
        bytes=opened.bytes,
        start_seconds=alone.get("start_seconds"),
        peak_bytes=alone.get("peak_bytes"),
        import_bytes=alone.get("import_bytes"),
        parameters=opened.cost.get("parameters"),
        macs=opened.cost.get("macs"),
        psnr=psnr,
        latents=latents if psnr is not None else 0,
        seconds=tuple(times),
    )


@torch.inference_mode()
def _psnr(subject: Subject, latents: int, threads: int, cache_dir: Path | None) -> float | None:
    """PSNR of a model's images against PyTorch's, of a range of 2; None for exported files alone."""
    try:
        trained = create(resolve(subject.name), pretrained=True, cache_dir=cache_dir)
    except ValueError:
        return None
    engine = load(
        subject.name, subject.runtime, subject.precision, device=subject.device, threads=threads,
        cache_dir=cache_dir,
    )  # fmt: skip
    values, same = [], True
    for seed in range(FIRST_SEED, FIRST_SEED + latents):
        w = trained.mapping(trained.sample_z(1, seed), _one_hot(trained.label_dim))
        a, b = engine.synthesis(w.to(subject.device)).image.cpu(), trained.synthesis(w).image
        same = same and torch.equal(a, b)
        values.append(psnr(a, b).item())
    return None if same else float(np.mean(values))


def _one_hot(label_dim: int) -> torch.Tensor | None:
    return torch.eye(label_dim)[:1] if label_dim else None


def _in_own_process(subject: Subject, threads: int, work: Path, cache_dir: Path | None) -> dict[str, Any]:
    """Memory and start-up of a process that makes one image."""
    what = {
        "subject": subject.to_dict(),
        "threads": threads,
        "work": str(work),
        "cache_dir": None if cache_dir is None else str(cache_dir),
        "began": time.time(),
    }
    result = subprocess.run(
        [sys.executable, "-c", "from ganzoo.bench.measure import first_image; first_image()"],
        input=json.dumps(what),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["it was killed"]
        raise OSError(f"{label(subject)} failed in a process of its own: {lines[-1]}")
    return dict(json.loads(result.stdout.splitlines()[-1]))


def first_image() -> None:
    """What that process does: opens the subject on stdin, makes an image, prints what it took."""
    what = json.load(sys.stdin)
    torch.set_num_threads(what["threads"])
    imported = _peak()
    cache_dir = None if what["cache_dir"] is None else Path(what["cache_dir"])
    with torch.inference_mode():
        subject = Subject(**what["subject"])
        open_subject(subject, threads=what["threads"], work=Path(what["work"]), cache_dir=cache_dir).run()
    print(
        json.dumps(
            {
                "start_seconds": time.time() - what["began"],
                "peak_bytes": _peak(),
                "import_bytes": imported,
            }
        )
    )


def _peak() -> int:
    """Bytes of memory that this process has had at most."""
    try:  # Linux's getrusage would tell of the parent process, too
        lines = Path("/proc/self/status").read_text().splitlines()
        [line] = [line for line in lines if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
