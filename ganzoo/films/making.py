"""`frames`: the images of ways through latent space, one at a time."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import torch
from PIL import Image

from ganzoo.films.paths import LatentPath
from ganzoo.generators.generator import Generator
from ganzoo.system.images import to_images


def frames(
    generator: Generator, path: LatentPath | Sequence[LatentPath], *, columns: int = 1
) -> Iterator[Image.Image]:
    """The frames of a way, or of several as tiles of one film, drawn as they are asked for.

    Args:
        generator: Generator that draws them, such as one of `ganzoo.runtimes.load`, which is faster.
        path: Way of `ganzoo.films.paths`, or several of one length, row by row.
        columns: Tiles side by side.

    Raises:
        ValueError: for ways that do not fill the rows, or differ in length.
    """
    paths = [path] if isinstance(path, LatentPath) else list(path)
    if not paths or columns < 1 or len(paths) % columns or len({one.frames for one in paths}) != 1:
        raise ValueError(f"Tiles fill rows of {columns} by ways of one length; got {len(paths)} ways.")
    return (_tiled(generator, paths, number, columns) for number in range(paths[0].frames))


@torch.inference_mode()
def _tiled(generator: Generator, paths: Sequence[LatentPath], number: int, columns: int) -> Image.Image:
    """One frame."""
    tiles = [_tile(generator, path, number) for path in paths]
    if len(tiles) == 1:
        return tiles[0]
    side = generator.resolution
    whole = Image.new(tiles[0].mode, (columns * side, len(tiles) // columns * side))
    for i, tile in enumerate(tiles):
        whole.paste(tile, (i % columns * side, i // columns * side))
    return whole


def _tile(generator: Generator, path: LatentPath, number: int) -> Image.Image:
    """One frame of one way; the generator stays where it was."""
    place = path.place(number)
    with generator.synthesis.moved(*place) if place else nullcontext():
        return to_images(generator.draw(path.w(number), *path.noise(number)))[0]
