"""What the demo's buttons do, as plain functions: files in a folder, each PNG with its settings inside.

Each takes a folder of its own, and changes nothing else: any number of visitors may call them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.demo.opening import DemoModel
from ganzoo.films.making import frames
from ganzoo.films.paths import Motion, through_seeds
from ganzoo.films.writing import FilmWriter
from ganzoo.generators.generator import mix_styles
from ganzoo.latent.direction import Direction
from ganzoo.latent.editing import edit as move
from ganzoo.latent.generating import generate_images
from ganzoo.latent.look import SAVED_PSI, Look, random_sources
from ganzoo.latent.points import Points, points
from ganzoo.latent.saved import load_w
from ganzoo.projection.descent import Step
from ganzoo.projection.distance import FEATURES
from ganzoo.projection.files import W_FILE, write_projected
from ganzoo.projection.photos import read_targets
from ganzoo.projection.projecting import project as project_images
from ganzoo.system.images import save_png, to_images
from ganzoo.system.validation import unknown

MOST_STEPS, MOST_SECONDS, FPS = 1000, 20, 12
FILM_FILE, PAIR = "walk.webp", "projection"
Report = Callable[[int, int], None]


def _unheard(done: int, total: int) -> None:
    """A report that nobody hears."""


def draw(model: DemoModel, folder: Path, seeds: Sequence[int], look: Look) -> list[Path]:
    """The image of every seed, as `ganzoo generate` writes it.

    Args:
        model: Model.
        folder: Folder for the files.
        seeds: Seeds.
        look: Look of the images.

    Raises:
        ValueError: for a look that the model does not take.
    """
    made = generate_images(
        model.generator, seeds, folder, truncation_psi=look.truncation_psi, noise=look.noise,
        truncation_cutoff=look.truncation_cutoff, label=look.label, name=model.name,
    )  # fmt: skip
    made.sheet.unlink()
    return list(made.images)


@torch.inference_mode()
def mix(model: DemoModel, folder: Path, first: int, second: int, rows: int, look: Look) -> list[Path]:
    """The images of two seeds, and the mix: some rows of w from the first, the others from the second.

    Args:
        model: Model.
        folder: Folder for the files.
        first: Seed of the upper rows, coarse features, and of random noise.
        second: Seed of the others.
        rows: How many rows are from the first.
        look: Look of the images.

    Raises:
        ValueError: for a look or a number of rows that the model does not take.
    """
    ends = [points(model.generator, look, [seed]) for seed in (first, second)]
    w = [end.w(model.generator) for end in ends]
    mixed = mix_styles(w[0], w[1], rows)
    settings = {"model": model.name, **look.settings()}
    files = [
        _written(model, end, own, folder / f"{end.names()[0]}.png", {**settings, "seed": end.seeds[0]})
        for end, own in zip(ends, w, strict=True)
    ]
    name = f"seed{first:04d}_seed{second:04d}_{rows}.png"
    told = {**settings, "mix": [first, second], "rows": rows}
    return [*files, _written(model, ends[0], mixed, folder / name, told)]


@torch.inference_mode()
def edit(
    model: DemoModel,
    folder: Path,
    start: int | Path,
    strengths: Mapping[str, float],
    look: Look,
) -> list[Path]:
    """An image, and the same moved along directions.

    Args:
        model: Model.
        folder: Folder for the files.
        start: Seed, or a file of saved w, such as a projection's: its first w, drawn as it is.
        strengths: Strengths by the names of directions, in deviations of w.
        look: Look of the images; of saved w, the noise alone.

    Raises:
        ValueError: for an unknown direction, a look that the model does not take, or w of another model.
    """
    moves = [(_direction(model, name), strength) for name, strength in strengths.items() if strength]
    point, told = _point(model, start, look)
    before = point.w(model.generator, slice(1))
    after = before
    for direction, strength in moves:
        after = move(after, direction, strength)
    name = point.names()[0]
    settings = {"model": model.name, **point.look.settings(), **told}
    edits = {direction.name: strength for direction, strength in moves}
    return [
        _written(model, point, before, folder / f"{name}.png", settings),
        _written(model, point, after, folder / f"{name}_edited.png", {**settings, "edits": edits}),
    ]


def walk(
    model: DemoModel,
    folder: Path,
    seeds: Sequence[int],
    seconds: float,
    look: Look,
    report: Report = _unheard,
) -> Path:
    """A short film through seeds and back to the first.

    Args:
        model: Model.
        folder: Folder for the film.
        seeds: Stops, two at least.
        seconds: Length.
        look: Look of the images.
        report: Function that is told how many frames there are, of how many; what it raises ends the film.

    Raises:
        ValueError: for fewer seeds, another length, or a look that the model does not take.
    """
    if len(seeds) < 2:
        raise ValueError("A walk leads from seed to seed: give two at least, such as 0-3.")
    if not 0 < seconds <= MOST_SECONDS:
        raise ValueError(f"A walk takes up to {MOST_SECONDS} seconds; got {seconds:g}.")
    look.check(model.generator)
    motion = Motion(
        max(1, round(seconds * FPS)), psi=look.truncation_psi, cutoff=look.truncation_cutoff,
        noise=look.noise,
    )  # fmt: skip
    path = through_seeds(model.generator, seeds, motion, labels=[] if look.label is None else [look.label])
    side = model.generator.resolution
    with FilmWriter(folder / FILM_FILE, FPS, (side, side)) as writer:
        for image in frames(model.generator, path):
            writer.add(image)
            report(writer.frames, motion.frames)
    return folder / FILM_FILE


def project(
    model: DemoModel,
    folder: Path,
    image: Path,
    space: str,
    steps: int,
    *,
    features: str | None = FEATURES,
    report: Report = _unheard,
) -> tuple[Path, Path]:
    """An image beside the nearest one that the model draws, and the file of its w.

    Args:
        model: Model.
        folder: Folder for the files.
        image: File of the image; of a model of aligned faces, a photo of one face, which is aligned.
        space: "w" or "w+".
        steps: Steps in all.
        features: Feature network, fetched once; None for pixels alone.
        report: Function that is told how many steps are done, of how many; what it raises ends it.

    Raises:
        ValueError: for a model without gradients, what is no image, no face or several.
        OSError: if a network cannot be had.
    """
    if not 1 <= steps <= MOST_STEPS:
        raise ValueError(f"A projection takes 1 to {MOST_STEPS} steps; got {steps}.")
    generator, coarse = model.projected
    cache_dir = None if model.source is None else model.source.cache_dir
    target = read_targets(
        [image], generator.resolution, generator.img_channels, align=model.aligns, cache_dir=cache_dir
    )

    def told(step: Step) -> None:
        report(step.number, step.steps)

    found = project_images(
        generator, target, space=space, steps=steps, coarse=coarse, features=features, report=told,
        cache_dir=cache_dir,
    )  # fmt: skip
    settings = {"model": model.name, "space": space, "steps": steps, "features": features or "none"}
    [pair] = write_projected(folder, generator, found, target, [PAIR], settings)
    return pair, folder / W_FILE


def _direction(model: DemoModel, name: str) -> Direction:
    """A direction by its name."""
    known = {direction.name: direction for direction in model.directions}
    if name not in known:
        raise ValueError(unknown("direction", name, known))
    return known[name]


def _point(model: DemoModel, start: int | Path, look: Look) -> tuple[Points, dict[str, Any]]:
    """A seed or the first w of a file, and what is told of it."""
    if isinstance(start, int):
        return points(model.generator, look, [start]), {"seed": start}
    saved = load_w(start, model.generator)
    as_it_is = replace(look, truncation_psi=SAVED_PSI, truncation_cutoff=None, label=None)
    return points(model.generator, as_it_is, saved=saved), {"w": 0}


def _written(model: DemoModel, point: Points, w: Tensor, file: Path, settings: Mapping[str, Any]) -> Path:
    """The image of a w with the noise of a point, in a file."""
    noise = point.noise(slice(1))
    [image] = to_images(model.generator.draw(w, noise, random_sources(noise, point.seeds[:1])))
    save_png(image, file, settings)
    return file
