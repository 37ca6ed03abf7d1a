"""`ganzoo list` and `ganzoo info`: what there is, and what it costs."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganzoo.models.catalogue import CONVENTION, CONVENTION_SHORT

if TYPE_CHECKING:
    from ganzoo.cards.information import Info
    from ganzoo.metrics.record import Record

_NUMBERS = ("resolution", "parameters", "MACs")
_LONGEST = 16  # letters of a word that a column has room for
_ONE_TABLE = 120  # columns from which the models' license has room beside their cost
_ROOMY, _NARROW = 72, 60
_NON_COMMERCIAL = re.compile(r"\bNC\b|non-commercial")
_PIPE_WIDTH = 160  # a table that goes into a file or a pipe is not squeezed to a terminal's width


def list_(
    pattern: Annotated[str, typer.Argument(help="Names to show, with wildcards: '*ffhq*'.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the models as a Markdown table.")
    ] = False,
    hub: Annotated[
        str | None, typer.Option(metavar="OWNER", help="List the models of an owner on the Hub; * for all.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="With --hub: only models with this tag; may be repeated.")
    ] = None,
) -> None:
    """List models, recipes and blocks; with --hub, models on the Hub."""
    if hub is not None:
        _list_hub(hub, pattern, tag or [], as_json)
        return
    if tag:
        raise ValueError("--tag is for models on the Hub: give --hub OWNER.")

    from ganzoo.models import catalogue

    models = catalogue.models(pattern)
    if markdown:
        typer.echo(_markdown(models))
        return
    recipes, blocks = catalogue.recipes(pattern), catalogue.blocks(pattern)
    if not (models or recipes or any(blocks.values())):
        raise ValueError(f"Nothing is named like {pattern!r}: see ganzoo list.")
    if as_json:
        data = {"models": models, "recipes": recipes, "blocks": blocks, "macs_convention": CONVENTION}
        typer.echo(json.dumps(data, indent=2))
        return
    terminal = console()
    cost, license = ("resolution", "parameters", "MACs"), ("license of the weights", "weights")
    if models and terminal.width >= _ONE_TABLE:
        rows = [[*_cells(m), m["license"]["weights"], _where(m)] for m in models]
        terminal.print(_table("Models", "name", *cost, *license, rows=rows), "")
    elif models:
        terminal.print(_table("Models", "name", *cost, rows=[_cells(m) for m in models]))
        rows = [[m["name"], m["license"]["weights"], _where(m)] for m in models]
        terminal.print("", _table(None, "name", *license, rows=rows), "")
    if recipes:
        rows = [_cells(r) for r in recipes]
        terminal.print(_table("Recipes (random weights)", "name", *cost, rows=rows), "")
    if any(blocks.values()):
        rows = [[kind, ", ".join(names)] for kind, names in blocks.items() if names]
        terminal.print(_table("Blocks", "kind", "names", rows=rows), "")
    if models or recipes:
        terminal.print(f"{CONVENTION_SHORT}; mapping and synthesis together.", highlight=False)


def info(
    name: Annotated[
        str,
        typer.Argument(help="A model or recipe of `ganzoo list`, a folder, or hf-hub:owner/name."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    cache_dir: Annotated[
        Path | None, typer.Option(help="Where the config of a model on the Hub is kept.")
    ] = None,
) -> None:
    """Show what a model is made of, what it costs, where it comes from."""
    from ganzoo.cards.information import info as look_up

    found = look_up(name, cache_dir=cache_dir)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
        return
    terminal = console()

    def tell(line: str) -> None:
        terminal.print(line, highlight=False, soft_wrap=True)

    title = f": {found.entry.summary}" if found.entry is not None else ""
    if not found.cost:
        title = f": a discriminator of {found.parameters:,} parameters"
    terminal.print(f"{name}{title}", style="bold", highlight=False, soft_wrap=True)
    if found.cost:
        terminal.print(_cost_table(found))
        tell(CONVENTION)
    if any(c.static for c in found.cost.values()):
        tell(
            "The vectors of static demodulation are trained here; the reference keeps them as untrained "
            "buffers and does not count them. They vanish when deployed."
        )
    for key, value in found.config.to_dict().items():
        tell(f"  {key}: {_value(value)}")
    for key, value in found.card.items():
        tell(f"{key}: {value}")
    for line in _origin(found):
        tell(line)


def _cost_table(found: "Info") -> Any:
    """Parameters and MACs of a generator's parts."""
    table = _table(None, "part", "parameters", "MACs")
    for part, c in found.cost.items():
        parameters = f"{c.parameters:,}"
        if c.static:
            parameters += f" + {c.static:,} static demodulation"
        table.add_row(part, parameters, f"{c.macs / 1e9:.3f} G" if c.macs >= 1e8 else f"{c.macs / 1e6:.2f} M")
    return table


