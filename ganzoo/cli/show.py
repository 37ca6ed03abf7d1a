"""`ganzoo list` and `ganzoo info`: what there is, and what it costs."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ganzoo.config import DiscriminatorConfig

_NAME_WIDTH = 29  # of the longest recipe: names are there to be copied
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

    from fnmatch import fnmatchcase

    from ganzoo.blocks import KINDS
    from ganzoo.cost import CONVENTION, CONVENTION_SHORT
    from ganzoo.factory import cached_weights, list_blocks, list_models, model_entry
    from ganzoo.recipes import list_recipes

    if markdown:
        typer.echo(_markdown(list_models(pattern)))
        return
    models = []
    for name in list_models(pattern):
        entry = model_entry(name)
        row = _row(name)
        models.append(
            {
                **row,
                "licence": dict(entry.licence),
                "bundled": entry.is_bundled,
                "cached": cached_weights(entry).is_file(),
                "external": entry.external is not None,
            }
        )
    recipes = [_row(name) for name in list_recipes() if fnmatchcase(name, pattern)]
    blocks = {k: [b for b in list_blocks(k) if fnmatchcase(b, pattern)] for k in KINDS}
    if not (models or recipes or any(blocks.values())):
        raise ValueError(f"Nothing is named like {pattern!r}: see ganzoo list.")
    if as_json:
        data = {"models": models, "recipes": recipes, "blocks": blocks, "macs_convention": CONVENTION}
        typer.echo(json.dumps(data, indent=2))
        return
    terminal = console()
    if models:
        table = _table(
            "Models", "name", "resolution", "parameters", "MACs", "licence of the weights", "weights"
        )
        for m in models:
            where = next((word for key, word in _WHERE.items() if m[key]), "to download")
            table.add_row(*_cells(m), m["licence"]["weights"], where)
        terminal.print(table)
    if recipes:
        table = _table("Recipes (random weights)", "name", "resolution", "parameters", "MACs")
        for r in recipes:
            table.add_row(*_cells(r))
        terminal.print(table)
    if any(blocks.values()):
        table = _table("Blocks", "kind", "names")
        for kind, names in blocks.items():
            if names:
                table.add_row(kind, ", ".join(names))
        terminal.print(table)
    if models or recipes:
        terminal.print(f"{CONVENTION_SHORT}; mapping and synthesis together.")


def info(
    name: Annotated[
        str,
        typer.Argument(help="A model or recipe of `ganzoo list`, a folder, or hf-hub:owner/name."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a model is made of, what it costs, where it comes from."""
    from dataclasses import asdict

    from ganzoo.config import DiscriminatorConfig
    from ganzoo.cost import CONVENTION, costs
    from ganzoo.factory import cached_weights, config_of, list_models, model_entry, resolve, source_name
    from ganzoo.folders import CONFIG_FILE, model_folder
    from ganzoo.metrics.record import published_records
    from ganzoo.weights import read_config

    folder = Path(resolve(name).removeprefix("dir:"))
    found = read_config(model_folder(folder) / CONFIG_FILE) if resolve(name).startswith("dir:") else None
    if isinstance(found, DiscriminatorConfig):
        _discriminator_info(name, found, as_json)
        return
    config = config_of(resolve(name))
    cost = costs(config)
    entry = model_entry(name) if resolve(name) in list_models() else None
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
    if entry:
        terminal.print(
            f"recipe: {entry.recipe}, with {_value(dict(entry.overrides)) or 'no changes'}",
            highlight=False,
            soft_wrap=True,
        )
        terminal.print(f"origin: {entry.origin}", highlight=False, soft_wrap=True)
        for part, licence in entry.licence.items():
            terminal.print(f"licence of the {part}: {licence}", highlight=False, soft_wrap=True)
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


def _discriminator_info(name: str, config: "DiscriminatorConfig", as_json: bool) -> None:
    """The same for a discriminator, whose work is not counted."""
    from ganzoo.weights import empty

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
    table = _table(None, "name", "licence", "base model", "private", "downloads", "changed")
    for m in found:
        private = "yes" if m["private"] else "no"
        table.add_row(
            m["name"], m["licence"], m["base_model"], private, str(m["downloads"]), m["changed"][:10]
        )
    console().print(table)


def _row(name: str) -> dict[str, Any]:
    """Name, resolution and cost of a model or recipe."""
    from ganzoo.cost import costs
    from ganzoo.factory import config_of

    config = config_of(name)
    cost = costs(config, deployed=False)
    return {
        "name": name,
        "resolution": config.resolution,
        "parameters": sum(c.parameters + c.static for c in cost.values()),
        "macs": sum(c.macs for c in cost.values()),
    }


def _markdown(names: list[str]) -> str:
    """Published models as a Markdown table, from their entries alone."""
    from ganzoo.cost import CONVENTION_SHORT
    from ganzoo.factory import config_of, model_entry

    lines = ["| model | what | resolution | parameters | MACs | licence |", "|---|---|---|---|---|---|"]
    for name in names:
        entry = model_entry(name)
        parameters, macs = sum(entry.parameters.values()) / 1e6, sum(entry.macs.values()) / 1e9
        licence = "; ".join(f"{part}: {text}" for part, text in entry.licence.items())
        cells = [f"`{name}`", entry.summary, str(config_of(name).resolution)]
        cells += [f"{parameters:.2f} M", f"{macs:.2f} G", licence]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{CONVENTION_SHORT}; mapping and synthesis together."])


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


def _table(title: str | None, *columns: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for column in columns:
        right = column in ("resolution", "parameters", "MACs")
        width = _NAME_WIDTH if column == "name" else None
        table.add_column(column, justify="right" if right else "left", no_wrap=right, min_width=width)
    return table
