"""`evaluate`: figures of a set of images against another, as records."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ganzoo.data.resize import RESIZER
from ganzoo.features.networks import FeatureInfo, FeatureNetwork
from ganzoo.metrics import pairs, path_length
from ganzoo.metrics.distances import DEFINITIONS
from ganzoo.metrics.extract import Features, extract, processes
from ganzoo.metrics.figures import METRICS, NEIGHBOURS, Figure, figure_name, measure
from ganzoo.metrics.record import Protocol, Record, compared, hardware, versions
from ganzoo.metrics.saved import SavedStatistics, save_statistics
from ganzoo.metrics.sets import GeneratedSamples, Samples
from ganzoo.system.images import FOURTH_CHANNEL
from ganzoo.system.validation import unknown

PPL = "ppl"
_ALONE = {"is", PPL}  # metrics that compare with nothing
_OF_THE_NETWORK = ("sha256", "config", "form")  # what a protocol says of the generator, not of the sampling
Report = Callable[[str, int, int], None]


def evaluate(
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
        fake: the images to judge.
        real: what they are compared with; None for metrics that compare with nothing.
        metrics: of `ganzoo.metrics.figures.METRICS`, or "ppl".
        network: the features to measure in.
        resamples: bootstrap resamples for the uncertainty; 0 for none.
        cache_dir: see `extract`.
        save: where to write the statistics of `fake`.
        against: records that the figures shall be comparable with, see `compared`.
        report: called with what is being done, how many steps are done, and how many there are.

    Raises:
        ValueError: for images, statistics or earlier records that cannot be used, the last before anything
            is computed.
    """
    metrics = list(metrics)
    _check(metrics, fake, real, network, save)
    protocols = {metric: _protocol(metric, fake, real, network) for metric in metrics}
    if against is not None:
        compared(protocols.values(), against)

    def features_of(samples: Samples) -> Features:
        total = len(samples)
        return extract(
            samples,
            network,
            cache_dir=cache_dir,
            report=lambda done: report(f"Features of {samples.name}", min(done, total), total),
        )

    began = time.perf_counter()
    own = features_of(fake) if save is not None or set(metrics) - {PPL} else None
    other = features_of(real) if isinstance(real, Samples) and set(metrics) - _ALONE else None
    extracting = time.perf_counter() - began
    if not processes(network.mean.device).is_main_process:
        return []
    if save is not None and own is not None:
        save_statistics(save, own, fake, network)

    records = []
    figures: dict[str, Figure] = {}
    fixed = real.statistics if isinstance(real, SavedStatistics) else None
    for metric in metrics:
        began = time.perf_counter()
        protocol = protocols[metric]
        if metric == PPL and isinstance(fake, GeneratedSamples):
            figure = path_length.path_length(
                fake.generator,
                network,
                num=len(fake),
                seed=fake.seed,
                truncation_psi=fake.psi,
                noise=fake.noise,
                report=lambda done: report("Measuring ppl", done, len(fake)),
            )
            records.append(_record(protocol, figure, fake, network, time.perf_counter() - began))
            continue
        if metric not in figures and own is not None:
            figures |= measure(
                metric,
                own,
                other,
                real_statistics=fixed,
                resamples=resamples,
                report=lambda done, metric=metric: report(f"Measuring {metric}", done, resamples),  # type: ignore[misc]
            )
        seconds = extracting + time.perf_counter() - began
        warnings = _warnings(metric, protocol, network.info)
        records.append(_record(protocol, figures[metric], fake, network, seconds, warnings))
    return records


