"""`evaluate`: what `ganzoo eval` does, from one request to its records.

from ganzoo.metrics import EvalRequest, Sampling, evaluate

for record in evaluate(EvalRequest("my-model", real="photos-256.zip", sampling=Sampling(num=10_000))):
print(record.metric, record.value)
"""

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ganzoo.features.networks import EXTRA, load_features
from ganzoo.metrics.extract import processes
from ganzoo.metrics.figures import METRICS
from ganzoo.metrics.measuring import Report, measure_pairs, measure_sets
from ganzoo.metrics.opening import open_samples, refuse_absent
from ganzoo.metrics.pairs import PAIR_METRICS
from ganzoo.metrics.protocols import ALONE, PPL
from ganzoo.metrics.record import Record, append_records
from ganzoo.metrics.sampling import Sampling
from ganzoo.metrics.saved import SUFFIX, SavedStatistics
from ganzoo.metrics.seeds import REAL_SEED
from ganzoo.metrics.sets import Samples
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.paths import user_path
from ganzoo.system.validation import unknown

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class EvalRequest:
    """A measurement: what is judged, what it is compared with, and how.

    Args:
        name: Model, or folder or zip of images, to judge.
        real: What to compare its images with: a folder or zip, another model, or statistics saved before.
        teacher: Model to compare with seed by seed, instead of `real`.
        metrics: Of `METRICS` and "ppl", with a teacher of `PAIR_METRICS`; None for what `real` or `teacher`
            allows: fd and kid, fd alone against statistics, or all distances of pairs.
        features: Feature network, see `load_features`.
        sampling: How the images of a model are drawn.
        real_sampling: The same for a model given as `real`; None for as many images from `REAL_SEED` on.
        given: With a teacher: "z" for the same latent, "w" for the teacher's w in both.
        resamples: Bootstrap resamples for the uncertainty.
        device: Device to compute on.
        save: File for the statistics of the images, a .npz.
        out: File that the records are appended to, one JSON line each.
        against: Earlier records that the figures must be comparable with.
        cache_dir: Folder for weights and features.

    Raises:
        ValueError: for an unknown metric, or for parts that would go unheard or lack another one.
    """

    name: str
    _: KW_ONLY
    real: str | None = None
    teacher: str | None = None
    metrics: Sequence[str] | None = None
    features: str = "efficientnet_lite0"
    sampling: Sampling = field(default_factory=Sampling)
    real_sampling: Sampling | None = None
    given: str = "z"
    resamples: int = 10
    device: str = "cpu"
    save: AnyPath | None = None
    out: AnyPath | None = None
    against: Sequence[Record] | None = None
    cache_dir: AnyPath | None = None

    def __post_init__(self) -> None:
        self._refuse_clashes()
        self._refuse_metrics()
        if self.teacher is None and self.real is None and set(self.wanted) - ALONE:
            raise ValueError("Give --real: a folder or zip file of images, a model, or a file of statistics.")
        if self.save is not None and Path(self.save).suffix != SUFFIX:
            raise ValueError(f"--save ends in {SUFFIX}; got {str(self.save)!r}.")

    @property
    def wanted(self) -> list[str]:
        """The metrics, each once."""
        if self.metrics is not None:
            return list(dict.fromkeys(self.metrics))
        if self.teacher is not None:
            return list(PAIR_METRICS)
        if self.real is None:
            return [] if self.save is not None else ["fd", "kid"]
        return ["fd"] if self.real.endswith(SUFFIX) else ["fd", "kid"]

    @property
    def reference(self) -> tuple[str | None, Sampling]:
        """What the images are compared with, and how it is sampled."""
        sampling = self.real_sampling or Sampling(num=self.sampling.num, seed=REAL_SEED)
        return self.teacher or self.real, sampling

    def _refuse_clashes(self) -> None:
        """Raise ValueError for parts that would go unheard."""
        if self.teacher is not None:
            if self.real is not None:
                raise ValueError("Give --teacher or --real: they ask for different figures.")
            if self.save is not None:
                raise ValueError("--save keeps the statistics of images; with --teacher there are none.")
            if self.sampling.resolution is not None:
                raise ValueError(
                    "--teacher compares at the student's own resolution: leave out --resolution."
                )
        if self.real is None and self.reference[1] != Sampling(num=self.sampling.num, seed=REAL_SEED):
            raise ValueError(
                "--real-seed, --real-psi, --real-noise and --real-resolution are of the model of --real, "
                "which is not given; a teacher takes those of the student."
            )

    def _refuse_metrics(self) -> None:
        """Raise ValueError for a metric that is unknown, or needs a teacher, or cannot use one."""
        has_teacher = self.teacher is not None
        known = list(PAIR_METRICS) if has_teacher else [*METRICS, PPL]
        if self.metrics is not None and not self.metrics:
            raise ValueError(f"--metrics names none: give a list such as fd,kid, of {', '.join(known)}.")
        for metric in self.wanted:
            if metric in PAIR_METRICS and not has_teacher:
                raise ValueError(f"{metric} compares with a teacher, seed by seed: give --teacher.")
            if metric not in known:
                raise ValueError(unknown("metric", metric, known))


