"""Points of W+ to start from, of seeds or of a file, and the sheets of where they are moved."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.generators.synthesis import Noise
from ganzoo.latent.direction import Direction, Rows
from ganzoo.latent.editing import edit
from ganzoo.latent.mixing import mix
from ganzoo.latent.samples import seeds_w
from ganzoo.latent.saved import load_w
from ganzoo.latent.sheets import Sheet, draw
from ganzoo.models.generating import Look
from ganzoo.system.images import save_png

SHEET_FILE = "sheet.png"
Report = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Points:
    """Points of W+, and all that their images depend on besides the model.

    Attributes:
        names: Name of each, for files and sheets.
        w: `[N, num_ws, w_dim]`.
        seeds: Seed of each, for random noise.
        noise: Noise of the images, as `Generator.synthesis` takes it.
    """

    names: tuple[str, ...]
    w: Tensor
    seeds: tuple[int, ...]
    noise: Noise = "const"

    @classmethod
    def of_seeds(cls, generator: Generator, seeds: Sequence[int], look: Look) -> "Points":
        """The points that `ganzoo generate` draws for seeds.

        Raises:
            ValueError: for a class or cutoff that the generator does not take.
        """
        names = tuple(f"seed{seed:04d}" for seed in seeds)
        return cls(names, seeds_w(generator, seeds, look), tuple(seeds), look.noise)

    @classmethod
    def of_file(
        cls, generator: Generator, path: str | os.PathLike[str], noise: str = "const", *, other: bool = False
    ) -> "Points":
        """The points of a file, with the noise that is saved there in the place of the model's own.

        Args:
            generator: Generator that is to draw them.
            path: File that `ganzoo.latent.saved.load_w` reads.
            noise: "const", "random" or "none".
            other: Whether w of another mapping network are taken.

        Raises:
            ValueError: if it holds no w of this model.
        """
        saved = load_w(path, generator, other_mapping=other)
        own = saved.noise if saved.noise is not None and noise == "const" else noise
        numbers = tuple(range(len(saved.w)))
        return cls(tuple(f"w{number:04d}" for number in numbers), saved.w, numbers, own)

    def image(self, generator: Generator, number: int, w: Tensor | None = None) -> Image.Image:
        """The image of a point, or of another w `[num_ws, w_dim]` with its noise."""
        noise = self.noise
        if not isinstance(noise, str):
            noise = [x if len(x) == 1 else x[number : number + 1] for x in noise]
        return draw(generator, self.w[number] if w is None else w, noise, self.seeds[number])


def write_edits(
    generator: Generator,
    points: Points,
    directions: Sequence[Direction],
    strengths: Sequence[float],
    out: Path,
    *,
    rows: Rows | None = None,
    settings: Mapping[str, Any],
    report: Report = lambda done: None,
) -> list[Path]:
    """Write the image of every point at every strength along every direction, and a sheet a direction.

    Args:
        generator: Generator that draws them.
        points: Points to move.
        directions: Directions, each by itself.
        strengths: Strengths, as `edit` takes them.
        out: Folder, which exists.
        rows: Rows to move, instead of each direction's own.
        settings: What else the files are to tell of themselves.
        report: Function that is told how many images there are.

    Returns:
        the sheets, `DIRECTION.png`: a row a point, a column a strength.
    """
    sheets, done = [], 0
    for direction in directions:
        sheet = Sheet(points.names, [_signed(s) for s in strengths], generator.resolution)
        told = {**settings, "direction": direction.name, "rows": rows or direction.rows}
        for row, name in enumerate(points.names):
            for column, strength in enumerate(strengths):
                moved = edit(points.w[row : row + 1], direction, strength, rows)[0]
                image = points.image(generator, row, moved)
                file = out / f"{name}_{direction.name}_{_signed(strength)}.png"
                save_png(image, file, {**told, "point": name, "strength": strength})
                sheet.put(row, column, image)
                done += 1
                report(done)
        sheets.append(out / f"{direction.name}.png")
        save_png(
            sheet.image, sheets[-1], {**told, "points": list(points.names), "strengths": list(strengths)}
        )
    return sheets


def edited_w(
    points: Points, directions: Sequence[Direction], strengths: Sequence[float], rows: Rows | None = None
) -> Tensor:
    """W `[D * N * S, num_ws, w_dim]` of all images of `write_edits`, in their order."""
    every = [
        torch.cat([edit(w[None], direction, strength, rows) for w in points.w for strength in strengths])
        for direction in directions
    ]
    return torch.cat(every)


def directions_sheet(
    generator: Generator,
    points: Points,
    directions: Sequence[Direction],
    strengths: Sequence[float],
    report: Report = lambda done: None,
) -> Image.Image:
    """The first point moved along directions: a row a direction, a column a strength."""
    sheet = Sheet([d.name for d in directions], [_signed(s) for s in strengths], generator.resolution)
    for row, direction in enumerate(directions):
        for column, strength in enumerate(strengths):
            moved = edit(points.w[:1], direction, strength)[0]
            sheet.put(row, column, points.image(generator, 0, moved))
            report(row * len(strengths) + column + 1)
    return sheet.image


def write_mix(
    generator: Generator,
    points: Points,
    sources: Points,
    rows: Rows,
    out: Path,
    *,
    settings: Mapping[str, Any],
    report: Report = lambda done: None,
) -> Path:
    """Write every point with the rows of every source, and the grid of them; `sheet.png` is returned.

    The grid has the points at its left and the sources at its top, as in figure 3 of Karras et al. 2019.

    Args:
        generator: Generator that draws them.
        points: Points that give the other rows, and the noise.
        sources: Points that give these rows.
        rows: Rows to take from the sources.
        out: Folder, which exists.
        settings: What else the files are to tell of themselves.
        report: Function that is told how many images there are.
    """
    sheet = Sheet(["", *points.names], ["", *sources.names], generator.resolution)
    mixed, done = mix(points.w, sources.w, rows), 0

    def put(row: int, column: int, image: Image.Image) -> None:
        nonlocal done
        sheet.put(row, column, image)
        done += 1
        report(done)

    for column in range(len(sources.names)):
        put(0, column + 1, sources.image(generator, column))
    for row, name in enumerate(points.names):
        put(row + 1, 0, points.image(generator, row))
        for column, source in enumerate(sources.names):
            image = points.image(generator, row, mixed[row, column])
            told = {**settings, "row": name, "column": source, "layers": list(rows)}
            save_png(image, out / f"{name}_{source}.png", told)
            put(row + 1, column + 1, image)
    names = {"rows": list(points.names), "columns": list(sources.names), "layers": list(rows)}
    save_png(sheet.image, out / SHEET_FILE, {**settings, **names})
    return out / SHEET_FILE


def _signed(strength: float) -> str:
    """A strength as files and sheets name it: `-3`, `0`, `+1.5`."""
    return f"{strength:+g}" if strength else "0"
