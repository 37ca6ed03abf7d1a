"""`ganzoo list` and `ganzoo info`: what there is, and what it costs."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganzoo.models.catalogue import CONVENTION, CONVENTION_SHORT

if TYPE_CHECKING:
    from ganzoo.generators.discriminator import DiscriminatorConfig

_NUMBERS = ("resolution", "parameters", "MACs")
_ONE_TABLE = 120  # columns from which the models' license has room beside their cost
_ROOMY, _NARROW = 72, 60
_PIPE_WIDTH = 160  # a table that goes into a file or a pipe is not squeezed to a terminal's width

_WHERE = {"external": "to convert", "bundled": "in the package", "cached": "in the cache"}  # the weights are


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
) -> None:
    """Show what a model is made of, what it costs, where it comes from."""
    from dataclasses import asdict

    from ganzoo.generators.discriminator import DiscriminatorConfig
    from ganzoo.metrics.record import published_records
    from ganzoo.models.cost import costs
    from ganzoo.models.factory import (
        cached_weights,
        config_of,
        list_models,
        model_entry,
        resolve,
        source_name,
    )
    from ganzoo.models.folders import CONFIG_FILE, model_folder
    from ganzoo.models.weights import read_config

    folder = Path(resolve(name).removeprefix("dir:"))
    found = read_config(model_folder(folder) / CONFIG_FILE) if resolve(name).startswith("dir:") else None
    if isinstance(found, DiscriminatorConfig):
        _discriminator_info(name, found, as_json)
        return
    config = config_of(resolve(name))
    cost = costs(config)
    entry = model_entry(name) if resolve(name) in list_models() else None
    card = _card(folder) if found is not None else {}
    if as_json:
        data: dict[str, Any] = {
            "name": name,
            "config": config.to_dict(),
            "num_ws": config.num_ws,
            "cost": {part: asdict(c) for part, c in cost.items()},
            "macs_convention": CONVENTION,
        }
        if entry:
            data["model"] = {**asdict(entry), "cached": cached_weights(entry).is_file()}
        if card:
            data["card"] = card
        typer.echo(json.dumps(data, indent=2))
        return
    terminal = console()
    terminal.print(
        name + (f": {entry.summary}" if entry else ""), style="bold", highlight=False, soft_wrap=True
    )
    table = _table(None, "part", "parameters", "MACs")
    for part, c in cost.items():
        parameters = f"{c.parameters:,}"
        if c.static:
            parameters += f" + {c.static:,} static demodulation"
        table.add_row(part, parameters, f"{c.macs / 1e9:.3f} G" if c.macs >= 1e8 else f"{c.macs / 1e6:.2f} M")
    terminal.print(table)
    terminal.print(CONVENTION, highlight=False, soft_wrap=True)
    if any(c.static for c in cost.values()):
        terminal.print(
            "The vectors of static demodulation are trained here; the reference keeps them as untrained "
            "buffers and does not count them. They vanish when deployed.",
            highlight=False,
            soft_wrap=True,
        )
    for key, value in config.to_dict().items():
        terminal.print(f"  {key}: {_value(value)}", highlight=False, soft_wrap=True)
    for key, value in card.items():
        terminal.print(f"{key}: {value}", highlight=False, soft_wrap=True)
    if entry:
        terminal.print(
            f"recipe: {entry.recipe}, with {_value(dict(entry.overrides)) or 'no changes'}",
            highlight=False,
            soft_wrap=True,
        )
        terminal.print(f"origin: {entry.origin}", highlight=False, soft_wrap=True)
        for part, license in entry.license.items():
            terminal.print(f"license of the {part}: {license}", highlight=False, soft_wrap=True)
        for s in entry.sources:
            terminal.print(f"source: {source_name(s)}, sha256 {s.sha256}", highlight=False, soft_wrap=True)
        if entry.external:
            where = f"published by {entry.external.owner}: {entry.external.url}, {entry.external.page}"
            terminal.print(f"weights: {where}", highlight=False, soft_wrap=True)
            terminal.print(f"to use them: {entry.external.command(name)}", highlight=False, soft_wrap=True)
        elif not entry.is_bundled:
            cached = cached_weights(entry)
            terminal.print(f"cached: {cached if cached.is_file() else 'no'}", highlight=False, soft_wrap=True)
        for m in entry.measured:
            terminal.print(
                f"{m.metric}: {m.value} {m.unit} ({m.command}; {m.hardware}; {m.date})",
                highlight=False,
                soft_wrap=True,
            )
        for r in published_records(name):
            terminal.print(
                f"{r.metric}: {r.value:.5g} ± {r.uncertainty:.2g} ({r.command}; {r.hardware}; {r.date})",
                highlight=False,
                soft_wrap=True,
            )


def _card(folder: Path) -> dict[str, str]:
    """License and lineage of a folder's card, or that there is none."""
    from ganzoo.hub.readme import told_by_card
    from ganzoo.models.hub_pull import CARD_FILE

    path = folder / CARD_FILE
    if not path.is_file():
        return {"license": "unknown: the folder has no card; `ganzoo card` drafts one"}
    return told_by_card(path)


def _discriminator_info(name: str, config: "DiscriminatorConfig", as_json: bool) -> None:
    """The same for a discriminator, whose work is not counted."""
    from ganzoo.models.weights import empty

    parameters = sum(p.numel() for p in empty(config).parameters())
    if as_json:
        typer.echo(json.dumps({"name": name, "config": config.to_dict(), "parameters": parameters}, indent=2))
        return
    typer.echo(f"{name}: a discriminator of {parameters:,} parameters")
    for key, value in config.to_dict().items():
        typer.echo(f"  {key}: {_value(value)}")


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
    lines = ["| model | what | resolution | parameters | MACs | license |", "|---|---|---|---|---|---|"]
    for m in models:
        license = "; ".join(f"{part}: {text}" for part, text in m["license"].items())
        cells = [f"`{m['name']}`", m["summary"], *_cells(m)[1:], license]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{CONVENTION_SHORT}; mapping and synthesis together."])


def _where(model: dict[str, Any]) -> str:
    """Where a model's weights are."""
    return next((word for key, word in _WHERE.items() if model[key]), "to download")


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
    for column in columns:
        whole = column in _NUMBERS or (column == "name" and width >= _NARROW)
        right = column in _NUMBERS
        table.add_column(column, justify="right" if right else "left", no_wrap=whole, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
