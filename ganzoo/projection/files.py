"""What a projection leaves in a folder: w, each image beside its projection, and a film of the way."""

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganzoo.films.writing import FilmWriter
from ganzoo.generators.generator import Generator
from ganzoo.latent.saved import save_w
from ganzoo.projection.descent import Step
from ganzoo.projection.projecting import Projected
from ganzoo.system.images import contact_sheet, save_png, shrink, tile_side, to_images
from ganzoo.system.paths import user_path

W_FILE, PROGRESS_FILE, FILM_FILE = "projected.safetensors", "progress.png", "way.webp"
TUNED_FILE = "tuned.png"
_SIDE, _FPS, _FRAMES = 256, 12, 60  # of the film


class Way:
    """The way of a projection, told step by step: `progress.png`, rewritten now and then, and `way.webp`.

    A context manager; an interrupted film can be played.

    Args:
        folder: Folder for both, made if it does not exist.
        targets: `[N, C, R, R]` in -1..1.
        steps: Steps that are to come.

    Attributes:
        last: The last step that was told.
    """

    def __init__(self, folder: str | os.PathLike[str], targets: Tensor, steps: int) -> None:
        self.folder = user_path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        side = min(_SIDE, targets.shape[-1], tile_side(2 * len(targets), _SIDE))
        self._side, self._every = side, max(1, steps // _FRAMES)
        self._targets = to_images(shrink(targets, side))
        self._film = FilmWriter(self.folder / FILM_FILE, _FPS, self._frame(self._targets).size)
        self.last: Step | None = None

    def __enter__(self) -> "Way":
        self._film.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._film.__exit__(kind, value, traceback)

    def report(self, step: Step) -> None:
        """Take a step into the film, and show it."""
        self.last = step
        if step.number % self._every == 0 or step.number in (1, step.steps):
            frame = self._frame([image.resize((self._side, self._side)) for image in to_images(step.images)])
            self._film.add(frame)
            save_png(frame, self.folder / PROGRESS_FILE, {"step": step.number, "steps": step.steps})

    def _frame(self, images: Sequence[Image.Image]) -> Image.Image:
        return contact_sheet(list(map(_beside, self._targets, images)))


def write_projected(
    folder: str | os.PathLike[str],
    generator: Generator,
    projected: Projected,
    targets: Tensor,
    names: Sequence[str],
    settings: Mapping[str, Any],
) -> list[Path]:
    """Write `projected.safetensors`, and for every image a PNG: the target left, its projection right.

    Args:
        folder: Folder for them, made if it does not exist.
        generator: Generator that they were projected for.
        projected: What was found.
        targets: `[N, C, R, R]` in -1..1.
        names: Names of the PNG, without suffix; of equal ones, the later ones are numbered.
        settings: Settings of the projection, for both.

    Returns:
        The files of the images.
    """
    folder = user_path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {**settings, "images": list(names), "distances": projected.distances.tolist()}
    write_w(folder, generator, projected.w, projected.noise, settings)
    files: list[Path] = []
    pairs = zip(to_images(targets), to_images(projected.images), names, strict=True)
    for number, (target, image, name) in enumerate(pairs):
        tried = (f"{name}-{i}.png" if i else f"{name}.png" for i in itertools.count())
        files.append(next(file for file in map(folder.__truediv__, tried) if file not in files))
        save_png(_beside(target, image), files[-1], {**settings, "image": number})
    return files


def write_tuned(
    folder: Path, tuned: Generator, projected: Projected, targets: Tensor, settings: Mapping[str, Any]
) -> Tensor:
    """Write `tuned.png`, each target beside what a tuned generator draws, which is returned."""
    noise = "const" if projected.noise is None else projected.noise
    with torch.no_grad():
        images: Tensor = tuned.synthesis(projected.w, noise=noise).image
    pairs = list(map(_beside, to_images(targets), to_images(images)))
    save_png(contact_sheet(pairs), folder / TUNED_FILE, settings)
    return images


def write_w(
    folder: Path,
    generator: Generator,
    w: Tensor,
    noise: Sequence[Tensor] | None,
    settings: Mapping[str, Any],
) -> Path:
    """Write `projected.safetensors` with the settings as facts."""
    facts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return save_w(folder / W_FILE, w, generator, noise=noise, facts=facts)


def _beside(target: Image.Image, image: Image.Image) -> Image.Image:
    both = Image.new(target.mode, (target.width + image.width, target.height))
    both.paste(target, (0, 0))
    both.paste(image, (target.width, 0))
    return both
