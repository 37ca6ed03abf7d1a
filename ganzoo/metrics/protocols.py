"""Protocols of figures and their records: how each was measured, and what limits it."""

from collections.abc import Mapping
from typing import Any

from ganzoo.data.resize import RESIZER
from ganzoo.features.networks import FeatureInfo, FeatureNetwork
from ganzoo.metrics import pairs, path_length
from ganzoo.metrics.distances import DEFINITIONS
from ganzoo.metrics.extract import processes
from ganzoo.metrics.figures import Figure, figure_name
from ganzoo.metrics.record import Protocol, Record
from ganzoo.metrics.saved import SavedStatistics
from ganzoo.metrics.sets import GeneratedSamples, Samples
from ganzoo.system.images import FOURTH_CHANNEL
from ganzoo.system.provenance import provenance

PPL = "ppl"
ALONE = {"is", PPL}  # metrics that compare with nothing
_OF_THE_NETWORK = ("sha256", "config", "form")  # what a protocol says of the generator, not of the sampling


def set_protocol(
    metric: str, fake: Samples, real: Samples | SavedStatistics | None, network: FeatureNetwork
) -> Protocol:
    """How a figure of a set, or against another, is measured."""
    real = None if metric in ALONE else real
    resizer = f"{RESIZER}, rounded to 8 bits" if network.info.rounded else RESIZER
    sampling = _sampling(fake.protocol)
    if metric == PPL and isinstance(fake, GeneratedSamples):
        resizer = pairs.FEATURE_RESIZER
        sampling = {
            "kind": "paths in z",
            "seed": fake.sampling.seed,
            "truncation_psi": fake.sampling.truncation_psi,
            "noise": fake.sampling.noise,
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


def pair_protocol(
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
    noise = f"{student.sampling.noise}, the teacher's"
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


def record_of(
    protocol: Protocol,
    figure: Figure,
    fake: Samples,
    network: FeatureNetwork | None,
    seconds: float,
    warnings: tuple[str, ...] = (),
) -> Record:
    """A figure with its protocol, here and now."""
    device = fake.generator.device if isinstance(fake, GeneratedSamples) else None
    device = network.mean.device if device is None and network is not None else device
    kind = "cpu" if device is None else device.type
    return Record(
        **vars(protocol),
        value=figure.value,
        uncertainty=figure.uncertainty,
        fake={"name": fake.name, **{key: fake.protocol.get(key) for key in ("kind", *_OF_THE_NETWORK)}},
        seconds=round(seconds, 1),
        **vars(provenance(kind, processes(kind).num_processes)),
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


def warnings_of(metric: str, protocol: Protocol, features: FeatureInfo) -> tuple[str, ...]:
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
