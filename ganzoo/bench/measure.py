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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganzoo.bench.subjects import Opened, Subject, drawn_w, label, open_subject
from ganzoo.export.check import FIRST_SEED
from ganzoo.metrics.distances import psnr
from ganzoo.models.reference import reference
from ganzoo.runtimes import exported_folder, load
from ganzoo.system.timing import in_turns

WARM_UP = 2
_PAUSE = 0.05  # seconds in front of every call: threads of the engine before spin on for a while


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        subject, label: Subject that was measured, and its name in tables.
        resolution: Side of the images, where known.
        p50, p90: Seconds of a call, from w to images.
        images_per_second: Images per second at the median.
        start_seconds: Seconds from the start of a process to its first image; None if not measured.
        peak_bytes, import_bytes: Peak memory of that process, and its memory before it opened the subject.
        bytes: Size on disk.
        parameters, macs: Costs of mapping and deployed synthesis; None for a file.
        psnr: PSNR against PyTorch in fp32, over `latents`; see `ganzoo.metrics.distances`. None if not
            measured.
        seconds: Seconds of every round.
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


def measure(
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
        subjects: Subjects to measure.
        work: Folder for files that no cache keeps.
        rounds: Timed calls of each subject.
        threads: Threads of the engines.
        latents: Number of latents to compare with PyTorch on; 0 for no comparison.
        processes: Whether to measure memory and start-up, too.
        cache_dir: Folder of models and exported files.
        report: Function that is told what is being done.

    Raises:
        ValueError: for an unknown name, runtime or precision, or a damaged file.
        ImportError: if an engine is not installed.
    """
    opened = []
    for subject in subjects:
        report(f"Opening {label(subject)}")
        with torch.inference_mode():
            opened.append(open_subject(subject, threads=threads, work=work, cache_dir=cache_dir))
    report("Warming up")
    timed = []
    with torch.inference_mode():
        for times in in_turns([one.run for one in opened], rounds, warm_up=WARM_UP, pause=_PAUSE):
            timed.append(times)
            report(f"{len(timed)} of {rounds} rounds")
    rows = []
    for subject, one, times in zip(subjects, opened, zip(*timed, strict=True), strict=True):
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
    model = reference(subject.name, cache_dir)
    if exported_folder(model) is not None:
        return None
    trained = model.load()
    engine = load(model, subject.runtime, subject.precision, device=subject.device, threads=threads)
    values, same = [], True
    given = None if subject.w is None else drawn_w(replace(subject, batch=latents), trained)
    for number in range(latents):
        if given is not None:
            w = given[number : number + 1]
        else:
            w = trained.mapping(trained.sample_z(1, FIRST_SEED + number), _one_hot(trained.label_dim))
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
