"""`evaluate`: figures of a set of pictures against another, as records."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo.data.resize import RESIZER
from ganzoo.files import replacing
from ganzoo.metrics.extract import Features, extract
from ganzoo.metrics.features import FeatureNetwork
from ganzoo.metrics.figures import Figure, Statistics, figure_name, measure, statistics
from ganzoo.metrics.pairs import pair_figures
from ganzoo.metrics.path_length import path_length
from ganzoo.metrics.record import Record, hardware, versions
from ganzoo.metrics.sets import GeneratedSamples, Samples

STATISTICS_SUFFIX = ".npz"
PPL = "ppl"
_OF_THE_NETWORK = ("sha256", "form")  # what a protocol says of the generator itself, not of the sampling


class SavedStatistics:
    """Mean and covariance of features that were kept in a file.

    Attributes:
        statistics: of the pictures.
        features: the feature network that they were measured in.
        protocol: of the pictures.
        name: the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        try:
            with np.load(path) as data:
                mean, covariance = data["mean"], data["covariance"]
                header = json.loads(str(data["header"]))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise ValueError(f"{self.name} holds no statistics that ganzoo eval --save wrote.") from error
        if covariance.shape != (*mean.shape, *mean.shape) or mean.shape != (header["features"]["dim"],):
            raise ValueError(f"{self.name} is damaged: its mean and covariance do not fit.")
        self.statistics = Statistics(mean, covariance, header["num"])
        self.features: dict[str, Any] = header["features"]
        self.protocol: dict[str, Any] = header["protocol"]
        self.resizer: str = header["resizer"]

    def check(self, network: FeatureNetwork) -> None:
        """Raise ValueError if they were measured in another network or way."""
        if self.features["sha256"] != network.info.sha256:
            raise ValueError(
                f"{self.name} holds statistics of {self.features['name']!r}, not of {network.info.name!r}: "
                f"use --features {self.features['name']}."
            )
        if self.resizer != RESIZER:
            raise ValueError(f"{self.name} was resized by {self.resizer}; this version resizes by {RESIZER}.")


def save_statistics(path: Path, features: Features, samples: Samples, network: FeatureNetwork) -> None:
    """Write the mean and covariance of a set's features, with what they were measured by."""
    found = statistics(features.features)
    header = {
        "num": found.num,
        "features": asdict(network.info),
        "protocol": samples.protocol,
        "resizer": RESIZER,
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, mean=found.mean, covariance=found.covariance, header=np.array(json.dumps(header)))


