"""Images of seeds or saved w, edited and mixed: as PNG files with their settings, and on sheets."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.latent.direction import Direction, Rows
from ganzoo.latent.editing import edit
from ganzoo.latent.look import random_sources
from ganzoo.latent.mixing import mix
from ganzoo.latent.points import Points
from ganzoo.latent.sheets import Sheet
from ganzoo.system.images import save_png, to_images

SHEET_FILE = "sheet.png"
Report = Callable[[int], None]


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
    sheets, done, names, w = [], 0, points.names(), points.w(generator)
    for direction in directions:
        sheet = Sheet(names, [_signed(s) for s in strengths], generator.resolution)
        told = {**settings, "direction": direction.name, "rows": rows or direction.rows}
        for row, name in enumerate(names):
            for column, strength in enumerate(strengths):
                image = _image(generator, points, row, edit(w[row : row + 1], direction, strength, rows))
                file = out / f"{name}_{direction.name}_{_signed(strength)}.png"
                save_png(image, file, {**told, "point": name, "strength": strength})
                sheet.put(row, column, image)
                done += 1
                report(done)
        sheets.append(out / f"{direction.name}.png")
        save_png(sheet.image, sheets[-1], {**told, "points": names, "strengths": list(strengths)})
    return sheets


def edited_w(
    w: Tensor, directions: Sequence[Direction], strengths: Sequence[float], rows: Rows | None = None
) -> Tensor:
    """W `[D * N * S, num_ws, w_dim]` of all images of `write_edits`, in their order."""
    every = [torch.stack([edit(w, d, strength, rows) for strength in strengths], dim=1) for d in directions]
    return torch.stack(every).flatten(0, 2)


def edited_noise(points: Points, directions: int, strengths: int) -> list[Tensor] | None:
    """The saved noise of all images of `write_edits`, in their order; None if it is that of the model."""
    noise = points.noise()
    if isinstance(noise, str):
        return None
    return [
        layer if len(layer) == 1 else layer.repeat_interleave(strengths, dim=0).repeat(directions, 1, 1, 1)
        for layer in noise
    ]


def directions_sheet(
    generator: Generator,
    points: Points,
    directions: Sequence[Direction],
    strengths: Sequence[float],
    report: Report = lambda done: None,
) -> Image.Image:
    """The first point moved along directions: a row a direction, a column a strength."""
    sheet = Sheet([d.name for d in directions], [_signed(s) for s in strengths], generator.resolution)
    w = points.w(generator, slice(1))
    for row, direction in enumerate(directions):
        for column, strength in enumerate(strengths):
            sheet.put(row, column, _image(generator, points, 0, edit(w, direction, strength)))
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
    names, tops, done = points.names(), sources.names(), 0
    sheet = Sheet(["", *names], ["", *tops], generator.resolution)
    w, others = points.w(generator), sources.w(generator)
    mixed = mix(w, others, rows)

    def put(row: int, column: int, image: Image.Image) -> None:
        nonlocal done
        sheet.put(row, column, image)
        done += 1
        report(done)

    for column in range(len(tops)):
        put(0, column + 1, _image(generator, sources, column, others[column : column + 1]))
    for row, name in enumerate(names):
        put(row + 1, 0, _image(generator, points, row, w[row : row + 1]))
        for column, source in enumerate(tops):
            image = _image(generator, points, row, mixed[row, column : column + 1])
            told = {**settings, "row": name, "column": source, "layers": list(rows)}
            save_png(image, out / f"{name}_{source}.png", told)
            put(row + 1, column + 1, image)
    told = {**settings, "rows": names, "columns": tops, "layers": list(rows)}
    save_png(sheet.image, out / SHEET_FILE, told)
    return out / SHEET_FILE


def _image(generator: Generator, points: Points, number: int, w: Tensor) -> Image.Image:
    """The image of w `[1, num_ws, w_dim]` with a point's noise."""
    noise = points.noise(slice(number, number + 1))
    with torch.inference_mode():
        images = generator.draw(w, noise, random_sources(noise, [points.seeds[number]]))
    return to_images(images)[0]


def _signed(strength: float) -> str:
    """A strength as files and sheets name it: `-3`, `0`, `+1.5`."""
    return f"{strength:+g}" if strength else "0"