def evaluate_pairs(
    student: Samples,
    teacher: Samples | SavedStatistics | None,
    *,
    metrics: Iterable[str],
    network: FeatureNetwork | None,
    given: str = "z",
    against: Iterable[Record] | None = None,
    report: Report = lambda what, done, total: None,
) -> list[Record]:
    """Figures of a student against its teacher, seed by seed; see `pair_figures`, and `evaluate`.

    Seeds, truncation and noise are the student's.

    Raises:
        ValueError: unless both are models that take the same latents, or for earlier records that cannot be
            compared with.
    """
    if not isinstance(student, GeneratedSamples) or not isinstance(teacher, GeneratedSamples):
        raise ValueError("A student and its teacher are models, not images.")
    metrics = list(metrics)
    protocols = {metric: _pair_protocol(metric, student, teacher, network, given) for metric in metrics}
    if against is not None:
        compared(protocols.values(), against)
    began = time.perf_counter()
    seeds = range(student.seed, student.seed + len(student))
    figures = pairs.pair_figures(
        student.generator,
        teacher.generator,
        metrics=metrics,
        seeds=seeds,
        network=network,
        given=given,
        truncation_psi=student.psi,
        noise=student.noise,
        report=lambda done: report("Comparing pairs", done, len(seeds)),
    )
    if not processes(teacher.generator.mapping.w_avg.device).is_main_process:
        return []
    seconds = time.perf_counter() - began
    warnings: tuple[str, ...] = ()
    own, other = student.generator.resolution, teacher.generator.resolution
    if own != other:
        warnings = (f"compared at {own} x {own}: the teacher's images of {other} x {other} are scaled down",)
    return [
        _record(protocols[metric], figure, student, network, seconds, warnings)
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
        if others := set(metrics) - _ALONE - {"fd"}:
            raise ValueError(
                f"{real.name} holds statistics, which serve fd only; {', '.join(sorted(others))} compares "
                "with images."
            )
    if real is None and (others := set(metrics) - _ALONE):
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
        path_length.check(fake.generator, network, fake.noise)
        if fake.resolution != fake.generator.resolution:
            raise ValueError("ppl is measured at the model's own resolution.")


def _protocol(
    metric: str, fake: Samples, real: Samples | SavedStatistics | None, network: FeatureNetwork
) -> Protocol:
    """How a figure of a set, or against another, is measured."""
    real = None if metric in _ALONE else real
    resizer = f"{RESIZER}, rounded to 8 bits" if network.info.rounded else RESIZER
    sampling = _sampling(fake.protocol)
    if metric == PPL and isinstance(fake, GeneratedSamples):
        resizer = pairs.FEATURE_RESIZER
        sampling = {
            "kind": "paths in z",
            "seed": fake.seed,
            "truncation_psi": fake.psi,
            "noise": fake.noise,
            "resolution": fake.resolution,
            "epsilon": path_length.EPSILON,
            "interpolation": path_length.INTERPOLATION,
            "percentiles": list(path_length.PERCENTILES),
            **_alpha(fake.protocol),
        }
    num_real = real.statistics.num if isinstance(real, SavedStatistics) else None
    return Protocol(
        metric=figure_name(metric, network.info.name),
        num_fake=len(fake),
        num_real=len(real) if isinstance(real, Samples) else num_real,
        features=network.info.to_dict(),
        resizer=resizer,
        sampling=sampling,
        real=None if real is None else real.protocol,
    )


def _pair_protocol(
    metric: str,
    student: GeneratedSamples,
    teacher: GeneratedSamples,
    network: FeatureNetwork | None,
    given: str,
) -> Protocol:
    """How a figure of a student against its teacher is measured."""
    used = network if metric == "perceptual" else None
    resized = teacher.generator.resolution != student.generator.resolution
    steps = [pairs.RESIZER] * resized + [pairs.FEATURE_RESIZER] * (used is not None)
    noise = f"{student.noise}, the teacher's"
    alpha = _alpha(student.protocol) if used else dict.fromkeys(_alpha(student.protocol), FOURTH_CHANNEL)
    return Protocol(
        metric=figure_name(metric, used.info.name) if used else metric,
        num_fake=len(student),
        num_real=len(student),
        features=used.info.to_dict() if used else None,
        resizer=", ".join(steps) or None,
        sampling={**_sampling(student.protocol), "given": given, "noise": noise, "bits": None, **alpha},
        real={key: teacher.protocol[key] for key in ("kind", *_OF_THE_NETWORK)},
        definition=DEFINITIONS[metric],
    )


def _record(
    protocol: Protocol,
    figure: Figure,
    fake: Samples,
    network: FeatureNetwork | None,
    seconds: float,
    warnings: tuple[str, ...] = (),
) -> Record:
    """A figure with its protocol, here and now."""
    device = fake.generator.mapping.w_avg.device if isinstance(fake, GeneratedSamples) else None
    device = network.mean.device if device is None and network is not None else device
    kind = "cpu" if device is None else device.type
    return Record(
        **vars(protocol),
        value=figure.value,
        uncertainty=figure.uncertainty,
        fake={"name": fake.name, **{key: fake.protocol.get(key) for key in ("kind", *_OF_THE_NETWORK)}},
        seconds=round(seconds, 1),
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        hardware=hardware(kind, processes(kind).num_processes),
        versions=versions(),
        warnings=warnings,
    )


def _sampling(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """How images were made, whatever network made them; of files, their size alone."""
    if protocol["kind"] == "files":
        return {"kind": "files", "resolution": protocol["resolution"], **_alpha(protocol)}
    return {key: value for key, value in protocol.items() if key not in _OF_THE_NETWORK}


def _alpha(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """How alpha is seen, for images that have it."""
    return {key: protocol[key] for key in ("alpha",) if key in protocol}


def _warnings(metric: str, protocol: Protocol, features: FeatureInfo) -> tuple[str, ...]:
    """What a reader of the figure should know."""
    found = []
    dim, size = features.dim, features.size
    sides = [_sides(held) for held in (protocol.sampling, protocol.real)]
    if None not in sides and sides[0] != sides[1]:
        found.append(
            f"images of {sides[0]} against images of {sides[1]}, both brought to {size} x {size} for the "
            "features: a part of the figure is the difference in size, not in what they show"
        )
    num_fake, num_real = protocol.num_fake, protocol.num_real
    smaller = min(num_fake, num_fake if num_real is None else num_real)
    if metric == "fd" and smaller <= dim:
        found.append(
            f"{smaller} images do not fill {dim} features: the covariance is singular, the value too large"
        )
    if metric == "kid" and smaller < 1000:
        found.append(f"subsets of {smaller} images instead of 1000")
    if smaller < 5000:
        found.append(f"{smaller} images: published figures take 50000")
    return tuple(found)


def _sides(protocol: Mapping[str, Any] | None) -> str | None:
    """Width and height of a protocol's images, or None where it does not tell."""
    sides = (protocol or {}).get("resolution")
    if sides is None:
        return None
    width, height = sides if isinstance(sides, list | tuple) else (sides, sides)
    return f"{width} x {height}"
