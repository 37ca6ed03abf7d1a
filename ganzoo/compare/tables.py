"""The figures of a comparison as plain rows: distances, cost, records, what the plots show."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganzoo.charts.text import duration, short, si
from ganzoo.compare.measure import Comparison, Difference, Model
from ganzoo.compare.records import Group, higher_is_better

TOTALS = ("parameters", "MACs", "latency, median")  # rows of the cost that matter most
_HASH = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass(frozen=True)
class View:
    """A model as the page names it.

    Attributes:
        index: Number of its colour.
        letter: A, B, C and so on.
        name, short: As the user gave it, and what a narrow column has room for.
        make: What it is made of, in words.
        sha256: Hash of its weights.
        incomparable: Why its images are not compared with the first model's, or None.
    """

    index: int
    letter: str
    name: str
    short: str
    make: str
    sha256: str
    incomparable: str | None


@dataclass(frozen=True)
class TableRow:
    """A name, with the models that it is of, and its figures."""

    models: tuple[View, ...]
    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table whose first column is names and whose others are figures."""

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


@dataclass(frozen=True)
class Quality:
    """What the plots show as quality.

    Attributes:
        label: Name of the figure, with the direction in which it is better.
        points: Index of the model, value, spread.
    """

    label: str
    points: tuple[tuple[int, float, float | None], ...]


def views(comparison: Comparison) -> list[View]:
    """The models in their order."""
    found = []
    for i, m in enumerate(comparison.models):
        labels = f", {m.config.label_dim} labels" if m.config.label_dim else ""
        make = f"{m.config.resolution} x {m.config.resolution}, {m.config.describe()}{labels}"
        found.append(View(i, letter(i), m.name, short(m.name), make, m.sha256, m.incomparable))
    return found


def letter(index: int) -> str:
    """The letter of a model: A, B, C and so on."""
    return chr(ord("A") + index)


def shown(difference: Difference) -> list[str]:
    """Names and values of a difference's figures."""
    if is_identical(difference):
        return ["identical"]
    found = [f"L1 {difference.l1:.4f}", f"PSNR {difference.psnr:.1f} dB"]
    if difference.perceptual is not None:
        found.append(f"perceptual {difference.perceptual:.3f}")
    return found


def is_identical(difference: Difference) -> bool:
    """Whether there is no difference, to the last bit."""
    return difference.l1 == 0


def distances(comparison: Comparison, models: Sequence[View]) -> Table:
    """Means over the seeds, one row for every model that is compared with the first."""
    columns = ["model", "L1", "PSNR, dB"]
    if comparison.features is not None:
        columns.append(f"perceptual, {comparison.features.name}")
    rows = []
    for model in models:
        found = differences_of(comparison, model.index)
        if not found:
            continue
        cells = [_mean([d.l1 for d in found], 4), _mean([d.psnr for d in found], 1)]
        if all(map(is_identical, found)):
            cells = ["identical", ""]
        if comparison.features is not None:
            cells.append(_mean([d.perceptual or 0.0 for d in found], 3))
        cells.append(f"{found[0].resolution} x {found[0].resolution}")
        rows.append(TableRow((model,), model.name, tuple(cells)))
    return Table((*columns, "compared at"), tuple(rows))


def cost(comparison: Comparison) -> dict[str, list[str]]:
    """Parameters, operations and latency, each with a cell for every model."""
    models = comparison.models
    rows: dict[str, Callable[[Model], str]] = {
        "resolution": lambda m: f"{m.config.resolution}",
        "parameters, mapping": lambda m: f"{m.cost['mapping'].parameters:,}",
        "parameters, synthesis": lambda m: f"{m.cost['synthesis'].parameters:,}",
        "static demodulation, not counted": lambda m: f"{m.cost['synthesis'].static:,}",
        "parameters": lambda m: f"{parameters(m):,}",
        "MACs, mapping": lambda m: si(m.cost["mapping"].macs),
        "MACs, synthesis": lambda m: si(m.cost["synthesis"].macs),
        "MACs, synthesis deployed": lambda m: si(m.cost["deployed synthesis"].macs),
        "MACs": lambda m: si(macs(m)),
    }
    if not any(m.cost["synthesis"].static for m in models):
        del rows["static demodulation, not counted"]
    if models[0].seconds:
        rows |= {
            "latency, median": lambda m: duration(percentile(m, 50)),
            "latency, p90": lambda m: duration(percentile(m, 90)),
            "latency, minimum": lambda m: duration(min(m.seconds)),
        }
    return {name: [value(m) for m in models] for name, value in rows.items()}


