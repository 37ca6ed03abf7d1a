"""The figures of a comparison: distances, cost, records, plots."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganzoo.compare.markup import Markup, join, tag
from ganzoo.compare.measure import Comparison, Difference, Model
from ganzoo.compare.plots import Bar, Point, bars, duration, letter, scatter, si
from ganzoo.compare.records import Group, higher_is_better
from ganzoo.models.cost import CONVENTION

_SHORT_NAME = 26  # characters of a model's name in a plot
_HASH = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass(frozen=True)
class Quality:
    """What the plots show as quality.

    Attributes:
        label: of the figure, with the direction in which it is better.
        points: index of the model, value, spread.
    """

    label: str
    points: tuple[tuple[int, float, float | None], ...]


def badge(index: int) -> Markup:
    """The letter of a model on its colour."""
    return tag("span", letter(index), class_=f"badge m{index}")


def short(name: str, length: int = _SHORT_NAME) -> str:
    """The end of a long name, which is what tells folders apart."""
    return name if len(name) <= length else f"…{name[1 - length :]}"


def shown(difference: Difference) -> list[tuple[str, str]]:
    """Names and values of a difference's figures."""
    if is_identical(difference):
        return [("identical", "")]
    found = [("L1", f"{difference.l1:.4f}"), ("PSNR", f"{difference.psnr:.1f} dB")]
    if difference.perceptual is not None:
        found.append(("perceptual", f"{difference.perceptual:.3f}"))
    return found


def is_identical(difference: Difference) -> bool:
    """Whether there is no difference, to the last bit."""
    return difference.l1 == 0


def distances(comparison: Comparison) -> Markup:
    """Means over the seeds, one row for every model that is compared with the first."""
    columns = ["model", "L1", "PSNR, dB"]
    if comparison.features is not None:
        columns.append(f"perceptual, {comparison.features.name}")
    rows = []
    for i, model in enumerate(comparison.models):
        found = differences_of(comparison, i)
        if not found:
            continue
        cells = [_mean([d.l1 for d in found], 4), _mean([d.psnr for d in found], 1)]
        if all(map(is_identical, found)):
            cells = ["identical", ""]
        if comparison.features is not None:
            cells.append(_mean([d.perceptual or 0.0 for d in found], 3))
        cells.append(f"{found[0].resolution} x {found[0].resolution}")
        rows.append([join(badge(i), model.name), *cells])
    if not rows:
        return Markup("")
    return _table([*columns, "compared at"], rows)


def cost(comparison: Comparison) -> Markup:
    """Parameters, operations and latency, a column for every model."""
    models = comparison.models
    rows: list[tuple[str, Callable[[Model], str]]] = [
        ("resolution", lambda m: f"{m.config.resolution}"),
        ("parameters, mapping", lambda m: f"{m.cost['mapping'].parameters:,}"),
        ("parameters, synthesis", lambda m: f"{m.cost['synthesis'].parameters:,}"),
        ("static demodulation, not counted", lambda m: f"{m.cost['synthesis'].static:,}"),
        ("parameters", lambda m: f"{parameters(m):,}"),
        ("MACs, mapping", lambda m: si(m.cost["mapping"].macs)),
        ("MACs, synthesis", lambda m: si(m.cost["synthesis"].macs)),
        ("MACs, synthesis deployed", lambda m: si(m.cost["deployed synthesis"].macs)),
        ("MACs", lambda m: si(macs(m))),
    ]
    if models[0].seconds:
        rows += [
            ("latency, median", lambda m: duration(percentile(m, 50))),
            ("latency, p90", lambda m: duration(percentile(m, 90))),
            ("latency, minimum", lambda m: duration(min(m.seconds))),
        ]
    if not any(m.cost["synthesis"].static for m in models):
        rows = [row for row in rows if not row[0].startswith("static")]
    head = tag(
        "tr",
        tag("th", "", scope="col"),
        *(tag("th", badge(i), class_="number", scope="col", title=m.name) for i, m in enumerate(models)),
    )
    body = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            *(tag("td", value(m), class_="number") for m in models),
            class_="total" if name in ("parameters", "MACs", "latency, median") else None,
        )
        for name, value in rows
    ]
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="data")
    return join(tag("div", table, class_="scroll"), tag("p", CONVENTION, class_="small soft"))


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


def records_section(groups: Sequence[Group], models: Sequence[Model]) -> Markup:
    """Records, a table for every metric and protocol; what may not be compared is never in one table."""
    parts: list[Markup] = []
    for group in groups:
        parts.append(tag("h3", group.metric))
        if group.differs:
            fields = "; ".join(_HASH.sub(lambda found: found[0][:12], line) for line in group.differs)
            parts.append(
                tag(
                    "p",
                    f"Stands apart, not to be compared with the {group.metric} above. The protocols differ: "
                    f"{fields}.",
                    class_="warning small",
                )
            )
        parts.append(tag("p", _protocol(group), class_="small soft name"))
        rows: list[list[Markup | str]] = []
        for record in group.records:
            own = [i for i, m in enumerate(models) if m.sha256 == record.fake.get("sha256")]
            name = join(*map(badge, own), str(record.fake.get("name")))
            spread = "" if record.uncertainty is None else f"{record.uncertainty:.2g}"
            rows.append([name, f"{record.value:.5g}", spread, str(record.date)[:10]])
        parts.append(_table(["model", "value", "±", "date"], rows))
        for warning in dict.fromkeys(str(w) for record in group.records for w in record.warnings):
            parts.append(tag("p", f"Note: {warning}.", class_="small soft"))
    return join(*parts)


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


def plots(comparison: Comparison, found: Quality | None) -> Markup:
    """Quality against operations and parameters, and bars of latency."""
    models = comparison.models
    parts: list[Markup] = []
    if found is not None:
        axes: list[tuple[str, str, Callable[[Model], int]]] = [
            ("Quality against operations", "MACs", macs),
            ("Quality against size", "parameters", parameters),
        ]
        for title, label, of in axes:
            points = [Point(i, of(models[i]), value, spread) for i, value, spread in found.points]
            parts.append(scatter(points, x_label=label, y_label=found.label, title=title))
    if models[0].seconds:
        latency = [Bar(i, short(m.name), percentile(m, 50), percentile(m, 90)) for i, m in enumerate(models)]
        parts.append(bars(latency, title="Latency", label="median of one image; line: 90th percentile"))
    nothing = "No plot of quality: no metric of --records covers two of these models by one protocol, and "
    return join(
        tag("div", *parts, class_="plots") if parts else None,
        tag("p", f"{nothing}their images are not comparable.", class_="small") if found is None else None,
    )


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


def _table(columns: Sequence[str], rows: Iterable[Sequence[Markup | str]]) -> Markup:
    """A table whose first column is names and whose others are figures."""
    head = [tag("th", c, scope="col", class_="number" if i else None) for i, c in enumerate(columns)]
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row", class_="name"),
            *(tag("td", cell, class_="number") for cell in row[1:]),
        )
        for row in rows
    ]
    table = tag("table", tag("thead", tag("tr", *head)), tag("tbody", *body), class_="data")
    return tag("div", table, class_="scroll")