def _origin(found: "Info") -> Iterator[str]:
    """Where a published model comes from, and what was measured on it."""
    from ganzoo.models.published import source_name

    if (entry := found.entry) is None:
        return
    yield f"recipe: {entry.recipe}, with {_value(dict(entry.overrides)) or 'no changes'}"
    yield f"origin: {entry.origin}"
    for part, license in entry.license.items():
        yield f"license of the {part}: {license}"
    for source in entry.sources:
        size = _megabytes(source.bytes)
        yield f"source: {source_name(source)}, {size}, sha256 {source.sha256}"
    if found.parts is not None:
        [size] = [_megabytes(m["download"]) for m in found.family if m["name"] == entry.name]
        yield f"base: {entry.base}, {size} to download, once for all that are made of it"
        for what, parts in found.parts.told().items():
            yield f"{what}: {', '.join(parts)}"
    if entry.external:
        external = entry.external
        yield f"weights: published by {external.owner}: {external.url}, {external.page}"
        yield f"to use them: {external.command(entry.name)}"
    elif not entry.is_bundled:
        yield f"cached: {found.weights if found.cached else 'no'}"
    if len(found.family) > 1:
        sizes = (f"{m['name']} ({m['resolution']}, {m['macs'] / 1e9:.2f} G)" for m in found.family)
        yield f"family: {', '.join(sizes)}"
    yield from map(_figure, found.records)


def _figure(r: "Record") -> str:
    """A published number in a line, with what it means and where it comes from."""
    spread = "" if r.uncertainty is None else f" ± {r.uncertainty:.2g}"
    origin = "; ".join([*filter(None, [r.definition]), r.command, r.hardware, r.date])
    return f"{r.metric}: {r.value:.5g}{spread} ({origin})"


def _list_hub(owner: str, pattern: str, tags: list[str], as_json: bool) -> None:
    """Models on the Hub, by the names that `create` takes."""
    from ganzoo.hub.listing import hub_models

    found = hub_models(None if owner == "*" else owner, pattern, tags)
    if not found:
        raise ValueError(f"The Hub shows no model of ganzoo by {owner!r} that fits.")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    table = _table(None, "name", "license", "base model", "private", "downloads", "changed")
    for m in found:
        private = "yes" if m["private"] else "no"
        table.add_row(
            m["name"], m["license"], m["base_model"], private, str(m["downloads"]), m["changed"][:10]
        )
    console().print(table)


def _markdown(models: list[dict[str, Any]]) -> str:
    """Published models as a Markdown table."""
    lines = ["| model | what | resolution | parameters | MACs | weights' license |", f"|{'---|' * 6}"]
    for m in models:
        others = [text for part, text in m["license"].items() if part != "weights"]
        mark = "¹" if any(_NON_COMMERCIAL.search(text) for text in others) else ""
        cells = [f"`{m['name']}`", m["summary"], *_cells(m)[1:], m["license"]["weights"] + mark]
        lines.append(f"| {' | '.join(cells)} |")
    terms = (
        "The license of the teacher or of the images is non-commercial: `ganzoo info NAME` prints all three."
    )
    return "\n".join([*lines, "", f"{CONVENTION_SHORT}; mapping and synthesis together. ¹ {terms}"])


def _where(model: dict[str, Any]) -> str:
    """Where a model's weights are."""
    if model["external"]:
        return "to convert"
    if model["bundled"]:
        return f"in the package ({_megabytes(model['packaged'])})"
    return "in the cache" if model["cached"] else f"to download ({_megabytes(model['download'])})"


def _megabytes(number: int) -> str:
    return f"{number / 1e6:.1f} MB"


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        row["name"],
        str(row["resolution"]),
        f"{row['parameters'] / 1e6:.2f} M",
        f"{row['macs'] / 1e9:.2f} G",
    ]


def _value(value: Any) -> str:
    """A block as `name (option=value)`, anything else as it prints."""
    if isinstance(value, dict) and "name" in value:
        options = ", ".join(f"{k}={v}" for k, v in value.items() if k != "name")
        return f"{value['name']} ({options})" if options else str(value["name"])
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    return str(value)


def console() -> Any:
    """A terminal as wide as it is; for a pipe or a file, wide enough for every table."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, markup=False)


def _table(title: str | None, *columns: str, rows: Iterable[Sequence[str]] = ()) -> Any:
    """A table whose columns are all there at any width: what is too long goes on in the next line.

    Names are there to be copied: from 60 columns on they stay whole.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    width = console().width
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, pad_edge=False,
        padding=(0, 1 if width >= _ROOMY else 0, 0, 0),
    )  # fmt: skip
    cells = list(rows)
    for i, column in enumerate(columns):
        whole = column in _NUMBERS or (column == "name" and width >= _NARROW)
        right = column in _NUMBERS
        words = [word for row in cells for word in row[i].split()] if width >= _NARROW else []
        longest = max(map(len, words), default=1)  # is not cut either
        table.add_column(
            column,
            justify="right" if right else "left",
            no_wrap=whole,
            overflow="fold",
            min_width=min(longest, _LONGEST),
        )
    for row in cells:
        table.add_row(*row)
    return table
