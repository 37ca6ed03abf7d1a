"""`render`: a comparison as one HTML page that asks nobody for anything."""

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ganzoo.charts.bars import Bar, bars
from ganzoo.charts.drawing import PALETTES, Drawing, inline, style
from ganzoo.charts.scatter import Point, scatter
from ganzoo.compare.images import COLOURS, amplification, colour_map, encode
from ganzoo.compare.measure import Comparison, Row
from ganzoo.compare.records import Group
from ganzoo.compare.tables import (
    TOTALS,
    Quality,
    View,
    cost,
    differences_of,
    distances,
    latency_protocol,
    macs,
    parameters,
    percentile,
    quality,
    records,
    shown,
    views,
)
from ganzoo.models.cost import CONVENTION
from ganzoo.system.files import replacing
from ganzoo.system.images import FOURTH_CHANNEL, OVER_WHITE
from ganzoo.system.paths import user_path
from ganzoo.system.templates import templates

TEMPLATES = Path(__file__).parent / "templates"
_COARSE = 128  # images up to this side are enlarged without blur
_FEW = 3  # columns that fit the width of a phone
_WIDTH, _HEIGHT = 340, 250  # of a plot: as wide as a phone, so that its type is never shrunk


def write_page(
    path: str | os.PathLike[str], comparison: Comparison, *, groups: Sequence[Group] = (), command: str
) -> int:
    """Write `render`'s page, whole or not at all; returns its size in bytes."""
    path = user_path(path)
    data = render(comparison, groups=groups, command=command).encode()
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return len(data)


def render(comparison: Comparison, *, groups: Sequence[Group] = (), command: str) -> str:
    """The page: HTML with its style, script and images inside.

    Its content security policy forbids every request and every script but its own, so that a name in a file
    of records could do no harm even if it were not escaped.

    Args:
        comparison: What `measure` found.
        groups: Records that `ganzoo eval --out` wrote, of these models or others.
        command: Command that made the page.
    """
    pages = templates(TEMPLATES, markup=True)
    rules = pages.get_template("page.css.j2").render(palettes=PALETTES, models=len(comparison.models))
    css, script = style() + rules, (TEMPLATES / "page.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(css)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    models, best = views(comparison), quality(comparison, groups)
    maps = [d.map for i in range(1, len(models)) for d in differences_of(comparison, i)]
    factor = amplification(maps)
    amplified = f"amplified {factor} times" if factor > 1 else "not amplified"
    return pages.get_template("page.html.j2").render(
        policy=policy,
        style=css,
        script=script,
        version=comparison.versions["ganzoo"],
        models=models,
        seeds=_count(len(comparison.settings.seeds), comparison.settings.kind),
        kind=comparison.settings.kind,
        command=command,
        facts=_facts(comparison),
        alpha=any(m.config.img_channels == 4 for m in comparison.models),
        over_white=OVER_WHITE,
        fourth_channel=FOURTH_CHANNEL,
        amplified=amplified,
        scale=_scale(factor) if maps else None,
        many=len(models) > _FEW,
        coarse=_COARSE,
        rows=[_images(row, models, factor, amplified, comparison.settings.kind) for row in comparison.rows],
        distances=distances(comparison, models),
        features=comparison.features,
        costs=cost(comparison),
        totals=TOTALS,
        convention=CONVENTION,
        latency=latency_protocol(comparison),
        plots=list(_plots(comparison, best)),
        quality=best is not None,
        groups=records(groups, models),
    )


def _facts(comparison: Comparison) -> dict[str, str]:
    """Date, settings and machine."""
    s = comparison.settings
    noise = {"const": "const, each model its own", "random": "random, drawn from the seed"}
    return {
        "date": comparison.date.replace("T", " "),
        **({"seeds": ", ".join(map(str, s.seeds))} if s.w is None else {"w": s.w}),
        "truncation": f"psi {s.truncation_psi:g}",
        "noise": noise.get(s.noise, s.noise),
        **({} if s.label is None else {"label": str(s.label)}),
        "device": comparison.device,
        "hardware": comparison.hardware,
        "versions": ", ".join(f"{name} {version}" for name, version in comparison.versions.items()),
    }


def _images(row: Row, models: Sequence[View], factor: int, amplified: str, kind: str) -> dict[str, Any]:
    """The tiles of a seed: images and, where there are any, differences with their figures."""
    maps: list[dict[str, Any] | None] = []
    for model, d in zip(models[1:], row.differences[1:], strict=True):
        if d is None:
            maps.append(None)
            continue
        name = f"{model.letter} against A, {kind} {row.seed}, {amplified}"
        image = encode(colour_map(d.map, factor))
        maps.append({"image": image, "alt": name, "caption": name, "figures": shown(d)})
    return {
        "seed": row.seed,
        "images": [
            {
                "image": image,
                "alt": f"{model.letter}, {kind} {row.seed}",
                "caption": f"{model.letter} {model.name}, {kind} {row.seed}",
            }
            for image, model in zip(row.images, models, strict=True)
        ],
        "maps": maps if any(maps) else [],
    }


def _scale(factor: int) -> dict[str, Any]:
    """The colours of the differences, with what they stand for."""
    anchors = ("start", "middle", "middle", "middle", "end")
    return {
        "width": _WIDTH,
        "stops": [(i / (len(COLOURS) - 1), colour) for i, colour in enumerate(COLOURS)],
        "labels": [(_WIDTH * i / 4, anchor, f"{25 * i / factor:.3g} %") for i, anchor in enumerate(anchors)],
    }


def _plots(comparison: Comparison, best: Quality | None) -> Iterator[dict[str, str]]:
    """Quality against operations and parameters, and bars of latency."""
    models = list(zip(views(comparison), comparison.models, strict=True))
    if best is not None:
        for title, label, of in (
            ("Quality against operations", "MACs", macs),
            ("Quality against size", "parameters", parameters),
        ):
            points = [
                Point(models[i][0].letter, of(models[i][1]), value, spread, color=i)
                for i, value, spread in best.points
            ]
            drawing = scatter(points, x_label=label, width=_WIDTH, height=_HEIGHT)
            yield _plot(title, best.label, drawing)
    if comparison.models[0].seconds:
        values = [
            Bar(view.short, percentile(m, 50), percentile(m, 90), view.letter, color=view.index)
            for view, m in models
        ]
        label = "median of one image; line: 90th percentile"
        yield _plot("Latency", label, bars(values, width=_WIDTH))


def _plot(title: str, label: str, drawing: Drawing) -> dict[str, str]:
    return {"title": title, "label": label, "svg": inline(drawing, title)}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _hash(text: str) -> str:
    """A content security policy's source expression for an inline element."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
