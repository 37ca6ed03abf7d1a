"""`render`: a comparison as one HTML page that asks nobody for anything."""

import base64
import hashlib
import os
from collections.abc import Sequence
from importlib import resources

from ganzoo.compare.images import COLOURS, Encoded, amplification, colour_map, encode
from ganzoo.compare.markup import Markup, join, tag
from ganzoo.compare.measure import Comparison, Model, Row
from ganzoo.compare.plots import WIDTH, letter
from ganzoo.compare.records import Group
from ganzoo.compare.tables import (
    badge,
    cost,
    differences_of,
    distances,
    latency_protocol,
    plots,
    quality,
    records_section,
    short,
    shown,
)
from ganzoo.system.files import replacing
from ganzoo.system.images import FOURTH_CHANNEL, OVER_WHITE
from ganzoo.system.paths import user_path

_COARSE = 128  # images up to this side are enlarged without blur
_FEW = 3  # columns that fit the width of a phone


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
        comparison: what `compare` measured.
        groups: of records that `ganzoo eval --out` wrote, of these models or others.
        command: that made the page.
    """
    folder = resources.files("ganzoo.compare")
    style = f":root {{ --models: {len(comparison.models)}; }}\n" + (folder / "page.css").read_text("utf-8")
    script = (folder / "page.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=f"ganzoo {comparison.versions['ganzoo']}"),
        tag("title", "ganzoo compare: " + ", ".join(m.name for m in comparison.models)),
        tag("style", Markup(style)),
    )
    seeds = comparison.settings.seeds
    body = tag(
        "body",
        tag("h1", f"{len(comparison.models)} models, {_count(len(seeds), 'seed')}"),
        _models(comparison.models),
        _what_was_run(comparison, command),
        tag(
            "main",
            tag("h2", "Images"),
            *_images(comparison),
            *_distances(comparison),
            tag("h2", "Cost"),
            cost(comparison),
            tag("p", latency_protocol(comparison), class_="small soft"),
            tag("h2", "Plots"),
            plots(comparison, quality(comparison, groups)),
            join(tag("h2", "Records"), records_section(groups, comparison.models)) if groups else None,
        ),
        tag("script", Markup(script)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _models(models: Sequence[Model]) -> Markup:
    """Letter, name and make of every model."""
    items = []
    for i, m in enumerate(models):
        c = m.config
        labels = f", {c.label_dim} labels" if c.label_dim else ""
        text = f"{c.resolution} x {c.resolution}, {c.describe()}{labels}; weights "
        items.append(
            tag(
                "li",
                badge(i),
                tag("b", m.name),
                tag("p", text, tag("code", m.sha256[:12], title=f"sha256 {m.sha256}"), class_="small soft"),
            )
        )
    return tag("ul", *items, class_="models")


def _what_was_run(comparison: Comparison, command: str) -> Markup:
    """Command, date, settings, machine."""
    s = comparison.settings
    noise = {"const": "const, each model its own", "random": "random, drawn from the seed"}.get(
        s.noise, s.noise
    )
    facts = {
        "date": comparison.date.replace("T", " "),
        "seeds": ", ".join(map(str, s.seeds)),
        "truncation": f"psi {s.truncation_psi:g}",
        "noise": noise,
        "label": None if s.label is None else str(s.label),
        "device": comparison.device,
        "hardware": comparison.hardware,
        "versions": ", ".join(f"{name} {version}" for name, version in comparison.versions.items()),
    }
    return join(
        tag("pre", tag("code", command)),
        tag(
            "dl",
            *(join(tag("dt", k), tag("dd", text)) for k, text in facts.items() if text is not None),
            class_="facts",
        ),
    )


def _images(comparison: Comparison) -> list[Markup]:
    """The table of images, with difference maps below them, and what there is to know of it."""
    models = comparison.models
    maps = [d.map for i in range(1, len(models)) for d in differences_of(comparison, i)]
    factor = amplification(maps)
    parts = [
        tag(
            "p",
            "A row is a seed, a column a model. Click an image to enlarge it; the arrow keys go on to the "
            "other models. Images are shown with at most 512 pixels a side; figures are of all pixels."
            + (f" What is transparent is shown {OVER_WHITE}." if _has_alpha(comparison) else ""),
            class_="small soft",
        )
    ]
    if maps:
        parts += [
            tag(
                "p",
                f"Below: absolute difference from A, averaged over the channels, {_amplified(factor)}, all "
                "over the page. One seed is one latent for all; the images are akin only if the mapping "
                "networks are, as a teacher's and its student's.",
                class_="small soft",
            ),
            _scale(factor),
        ]
    parts += [
        tag("p", badge(i), f"No difference from A: {m.incomparable}.", class_="warning small")
        for i, m in enumerate(models)
        if m.incomparable
    ]
    head = [tag("th", badge(i), short(m.name), title=m.name, scope="col") for i, m in enumerate(models)]
    table = tag(
        "table",
        tag("thead", tag("tr", *head)),
        *(_row(row, models, factor) for row in comparison.rows),
        class_="images many" if len(models) > _FEW else "images",
    )
    return [*parts, tag("div", table, class_="images-box") if len(models) > _FEW else table]


def _row(row: Row, models: Sequence[Model], factor: int) -> Markup:
    """A seed: images, and below them the differences."""
    heading = f"Seed {row.seed}"
    images = [
        tag("td", _zoom(image, f"{letter(i)}, seed {row.seed}", f"{letter(i)} {m.name}, seed {row.seed}"))
        for i, (image, m) in enumerate(zip(row.images, models, strict=True))
    ]
    rows = [
        tag("tr", tag("th", heading, colspan=len(models), scope="rowgroup")),
        tag("tr", *images),
    ]
    if any(row.differences):
        cells = [tag("td", f"Difference from A, {_amplified(factor)}")]
        for i, d in enumerate(row.differences[1:], start=1):
            if d is None:
                cells.append(tag("td", "not comparable"))
                continue
            name = f"{letter(i)} against A, seed {row.seed}, {_amplified(factor)}"
            figures = [tag("span", f"{key} {value}".strip(), class_="figure") for key, value in shown(d)]
            cells.append(tag("td", _zoom(encode(colour_map(d.map, factor)), name, name), tag("p", *figures)))
        rows.append(tag("tr", *cells))
    return tag("tbody", *rows)


def _zoom(encoded: Encoded, alt: str, caption: str) -> Markup:
    """A tile that fills the window while it is open."""
    image = tag(
        "img",
        src=encoded.uri,
        alt=alt,
        width=encoded.side,
        height=encoded.side,
        class_="coarse" if encoded.side <= _COARSE else None,
    )
    return tag("details", tag("summary", image, tag("span", caption)), class_="zoom", name="zoom")


def _scale(factor: int) -> Markup:
    """The colours of the differences, with what they stand for."""
    last = len(COLOURS) - 1
    stops = [tag("stop", offset=i / last, stop_color=colour) for i, colour in enumerate(COLOURS)]
    gradient = tag("linearGradient", *stops, id="scale")
    anchors = ("start", "middle", "middle", "middle", "end")
    labels = [
        tag("text", f"{25 * i / factor:.3g} %", x=WIDTH * i / 4, y=29, text_anchor=anchor)
        for i, anchor in enumerate(anchors)
    ]
    drawing = tag(
        "svg",
        tag("title", "Colours of the differences"),
        tag("defs", gradient),
        tag("rect", x=0, y=0, width=WIDTH, height=14, fill="url(#scale)"),
        *labels,
        viewBox=f"0 0 {WIDTH} 32",
        role="img",
    )
    caption = tag("figcaption", tag("span", "Difference, as part of the range of an image"))
    return tag("figure", caption, drawing, class_="scale")


def _distances(comparison: Comparison) -> list[Markup]:
    """Mean distances from the first model, and how they are defined."""
    table = distances(comparison)
    if not table:
        return []
    text = (
        f"Mean over {_count(len(comparison.settings.seeds), 'seed')} ± standard error. L1: mean absolute "
        "difference of images in -1..1, not clipped; PSNR: of clipped images; both as in ganzoo eval "
        "--teacher, but each model has its own noise. Images of different sizes are compared at the "
        "smaller one, the larger brought to it by a bilinear filter with antialiasing."
    )
    if _has_alpha(comparison):
        text += (
            f" Alpha is {FOURTH_CHANNEL} in L1 and PSNR where both models have it; otherwise, and in "
            f"features, images are seen {OVER_WHITE}."
        )
    if comparison.features is not None:
        f = comparison.features
        text += (
            f" Perceptual: distance of normalised feature maps of {f.name} (sha256 {f.sha256[:12]}) at "
            f"{f.size} x {f.size}, unweighted; not LPIPS."
        )
    return [tag("h2", "Distance from A"), table, tag("p", text, class_="small soft")]


def _has_alpha(comparison: Comparison) -> bool:
    return any(m.config.img_channels == 4 for m in comparison.models)


def _amplified(factor: int) -> str:
    return f"amplified {factor} times" if factor > 1 else "not amplified"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _hash(text: str) -> str:
    """A content security policy's source expression for an inline element."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