def evaluate(request: EvalRequest, *, report: Report = lambda what, done, total: None) -> list[Record]:
    """Figures of a model or of images, each with its protocol.

    Under `accelerate launch` or `torchrun`, the processes share the images; the main one writes and returns
    the records, the others return none. Features are kept: an interrupted measurement goes on.

    Args:
        request: What is measured, and how.
        report: Function that is told what is being done, how many steps are done, and how many there are.

    Raises:
        ValueError: for an unknown name, or images, statistics or earlier records that cannot be used.
        OSError: if weights cannot be had, or `save` or `out` cannot be written.
        ImportError: without the extra `eval`.
    """
    _refuse_impossible(request)
    state = processes(request.device)  # first: it tells every process which accelerator "cuda" is
    network = None
    if request.teacher is None or "perceptual" in request.wanted:
        with state.main_process_first():  # what is downloaded is downloaded once
            network = load_features(request.features, cache_dir=request.cache_dir).to(request.device)
    images, reference = _opened(request, state)
    if request.teacher is not None or network is None:
        records = measure_pairs(
            images,
            reference,
            metrics=request.wanted,
            network=network,
            given=request.given,
            against=request.against,
            report=report,
        )
    else:
        records = measure_sets(
            images,
            reference,
            metrics=request.wanted,
            network=network,
            resamples=request.resamples,
            cache_dir=request.cache_dir,
            save=None if request.save is None else user_path(request.save),
            against=request.against,
            report=report,
        )
    if request.out is not None and state.is_main_process:
        append_records(request.out, records)
    return records


def _opened(request: EvalRequest, state: Any) -> tuple[Samples, Samples | SavedStatistics | None]:
    """The images to judge, and what they are compared with."""
    name, sampling = request.reference
    reference: Samples | SavedStatistics | None = None
    if name is not None and name.endswith(SUFFIX):
        reference = SavedStatistics(name)
    with state.main_process_first():
        images = open_samples(
            request.name, request.sampling, device=request.device, cache_dir=request.cache_dir
        )
        if name is not None and reference is None:
            reference = open_samples(name, sampling, device=request.device, cache_dir=request.cache_dir)
    return images, reference


def _refuse_impossible(request: EvalRequest) -> None:
    """Raise what can be told before anything is fetched or computed."""
    # Imported where they are used: torch_fidelity takes seconds, and distances of pairs need none of it.
    if not all(find_spec(name) for name in ("accelerate", "torch_fidelity")):
        raise ImportError(EXTRA)
    for given, option in ((request.save, "--save"), (request.out, "--out")):
        if given is not None:
            path = user_path(given)
            refuse_unwritable(path.absolute().parent, option)
            if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
                raise OSError(f"{option} {str(path)!r} cannot be written: it is no writable file.")
    for name in filter(None, (request.name, request.reference[0])):
        refuse_absent(name)
