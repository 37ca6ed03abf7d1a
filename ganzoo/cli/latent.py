"""What the commands that move w share: their model, their points, and lists of numbers and directions."""

import math
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.cli import options
from ganzoo.cli.common import refuse_device
from ganzoo.system.interruption import Interrupted

if TYPE_CHECKING:
    from ganzoo.generators.generator import Generator
    from ganzoo.latent.direction import Directions

MODEL = "A model of `ganzoo list`, its folder, or hf-hub:owner/name."
Model = Annotated[str, typer.Argument(help=MODEL)]
Psi = Annotated[float, options.psi("Truncation: 1 for full variety, 0 for the mean image.")]
Noise = Annotated[
    str, options.noise("const (saved with the weights), random (by the image's seed), or none.")
]
Out = Annotated[Path, typer.Option(help="Folder for the images; made if need be.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps …")]
CacheDir = Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")]


def opened(name: str, device: str, cache_dir: Path | None) -> "tuple[Generator, Generator]":
    """The trainable generator on a device, and its deploy form."""
    from ganzoo.generators.deploy import deploy
    from ganzoo.models.reference import reference
    from ganzoo.system.progress import stage

    refuse_device(device)
    with stage(f"Opening {name}"):
        generator = reference(name, cache_dir).load().to(device)
        return generator, deploy(generator)


def parse_numbers(text: str, what: str) -> list[float]:
    """Numbers of a list like `-3,0,1.5`.

    Raises:
        ValueError: for anything else.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{what} is a list of numbers such as -3,0,3; got {text!r}.")
    return list(dict.fromkeys(numbers))


def list_directions(name: str, found: "Directions", where: str | None = None) -> None:
    """Print the names of directions, what they change, and how one is seen.

    Args:
        name: Name of the model.
        found: Directions.
        where: Where they lie, if not with the model.
    """
    from ganzoo.latent.direction import shown_rows

    width = max(map(len, found.names))
    for direction in found:
        rows = "all rows" if direction.rows is None else f"rows {shown_rows(direction.rows)}"
        facts = direction.facts
        keys = ("changes",) if "changes" in facts else ("method", "measured")
        said = [facts[key] for key in keys if key in facts]
        typer.echo(f"{direction.name:<{width}}  {rows:<10}  {'; '.join(said)}".rstrip())
    example = f"ganzoo edit {shlex.quote(name)} --direction {found.names[0]}"
    typer.echo(f"To see one: {example}{'' if where is None else f' --directions {shlex.quote(where)}'}")


@contextmanager
def counted(what: str, total: int, out: Path) -> Iterator[Callable[[int], None]]:
    """A block that reports how many images it has made; Ctrl-C in it tells how many are in the folder."""
    from ganzoo.system.progress import progress_bar

    done = 0

    def report(count: int) -> None:
        nonlocal done
        done = count
        progress.update(task, completed=count)

    try:
        with progress_bar() as progress:
            task = progress.add_task(what, total=total)
            yield report
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {done} of {total} images were made; see {out}.") from None