def evaluate(
    fake: Samples,
    real: Samples | SavedStatistics | None,
    *,
    metrics: Iterable[str],
    network: FeatureNetwork,
    resamples: int = 10,
    cache_dir: str | os.PathLike[str] | None = None,
    save: Path | None = None,
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[Record]:
    """Figures of a set of pictures against another, each with its protocol.

    Args:
        fake: the pictures to judge.
        real: what they are compared with; None for metrics that compare with nothing.
        metrics: of `ganzoo.metrics.figures.METRICS`.
        network: the features to measure in.
        resamples: bootstrap resamples for the uncertainty; 0 for none.
        cache_dir: see `extract`.
        save: where to write the statistics of `fake`.
        report: called with what is being done, how many pictures are done, and how many there are.

    Raises:
        ValueError: for pictures or statistics that cannot be used.
    """
    began = time.perf_counter()
    if isinstance(real, SavedStatistics):
        real.check(network)

    def features_of(samples: Samples) -> Features:
        total = len(samples)
        return extract(
            samples,
            network,
            cache_dir=cache_dir,
            report=lambda done: report(f"Features of {samples.name}", min(done, total), total),
        )

    own = features_of(fake)
    if save is not None:
        save_statistics(save, own, fake, network)
    other = features_of(real) if isinstance(real, Samples) else None
    records = []
    for metric in metrics:
        report(f"Measuring {metric}", 0, 0)
        if metric == PPL:
            records.append(_path_length(fake, network))
            continue
        fixed = real.statistics if isinstance(real, SavedStatistics) else None
        figure = measure(metric, own, other, real_statistics=fixed, resamples=resamples)
        num_real = None if metric == "is" else fixed.num if fixed else len(other.features) if other else None
        records.append(
            make_record(
                figure_name(metric, network.info.name),
                figure,
                fake=fake,
                real=None if metric == "is" else real,
                num_real=num_real,
                network=network,
                seconds=time.perf_counter() - began,
                warnings=_warnings(metric, len(fake), num_real, network.info.dim),
            )
        )
    return records


def evaluate_pairs(
    student: Samples,
    teacher: Samples | SavedStatistics | None,
    *,
    metrics: Iterable[str],
    network: FeatureNetwork,
    given: str = "z",
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[Record]:
    """Figures of a student against its teacher, seed by seed; see `pair_figures`.

    Raises:
        ValueError: unless both are models that take the same latents.
    """
    if not isinstance(student, GeneratedSamples) or not isinstance(teacher, GeneratedSamples):
        raise ValueError("A student and its teacher are models, not pictures.")
    began = time.perf_counter()
    seeds = range(student.seed, student.seed + len(student))
    figures = pair_figures(
        student.generator,
        teacher.generator,
        metrics=metrics,
        seeds=seeds,
        network=network,
        given=given,
        truncation_psi=student.psi,
        report=lambda done: report("Comparing pairs", done, len(seeds)),
    )
    records = []
    for metric, figure in figures.items():
        perceptual = metric == "perceptual"
        record = make_record(
            figure_name(metric, network.info.name) if perceptual else metric,
            figure,
            fake=student,
            real=teacher,
            num_real=len(student),
            network=network if perceptual else None,
            seconds=time.perf_counter() - began,
        )
        teachers = {"sha256": teacher.protocol["sha256"], "form": teacher.protocol["form"], "given": given}
        records.append(replace(record, real=teachers))
    return records


def _path_length(fake: Samples, network: FeatureNetwork) -> Record:
    """The perceptual path length of a model."""
    if not isinstance(fake, GeneratedSamples):
        raise ValueError("ppl is measured on a model, not on pictures.")
    began = time.perf_counter()
    figure = path_length(fake.generator, network, num=len(fake), truncation_psi=fake.psi)
    name = figure_name(PPL, network.info.name)
    seconds = time.perf_counter() - began
    return make_record(name, figure, fake=fake, real=None, num_real=None, network=network, seconds=seconds)


def make_record(
    metric: str,
    figure: Figure,
    *,
    fake: Samples,
    real: Samples | SavedStatistics | None,
    num_real: int | None,
    network: FeatureNetwork | None,
    seconds: float,
    warnings: tuple[str, ...] = (),
) -> Record:
    """A figure with the protocol of what it was measured on, here and now."""
    return Record(
        metric=metric,
        value=figure.value,
        uncertainty=figure.uncertainty,
        num_fake=len(fake),
        num_real=num_real,
        features=None if network is None else asdict(network.info),
        resizer=None if network is None else RESIZER,
        sampling=_sampling(fake.protocol),
        fake={"name": fake.name, **{key: fake.protocol.get(key) for key in ("kind", *_OF_THE_NETWORK)}},
        real=None if real is None else real.protocol,
        seconds=round(seconds, 1),
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        hardware=hardware(),
        versions=versions(),
        warnings=warnings,
    )


def _sampling(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """How pictures were made, whatever network made them; of files, their size alone."""
    if protocol["kind"] == "files":
        return {"kind": "files", "resolution": protocol["resolution"]}
    return {key: value for key, value in protocol.items() if key not in _OF_THE_NETWORK}


def _warnings(metric: str, num_fake: int, num_real: int | None, dim: int) -> tuple[str, ...]:
    """What a reader of the figure should know."""
    found = []
    smaller = min(num_fake, num_fake if num_real is None else num_real)
    if metric == "fd" and smaller <= dim:
        found.append(
            f"{smaller} pictures do not fill {dim} features: the covariance is singular, the value too large"
        )
    if metric == "kid" and smaller < 1000:
        found.append(f"subsets of {smaller} pictures instead of 1000")
    if smaller < 5000:
        found.append(f"{smaller} pictures: published figures take 50000")
    return tuple(found)