def latency_protocol(comparison: Comparison) -> str:
    """How latency was measured, in a sentence or two."""
    runs = len(comparison.models[0].seconds)
    if not runs:
        return "Latency was not measured (--runs 0)."
    order = " ".join(letter(i) for i in range(len(comparison.models)))
    load = (
        f" Load average of the machine before: {comparison.load:.1f}." if comparison.load is not None else ""
    )
    return (
        f"Latency of one image, latent to tensor, mapping included, deployed, float32, PyTorch "
        f"{comparison.versions['torch']}, on {comparison.device} ({comparison.hardware}): {runs} runs of "
        f"each after one that does not count, in turns, {order} {order}.{load}"
    )


def records(groups: Sequence[Group], models: Sequence[View]) -> list[dict[str, Any]]:
    """Records, a table for every metric and protocol; what may not be compared is never in one table."""
    sections = []
    for group in groups:
        rows = []
        for record in group.records:
            own = tuple(model for model in models if model.sha256 == record.fake.get("sha256"))
            spread = "" if record.uncertainty is None else f"{record.uncertainty:.2g}"
            cells = (f"{record.value:.5g}", spread, str(record.date)[:10])
            rows.append(TableRow(own, str(record.fake.get("name")), cells))
        sections.append(
            {
                "metric": group.metric,
                "differs": "; ".join(_HASH.sub(lambda found: found[0][:12], line) for line in group.differs),
                "protocol": _protocol(group),
                "table": Table(("model", "value", "±", "date"), tuple(rows)),
                "warnings": list(dict.fromkeys(str(w) for r in group.records for w in r.warnings)),
            }
        )
    return sections


def quality(comparison: Comparison, groups: Sequence[Group]) -> Quality | None:
    """The first recorded metric that two models share by one protocol, else the mean L1 to the first model.

    None if there is neither.
    """
    for group in groups:
        found = [(i, group.of(model.sha256)) for i, model in enumerate(comparison.models)]
        points = tuple(
            (i, r.value, _finite(r.uncertainty)) for i, r in found if r and _finite(r.value) is not None
        )
        if len({comparison.models[i].sha256 for i, *_ in points}) > 1:
            better = "higher" if higher_is_better(group.metric) else "lower"
            return Quality(f"{group.metric} ({better} is better)", points)
    distant = [(i, differences_of(comparison, i)) for i in range(1, len(comparison.models))]
    means = tuple((i, *_mean_spread([d.l1 for d in found])) for i, found in distant if found)
    if not means:
        return None
    return Quality("mean L1 to A (lower is nearer to A)", ((0, 0.0, None), *means))


def differences_of(comparison: Comparison, index: int) -> list[Difference]:
    """Differences of a model from the first, seed by seed."""
    return [d for row in comparison.rows if (d := row.differences[index]) is not None]


def parameters(model: Model) -> int:
    """Of mapping and synthesis, without static demodulation."""
    return model.cost["mapping"].parameters + model.cost["synthesis"].parameters


def macs(model: Model) -> int:
    """Of mapping and synthesis as trained, the way `ganzoo list` counts them."""
    return model.cost["mapping"].macs + model.cost["synthesis"].macs


def percentile(model: Model, percent: float) -> float:
    """Of a model's latency, in seconds."""
    return float(np.percentile(model.seconds, percent))


def _protocol(group: Group) -> str:
    """What all records of a group share."""
    r = group.records[0]
    counts = f"{r.num_fake} images" + (f" against {r.num_real}" if r.num_real is not None else "")
    features = f"features {_mapping(r.features).get('name')}" if r.features else "no features"
    sampling = _mapping(r.sampling)
    keys = {
        "truncation_psi": "truncation", "noise": "noise", "first_seed": "first seed", "resolution": "at",
        "alpha": "alpha",
    }  # fmt: skip
    how = [f"{said} {sampling[key]}" for key, said in keys.items() if sampling.get(key) is not None]
    against = _real(_mapping(r.real)) if r.real else None
    parts = [counts, features, f"resizer {r.resizer or 'none'}", *how, against]
    return ", ".join(part for part in parts if part) + "."


def _mapping(value: object) -> Mapping[str, Any]:
    """A field of a record, which a file may hold anything in."""
    return value if isinstance(value, Mapping) else {}


def _real(real: Mapping[str, Any]) -> str:
    """What a record was measured against."""
    kind = f"{real['kind']} " if "kind" in real else ""
    return f"against {kind}sha256 {str(real.get('sha256'))[:12]}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _mean_spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean, and the standard error of it if there are two values."""
    if len(values) < 2:
        return float(np.mean(values)), None
    return float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5)


def _mean(values: Sequence[float], digits: int) -> str:
    mean, spread = _mean_spread(values)
    return f"{mean:.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")
