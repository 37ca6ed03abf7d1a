"""`generate_images`: a PNG for each seed or w, with its settings inside, and a contact sheet of them all."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import Generator
from ganzoo.generators.sampling import Label
from ganzoo.latent.centers import find_centers
from ganzoo.latent.look import PSI, SAVED_PSI, Look
from ganzoo.latent.points import Points, points
from ganzoo.latent.saved import SavedW, save_w
from ganzoo.models.reference import Name, reference
from ganzoo.system.images import check_channels, contact_sheet, save_png, tile_side, to_images
from ganzoo.system.paths import user_path

SHEET_FILE, W_FILE = "sheet.png", "w.safetensors"


@dataclass(frozen=True)
class Generated:
    """What was written.

    Attributes:
        images: Files in the order of the seeds or w.
        sheet: File with all of them.
        w: File with the w of the images, if they were to be saved.
        resolution: Side of an image.
        seconds: Time for all images, from latents to 8 bits.
    """

    images: tuple[Path, ...]
    sheet: Path
    w: Path | None
    resolution: int
    seconds: float


@torch.inference_mode()
def generate_images(
    model: Name | Generator,
    seeds: Iterable[int] | None,
    out: str | os.PathLike[str],
    *,
    w: Tensor | SavedW | None = None,
    truncation_psi: float | None = None,
    truncation_cutoff: int | None = None,
    noise: str = "const",
    label: Label | None = None,
    centers: int | Tensor | None = None,
    z_limit: float | None = None,
    translate: tuple[float, float] = (0.0, 0.0),
    rotate: float = 0.0,
    save_w: bool = False,
    batch_size: int = 1,
    name: str | None = None,
    device: str = "cpu",
    cache_dir: str | os.PathLike[str] | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> Generated:
    """Write the image of every seed as `seed0000.png` …, and all of them as `sheet.png`.

    Args:
        model: Name as `ganzoo.create` takes it, or a generator, such as one of `ganzoo.runtimes.load`.
        seeds: Seeds; each is taken once. None where `w` is given.
        out: Folder for the images; made if need be.
        w: W `[N, num_ws, w_dim]` to draw instead, as `w0000.png` …, or what `load_w` read.
        truncation_psi: Truncation (default: 0.7 of seeds, 1 of given w); see `Look`.
        truncation_cutoff: Number of rows of w to truncate (default: all).
        noise: "const", "random" or "none".
        label: Class, or a mix such as `{3: 0.5, 7: 0.5}`, for a conditional model.
        centers: Centers to truncate towards, or how many to find; None for the mean w.
        z_limit: Limit of the latents' numbers, in deviations; see `Generator.sample_z`.
        translate: Shift to the right and down, of a StyleGAN3; see `SynthesisNetwork.move`.
        rotate: Degrees to turn the images by, counterclockwise, of a StyleGAN3.
        save_w: Whether to write the w of the images as `w.safetensors`.
        batch_size: Images at once; on a CPU, 1 is quickest.
        name: What the settings in the files call the model (default: its name).
        device: Device of a model given by its name.
        cache_dir: Cache of a model given by its name.
        report: Function that is told how many images there are.

    Raises:
        ValueError: for an unknown name, or settings that do not fit the model; nothing is written then.
        OSError: if weights cannot be had, or the folder cannot be made.
    """
    psi = truncation_psi if truncation_psi is not None else PSI if w is None else SAVED_PSI
    # A mistake is told before anything is opened.
    look = Look(psi, truncation_cutoff, noise, label, z_limit=z_limit)
    if (seeds is None) == (w is None):
        raise ValueError("Give seeds, or w=, and not both.")
    if not isinstance(model, Generator):
        source = reference(model, cache_dir)
        name, model = name or source.name, deploy(source.load().to(device))
    check_channels(model.img_channels, name or "This generator")
    drawn = _points(model, look, seeds, w, centers)
    place = {"translate": list(translate), "rotate": rotate} if rotate or any(translate) else {}
    with model.synthesis.moved(translate, rotate) if place else nullcontext():
        return _Writer(model, drawn, _made(out), name, place).write(batch_size, save_w, report)


def _points(
    model: Generator,
    look: Look,
    seeds: Iterable[int] | None,
    w: Tensor | SavedW | None,
    centers: int | Tensor | None,
) -> Points:
    """What is drawn, its centers found."""
    saved = SavedW(w.to(model.device)) if isinstance(w, Tensor) else w
    drawn = points(model, look, tuple(seeds or ()), saved)
    if isinstance(centers, int):
        centers = find_centers(model, centers, label=look.label)
    return replace(drawn, look=replace(look, centers=centers))


@dataclass(frozen=True)
class _Writer:
    """Images of points in a folder."""

    model: Generator
    drawn: Points
    folder: Path
    name: str | None
    place: Mapping[str, Any] = field(default_factory=dict)  # that the images were moved to

    def write(self, batch_size: int, keep_w: bool, report: Callable[[int], None]) -> Generated:
        """Draw and write all images."""
        one, all_ = ("seed", "seeds") if self.drawn.saved is None else ("w", "w")
        settings, drawn = {"model": self.name, **self.drawn.look.settings(), **self.place}, self.drawn
        names, side, seconds = drawn.names(), tile_side(len(drawn), self.model.resolution), 0.0
        files, tiles = list[Path](), list[Image.Image]()
        for start in range(0, len(drawn), batch_size):
            part, began = slice(start, start + batch_size), time.perf_counter()
            images = to_images(drawn.images(self.model, part))
            seconds += time.perf_counter() - began
            for name, number, image in zip(names[part], drawn.seeds[part], images, strict=True):
                files.append(self.folder / f"{name}.png")
                save_png(image, files[-1], {**settings, one: number})
                tiles.append(image.resize((side, side)))
            report(len(files))
        settings[all_] = _ranges(drawn.seeds)
        save_png(contact_sheet(tiles), self.folder / SHEET_FILE, settings)
        saved = self._save_w(settings) if keep_w else None
        return Generated(tuple(files), self.folder / SHEET_FILE, saved, self.model.resolution, seconds)

    def _save_w(self, settings: dict[str, Any]) -> Path:
        facts = {key: str(value) for key, value in settings.items() if value is not None}
        own = None if self.drawn.saved is None else self.drawn.saved.noise
        return save_w(self.folder / W_FILE, self.drawn.w(self.model), self.model, noise=own, facts=facts)


def _made(out: str | os.PathLike[str]) -> Path:
    """A folder, made if need be."""
    folder = user_path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"--out {str(folder)!r} cannot be made: {error.strerror}.") from error
    return folder


def _ranges(seeds: Sequence[int]) -> str:
    """Seeds as the command line takes them: `0-3,7`."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1][1:] = [seed]
        else:
            runs.append([seed])
    return ",".join("-".join(map(str, run)) for run in runs)
