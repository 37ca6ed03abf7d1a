"""`ganzoo push`: a model to the Hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ganzoo.system.interruption import Interrupted

if TYPE_CHECKING:
    from ganzoo.hub.push import Pushed
    from ganzoo.hub.space import PushedSpace


def push(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Folder of a model, or a model of `ganzoo list`.")
    ],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository; made if need be.")],
    license: Annotated[
        str | None, typer.Option(help="License of the weights, as the Hub spells it; else the card's.")
    ] = None,
    lineage: Annotated[
        str | None,
        typer.Option(
            help="What the weights were made from, by whom: a line for the card. A folder without a "
            "card gets a draft."
        ),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a private repository.")] = False,
    revision: Annotated[
        str | None, typer.Option(help="Branch to push to, made if need be; by default the main one.")
    ] = None,
    pr: Annotated[bool, typer.Option("--pr", help="Open a pull request.")] = False,
    dtype: Annotated[
        str, typer.Option(help="fp32, or fp16: half the size; what that does to images is measured.")
    ] = "fp32",
    include: Annotated[
        list[str] | None, typer.Option(help="Other files of the folder, such as '*.onnx'; may be repeated.")
    ] = None,
    overwrite_card: Annotated[
        bool, typer.Option("--overwrite-card", help="Replace a card there that was edited by hand.")
    ] = False,
    space: Annotated[
        str | None,
        typer.Option(metavar="OWNER/NAME", help="Push a Space, too, that shows the model in the browser."),
    ] = None,
    space_package: Annotated[
        str | None,
        typer.Option(help="What the Space installs as ganzoo, as pip writes it (default: a copy)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and tell, but change nothing.")] = False,
    endpoint: Annotated[str | None, typer.Option(help="Address of another Hub.")] = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")] = None,
) -> None:
    """Check a model against its record and upload it in one commit, with its card."""
    from ganzoo.hub.push import push as push_model

    try:
        pushed = push_model(
            model, repo, license=license, lineage=lineage, private=private, revision=revision, pr=pr,
            dtype=cast(Any, dtype), include=include or (), overwrite_card=overwrite_card, dry_run=dry_run,
            endpoint=endpoint, space=space, space_package=space_package, cache_dir=cache_dir,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: nothing was committed to {space or repo}.") from None
    _tell(pushed, private=private)
    if pushed.space is not None:
        _tell_space(pushed.space, private=private)


def _tell(pushed: "Pushed", *, private: bool) -> None:
    """Say what was pushed, or would be."""
    repo = pushed.repo
    if pushed.drafted:
        typer.echo("The folder has no card: a draft goes along, for you to complete on the Hub.")
    size = f"{len(pushed.files)} files, {sum(pushed.files.values()) / 1e6:.2f} MB"
    if pushed.rounding is not None:
        typer.echo(f"float16 against float32: {pushed.rounding}")
    if pushed.url is None:
        new = f" (new{', private' if private else ''})" if pushed.creates else ""
        typer.echo(f"Would push to {repo}{new}: {size}. Nothing was changed.")
        for path, count in pushed.files.items():
            typer.echo(f"  {path}: {count} bytes")
    elif not pushed.changed:
        typer.echo(f"{repo} has all of this already: {pushed.commit}")
    else:
        typer.echo(f"{pushed.url}: {size}, commit {pushed.commit}")
        typer.echo(f"To use it: ganzoo generate {pushed.name}")


def _tell_space(space: "PushedSpace", *, private: bool) -> None:
    """Say what the Space is; of a dry run, all of its own files, and how many of the package's."""
    size = f"{len(space.files)} files, {sum(space.files.values()) / 1e6:.2f} MB"
    if space.url is not None:
        told = f"{space.url}: {size}" if space.changed else f"{space.repo} has all of this already"
        typer.echo(f"Space {told}, commit {space.commit}")
        return
    new = f" (new{', private' if private else ''})" if space.creates else ""
    typer.echo(f"Would push the Space {space.repo}{new}: {size}. Nothing was changed.")
    for path, text in space.texts.items():
        typer.echo(f"  {path}: {space.files[path]} bytes")
        for line in text.splitlines():
            typer.echo(f"    {line}".rstrip())
    if package := [count for path, count in space.files.items() if path not in space.texts]:
        typer.echo(f"  ganzoo/: {len(package)} files of this package, {sum(package)} bytes")
