"""`ganzoo verify`: are these the published weights, and do they give the published images here?"""

from pathlib import Path
from typing import Annotated

import typer


def verify(
    name: Annotated[str, typer.Argument(help="A model of `ganzoo list`, hf-hub:owner/name, or a folder.")],
    cache_dir: Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")] = None,
) -> None:
    """Check a model's weights against their hash and its images against the recorded ones."""
    from ganzoo.models.verification import Mismatch
    from ganzoo.models.verification import verify as check

    try:
        check(name, cache_dir=cache_dir, report=typer.echo)
    except Mismatch as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
