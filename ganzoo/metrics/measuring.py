"""Figures of opened samples as records: a set against another, and a student against its teacher."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from ganzoo.features.networks import FeatureNetwork
from ganzoo.metrics import pairs, path_length
from ganzoo.metrics.extract import Features, extract, processes
from ganzoo.metrics.figures import METRICS, NEIGHBOURS, Figure, measure
from ganzoo.metrics.protocols import ALONE, PPL, pair_protocol, record_of, set_protocol, warnings_of
from ganzoo.metrics.record import Record, compared
from ganzoo.metrics.saved import SavedStatistics, save_statistics
from ganzoo.metrics.sets import GeneratedSamples, Samples
from ganzoo.system.validation import unknown

Report = Callable[[str, int, int], None]


def measure_sets(
    fake: Samples,
    real: Samples | SavedStatistics | None,
    *,
    metrics: Iterable[str],
    network: FeatureNetwork,
    resamples: int = 10,
    cache_dir: str | os.PathLike[str] | None = None,
    save: Path | None = None,
    against: Iterable[Record] | None = None,
    report: Report = lambda what, done, total: None,
) -> list[Record]:
    """Figures of a set of images against another, each with its protocol.

    Under `accelerate launch` or `torchrun`, the processes share the images; the main one measures, writes
    and returns the records, the others return none.

    Args:
        fake: Images to judge.
        real: Images or statistics to compare with; None for metrics that compare with nothing.
        metrics: Names in `ganzoo.metrics.figures.METRICS`, or "ppl".
        network: Feature network to measure in.
        resamples: Bootstrap resamples for the uncertainty; 0 for none.
        cache_dir: Folder of features; see `extract`.
        save: File for the statistics of `fake`.
        against: Records that the figures shall be comparable with, see `compared`.
        report: Function that is told what is being done, how many steps are done, and how many there are.

    Raises:
        ValueError: for images, statistics or earlier records that cannot be used, the last before anything
            is computed.
    """
    metrics = list(metrics)
    _check(metrics, fake, real, network, save)
    protocols = {metric: set_protocol(metric, fake, real, network) for metric in metrics}
    if against is not None:
        compared(protocols.values(), against)
    began = time.perf_counter()
    own = other = None
    if save is not None or set(metrics) - {PPL}:
        own = _features(fake, network, cache_dir, report)
    if isinstance(real, Samples) and set(metrics) - ALONE:
        other = _features(real, network, cache_dir, report)
    extracting = time.perf_counter() - began
    if not processes(network.mean.device).is_main_process:
        return []
    if save is not None and own is not None:
        save_statistics(save, own, fake, network)
    records, figures = [], dict[str, Figure]()
    for metric in metrics:
        began = time.perf_counter()
        if metric == PPL:
            figures[PPL] = _path_length(cast(GeneratedSamples, fake), network, report)
        elif metric not in figures:
            reference = real if isinstance(real, SavedStatistics) else other
            figures |= _figures(metric, cast(Features, own), reference, resamples, report)
        seconds = time.perf_counter() - began + (0 if metric == PPL else extracting)
        warnings = () if metric == PPL else warnings_of(metric, protocols[metric], network.info)
        records.append(record_of(protocols[metric], figures[metric], fake, network, seconds, warnings))
    return records


def measure_pairs(
    student: Samples,
    teacher: Samples | SavedStatistics | None,
    *,
    metrics: Iterable[str],
    network: FeatureNetwork | None,
    given: str = "z",
    against: Iterable[Record] | None = None,
    report: Report = lambda what, done, total: None,
) -> list[Record]:
    """Figures of a student against its teacher, seed by seed; see `pair_figures`, and `measure_sets`.

    Seeds, truncation and noise are the student's.

    Raises:
        ValueError: unless both are models that take the same latents, or for earlier records that cannot be
            compared with.
    """
    if not isinstance(student, GeneratedSamples) or not isinstance(teacher, GeneratedSamples):
        raise ValueError("A student and its teacher are models, not images.")
    metrics = list(metrics)
    protocols = {metric: pair_protocol(metric, student, teacher, network, given) for metric in metrics}
    if against is not None:
        compared(protocols.values(), against)
    began = time.perf_counter()
    seeds = range(student.sampling.seed, student.sampling.seed + len(student))
    figures = pairs.pair_figures(
        student.generator,
        teacher.generator,
        metrics=metrics,
        seeds=seeds,
        network=network,
        given=given,
        truncation_psi=student.sampling.truncation_psi,
        noise=student.sampling.noise,
        report=lambda done: report("Comparing pairs", done, len(seeds)),
    )
    if not processes(teacher.generator.device).is_main_process:
        return []
    seconds = time.perf_counter() - began
    warnings: tuple[str, ...] = ()
    own, other = student.generator.resolution, teacher.generator.resolution
    if own != other:
        warnings = (f"compared at {own} x {own}: the teacher's images of {other} x {other} are scaled down",)
    return [
        record_of(protocols[metric], figure, student, network, seconds, warnings)
        for metric, figure in figures.items()
    ]


def _check(
    metrics: list[str],
    fake: Samples,
    real: Samples | SavedStatistics | None,
    network: FeatureNetwork,
    save: Path | None,
) -> None:
    """Raise ValueError for what could not be measured, before anything is computed."""
    for metric in metrics:
        if metric not in (*METRICS, PPL):
            raise ValueError(unknown("metric", metric, [*METRICS, PPL]))
    if isinstance(real, SavedStatistics):
        real.check(network)
        if others := set(metrics) - ALONE - {"fd"}:
            raise ValueError(
                f"{real.name} holds statistics, which serve fd only; {', '.join(sorted(others))} compares "
                "with images."
            )
    if real is None and (others := set(metrics) - ALONE):
        raise ValueError(f"{', '.join(sorted(others))} compares with images or a model: none is given.")
    sizes = {samples.name: len(samples) for samples in (fake, real) if isinstance(samples, Samples)}
    needed = {"fd": 2, "kid": 2, "precision": NEIGHBOURS + 1, "recall": NEIGHBOURS + 1, "is": 2, PPL: 2}
    least = max([2 * (save is not None), *(needed[metric] for metric in metrics)])
    for name, size in sizes.items():
        if size < least:
            raise ValueError(f"{name}: {', '.join(metrics) or '--save'} needs {least} images; got {size}.")
    if PPL in metrics:
        if not isinstance(fake, GeneratedSamples):
            raise ValueError("ppl is measured on a model, not on images.")
        path_length.check(fake.generator, network, fake.sampling.noise)
        if fake.resolution != fake.generator.resolution:
            raise ValueError("ppl is measured at the model's own resolution.")


def _features(
    samples: Samples, network: FeatureNetwork, cache_dir: str | os.PathLike[str] | None, report: Report
) -> Features:
    total = len(samples)
    return extract(
        samples,
        network,
        cache_dir=cache_dir,
        report=lambda done: report(f"Features of {samples.name}", min(done, total), total),
    )


def _figures(
    metric: str,
    own: Features,
    other: Features | SavedStatistics | None,
    resamples: int,
    report: Report,
) -> dict[str, Figure]:
    """A metric of features, and what else is measured together with it."""
    return measure(
        metric,
        own,
        other if isinstance(other, Features) else None,
        real_statistics=other.statistics if isinstance(other, SavedStatistics) else None,
        resamples=resamples,
        report=lambda done: report(f"Measuring {metric}", done, resamples),
    )


def _path_length(fake: GeneratedSamples, network: FeatureNetwork, report: Report) -> Figure:
    return path_length.path_length(
        fake.generator,
        network,
        num=len(fake),
        seed=fake.sampling.seed,
        truncation_psi=fake.sampling.truncation_psi,
        noise=fake.sampling.noise,
        report=lambda done: report("Measuring ppl", done, len(fake)),
    )
