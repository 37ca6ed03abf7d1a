"""`ganzoo film`: a film through latent space, written as it is drawn."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.cli import options
from ganzoo.cli.common import parse_place, parse_seeds, refuse_device
from ganzoo.cli.opening import in_engine
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.interruption import Interrupted, StopRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PIL import Image

    from ganzoo.films.paths import LatentPath, Motion
    from ganzoo.generators.generator import Generator
    from ganzoo.latent.saved import SavedW

Name = Annotated[str, typer.Argument(help="A model of `ganzoo list`, its folder, or hf-hub:owner/name.")]
Seeds = Annotated[str | None, typer.Option(help="Stops of the way: 0-7, or 1,4,10-12 (default: 0-7).")]
Seconds = Annotated[float, typer.Option(help="Length.")]
Fps = Annotated[float, typer.Option(help="Frames a second.")]
Out = Annotated[Path, typer.Option(help="The film: a .mp4, .webm, .gif or .webp.")]
Space = Annotated[str, typer.Option(help="Where it moves: z or w.")]
Curve = Annotated[
    str | None,
    typer.Option(help="linear, cubic, or in z spherical (default: spherical in z, cubic in w)."),
]
Ease = Annotated[str, typer.Option(help="linear (at one pace) or smooth (slow at every stop).")]
Loop = Annotated[bool, typer.Option("--loop/--no-loop", help="On from the last stop to the first.")]
Grid = Annotated[str, typer.Option(help="Tiles, columns by rows; stops are dealt out to them one by one.")]
Psi = Annotated[
    str | None,
    typer.Option(help="Truncation, or 0.3:1 to swing to and fro once (default: 0.7; of saved w 1)."),
]
Cutoff = Annotated[int | None, typer.Option(help="Truncate this many rows of w only.")]
Labels = Annotated[str | None, typer.Option(help="Of a conditional model: a class, or 0,3,5 to go through.")]
Noise = Annotated[
    str,
    typer.Option(
        help="const (saved with the weights), random (one for the film), changing (every frame) or none."
    ),
]
Translate = Annotated[
    str | None,
    typer.Option(help="Swing a StyleGAN3's images by X,Y and back: widths of the image, right and down."),
]
Rotate = Annotated[
    float | None,
    typer.Option(help="Turn a StyleGAN3's images by so many degrees in the film; 360 is once around."),
]
NoiseSeed = Annotated[int, typer.Option(min=0, help="Seed of random and changing noise.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps …")]
CacheDir = Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")]


def film(
    name: Name,
    seeds: Seeds = None,
    w: options.SavedW = None,
    seconds: Seconds = 10.0,
    fps: Fps = 30.0,
    out: Out = Path("film.mp4"),
    space: Space = "z",
    curve: Curve = None,
    ease: Ease = "linear",
    loop: Loop = True,
    grid: Grid = "1x1",
    psi: Psi = None,
    cutoff: Cutoff = None,
    centers: options.Centers = None,
    labels: Labels = None,
    noise: Noise = "const",
    noise_seed: NoiseSeed = 0,
    translate: Translate = None,
    rotate: Rotate = None,
    runtime: options.Runtime = "auto",
    precision: options.Precision = "fp32",
    device: Device = "cpu",
    other_mapping: options.OtherMapping = False,
    cache_dir: CacheDir = None,
) -> None:
    """Write a film through seeds or saved w, frame by frame; Ctrl-C keeps what there is."""
    if w is not None and (seeds or labels or space != "z"):
        raise ValueError("--w takes the place of --seeds, and has its space and classes already: leave out "
                         "--seeds, --space and --labels.")  # fmt: skip
    numbers, classes, columns, tiles = parse_seeds(seeds or "0-7"), _classes(labels), *_grid(grid)

    from ganzoo.films.making import frames
    from ganzoo.films.paths import Motion, check_space
    from ganzoo.films.writing import check_film
    from ganzoo.latent.centers import check_centers, find_centers
    from ganzoo.latent.saved import load_w
    from ganzoo.system.progress import stage

    path, (shift, turn) = check_film(out, fps), parse_place(translate, rotate)
    motion = Motion(_count(seconds, fps), curve, ease, loop, _psi(psi), cutoff, None, noise, noise_seed)
    motion = replace(motion, rotate=turn, translate=shift)
    check_space("w" if w else space, curve)
    if centers is not None:
        check_centers(centers)
    refuse_device(device)
    keep_freed_memory()
    generator, engine = in_engine(name, _runtime(runtime, motion), precision, device, cache_dir)
    stops = numbers if w is None else load_w(w, generator, other_mapping=other_mapping)
    if centers is not None:
        with stage(f"Finding {centers} centers"):
            only = classes[0] if len(set(classes)) == 1 else None
            motion = replace(motion, centers=find_centers(generator, centers, label=only))
    ways = _paths(generator, stops, motion, space, classes, tiles)
    size = columns * generator.resolution, tiles // columns * generator.resolution
    _write(path, fps, size, frames(generator, ways, columns=columns), motion.frames, engine)


def _write(
    path: Path, fps: float, size: tuple[int, int], images: "Iterable[Image.Image]", total: int, engine: str
) -> None:
    """Write the film, and say what it is."""
    from ganzoo.films.writing import FilmWriter
    from ganzoo.system.progress import progress_bar

    began, writer = time.perf_counter(), FilmWriter(path, fps, size)
    try:
        with StopRequest() as stop, progress_bar() as progress, writer:
            task = progress.add_task("Filming", total=total)
            for image in images:
                writer.add(image)
                progress.update(task, completed=writer.frames)
                if stop.requested:
                    break
    except KeyboardInterrupt:  # the second one, which does not wait for the frame
        kept = f"{writer.frames} of {total} frames are in {path}, which can be played."
        raise Interrupted(
            f"Interrupted: {kept if writer.frames else f'no film was written to {path}.'}"
        ) from None
    told = f"{writer.frames} of {total} frames" if stop.requested else f"{total} frames"
    told += f" of {size[0]} x {size[1]}"
    if writer.frames < total:
        raise Interrupted(f"Interrupted: {told} are in {path}, which can be played.")
    seconds = time.perf_counter() - began
    typer.echo(
        f"{told} in {path}, {total / fps:.1f} s, {path.stat().st_size / 1e6:.1f} MB: "
        f"{total / seconds:.1f} frames a second ({engine})."
    )


def _paths(
    generator: "Generator",
    stops: "list[int] | SavedW",
    motion: "Motion",
    space: str,
    classes: Sequence[int],
    tiles: int,
) -> "list[LatentPath]":
    """A way for each tile."""
    from ganzoo.films.paths import through_seeds, through_w

    count = len(stops) if isinstance(stops, list) else len(stops.w)
    if count % tiles:
        raise ValueError(f"--grid has {tiles} tiles, among which {count} stops cannot be dealt out evenly.")
    if isinstance(stops, list):
        return [
            through_seeds(generator, stops[tile::tiles], motion, space=space, labels=classes)
            for tile in range(tiles)
        ]
    return [through_w(generator, replace(stops, w=stops.w[tile::tiles]), motion) for tile in range(tiles)]


def _runtime(asked: str, motion: "Motion") -> str:
    """The runtime to look for: images move in PyTorch alone."""
    return "torch" if asked == "auto" and motion.place(0) else asked


def _count(seconds: float, fps: float) -> int:
    """How many frames a film has."""
    if not (seconds > 0 and seconds * fps < 1e9):
        raise ValueError(f"--seconds is a length such as 10; got {seconds:g}.")
    return max(1, round(seconds * fps))


def _grid(text: str) -> tuple[int, int]:
    """Columns of a grid, and how many tiles it has."""
    columns, x, rows = text.partition("x")
    if not (x and text.isascii() and columns.isdecimal() and rows.isdecimal() and int(columns) * int(rows)):
        raise ValueError(f"--grid is columns by rows, such as 2x2; got {text!r}.")
    return int(columns), int(columns) * int(rows)


def _psi(text: str | None) -> float | tuple[float, float] | None:
    """One psi, or two to swing between."""
    if text is None:
        return None
    try:
        found = [float(part) for part in text.split(":")]
    except ValueError:
        found = []
    if len(found) not in (1, 2):
        raise ValueError(f"--psi is a number such as 0.7, or two such as 0.3:1; got {text!r}.")
    return found[0] if len(found) == 1 else (found[0], found[1])


def _classes(text: str | None) -> list[int]:
    """Classes of a list; one may come twice."""
    parts = [] if text is None else text.split(",")
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise ValueError(f"--labels is a class such as 3, or several such as 0,3,5; got {text!r}.")
    return [int(part) for part in parts]
