"""A submission of what was measured here, without anything private.

ganzoo bench mobilestylegan_ffhq --runtime torch,openvino --submit mine.json
"""

import os
import platform
import re
import shlex
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ganzoo.bench.measure import Row
from ganzoo.bench.submissions import LONGEST, SIGNS, Machine, Submission, Timing
from ganzoo.export.targets import target
from ganzoo.models.published import list_models
from ganzoo.models.reference import Published, reference
from ganzoo.runtimes import TARGET_OF
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.paths import user_path
from ganzoo.system.provenance import processor
from ganzoo.system.version import __version__

if TYPE_CHECKING:
    from ganzoo.bench.benchmark import Benchmark, BenchRequest


def check_submittable(request: "BenchRequest") -> Path:
    """The path to write to, if what is to be timed is for everybody; opens nothing.

    Args:
        request: Request with a path in `submit`.

    Raises:
        ValueError: for a model that is not published, or a file that does not end in .json.
        OSError: if the file cannot be written.
    """
    path = user_path(request.submit or "")
    for name in (request.name, *request.vs):
        if not isinstance(reference(name), Published):
            raise ValueError(
                f"--submit is for published models, which others have as well; {name!r} is none. "
                f"Choose from: {', '.join(list_models())}."
            )
    if path.suffix != ".json" or path.is_dir():
        raise ValueError(f"--submit is a file whose name ends in .json; got {str(path)!r}.")
    refuse_unwritable(path.parent, "The folder of --submit")
    return path


def submission(found: "Benchmark", request: "BenchRequest") -> Submission:
    """What `found` has to say to everybody.

    Args:
        found: Measured times of published models.
        request: What was asked for.
    """
    runtimes = {row.subject["runtime"] for row in found.rows}
    engines = [target(TARGET_OF.get(name, "torch")) for name in runtimes]
    known = {key: value for engine in engines for key, value in engine.versions().items() if key != "opset"}
    versions = {"python": platform.python_version(), "torch": torch.__version__, **known}
    return Submission(
        machine=_machine(request.device),
        times=tuple(_timing(row) for row in found.rows),
        threads=found.threads,
        rounds=found.rounds,
        load=None if found.load is None else round(found.load, 1),
        versions=versions,
        ganzoo_version=__version__,
        date=found.origin.date.partition("T")[0],
        command=_command(request, found.threads),
    )


def _machine(device: str) -> Machine:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    names = getattr(os, "sysconf_names", {})
    memory = None
    if {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(names):
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
    accelerator = None
    if device != "cpu":
        accelerator = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    return Machine(
        processor=_plain(processor()),
        cores=cores,
        memory_gb=memory,
        system=_plain(platform.system()),
        architecture=_plain(platform.machine()),
        accelerator=None if accelerator is None else _plain(accelerator),
    )


def _plain(name: str) -> str:
    """A name that the machine gives, with the characters that a submission may hold."""
    words = " ".join(re.sub(f"[^{SIGNS}]", " ", name).split())
    return words.lstrip(" .,;()+@/_-")[:LONGEST] or "unknown"


def _timing(row: Row) -> Timing:
    model = reference(row.subject["name"])
    several = len(row.seconds) > 1
    cuts = statistics.quantiles(row.seconds, n=4, method="inclusive") if several else [row.p50] * 3
    quartiles = [float(f"{cut:.4g}") for cut in cuts]
    return Timing(
        model=model.name,
        weights_sha256=str(model.identity().hash),
        runtime=row.subject["runtime"],
        precision=row.subject["precision"],
        batch=row.batch,
        resolution=row.resolution or 0,
        p25=quartiles[0],
        p50=quartiles[1],
        p75=quartiles[2],
    )


def _command(request: "BenchRequest", threads: int) -> str:
    """The command without its paths: `--out`, `--w`, `--cache-dir` and `--submit` change no time."""
    words = ["ganzoo", "bench", request.name, *(word for name in request.vs for word in ("--vs", name))]
    words += ["--runtime", ",".join(request.runtimes), "--precision", ",".join(request.precisions)]
    words += ["--batch", ",".join(map(str, request.batches)), "--rounds", str(request.rounds)]
    words += ["--threads", str(threads)]
    return shlex.join(words if request.device == "cpu" else [*words, "--device", request.device])
