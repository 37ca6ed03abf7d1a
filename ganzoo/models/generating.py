"""`generate_images`: a PNG for each seed, with its settings inside, and a contact sheet of them all."""

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL import Image
from torch.nn.functional import one_hot

from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import Generator
from ganzoo.models.reference import Name, reference
from ganzoo.system.images import check_channels, contact_sheet, save_png, tile_side, to_images
from ganzoo.system.paths import user_path

SHEET_FILE = "sheet.png"


@dataclass(frozen=True)
class Look:
    """What the image of a seed depends on besides the model.

    Attributes:
        truncation_psi: Truncation: 1 for full variety, 0 for the mean image.
        truncation_cutoff: Number of rows of w to truncate (default: all).
        noise: "const" (saved with the weights), "random" (by the image's seed) or "none".
        label: Class, for a conditional model.

    Raises:
        ValueError: for a value that no model takes.
    """

    truncation_psi: float = 0.7
    truncation_cutoff: int | None = None
    noise: str = "const"
    label: int | None = None

    def __post_init__(self) -> None:
        if self.noise not in ("const", "random", "none"):
            raise ValueError(f"--noise is const, random or none; got {self.noise!r}.")
        if not math.isfinite(self.truncation_psi):
            raise ValueError(f"--psi is a number such as 0.7; got {self.truncation_psi}.")

    def check(self, model: Generator) -> None:
        """Raise ValueError for a cutoff or a label that a model does not take."""
        cutoff, labels = self.truncation_cutoff, model.label_dim
        if cutoff is not None and not 0 <= cutoff <= model.num_ws:
            raise ValueError(f"--cutoff is 0 to {model.num_ws} for this model; got {cutoff}.")
        if labels == 0 and self.label is not None:
            raise ValueError("--label: this model is not conditional.")
        if labels and (self.label is None or not 0 <= self.label < labels):
            got = "" if self.label is None else f"; got {self.label}"
            raise ValueError(f"--label: this model needs a class from 0 to {labels - 1}{got}.")

    def images(self, model: Generator, seeds: Sequence[int]) -> list[Image.Image]:
        """A model's images of some seeds, at once."""
        labels = None
        if self.label is not None:
            classes = torch.full([len(seeds)], self.label, device=model.device)
            labels = one_hot(classes, model.label_dim).float()
        random = [torch.Generator().manual_seed(s) for s in seeds] if self.noise == "random" else None
        cut = self.truncation_psi, self.truncation_cutoff
        return to_images(model(model.sample_z(list(seeds)), labels, *cut, self.noise, random))


@dataclass(frozen=True)
class Generated:
    """What was written.

    Attributes:
        images: Files in the order of the seeds.
        sheet: File with all of them.
        resolution: Side of an image.
        seconds: Time for all images, from latents to 8 bits.
    """

    images: tuple[Path, ...]
    sheet: Path
    resolution: int
    seconds: float


@torch.inference_mode()
def generate_images(
    model: Name | Generator,
    seeds: Iterable[int],
    out: str | os.PathLike[str],
    *,
    truncation_psi: float = 0.7,
    truncation_cutoff: int | None = None,
    noise: str = "const",
    label: int | None = None,
    batch_size: int = 1,
    name: str | None = None,
    device: str = "cpu",
    cache_dir: str | os.PathLike[str] | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> Generated:
    """Write the image of every seed as `seed0000.png` …, and all of them as `sheet.png`.

    Args:
        model: Name as `ganzoo.create` takes it, or a generator, such as one of `ganzoo.runtimes.load`.
        seeds: Seeds; each is taken once.
        out: Folder for the images; made if need be.
        truncation_psi: Truncation; see `Look` for this and the next three.
        truncation_cutoff: Number of rows of w to truncate (default: all).
        noise: "const", "random" or "none".
        label: Class, for a conditional model.
        batch_size: Images at once; on a CPU, 1 is quickest.
        name: What the settings in the files call the model (default: its name).
        device: Device of a model given by its name.
        cache_dir: Cache of a model given by its name.
        report: Function that is told how many images there are.

    Raises:
        ValueError: for an unknown name, or settings that do not fit the model; nothing is written then.
        OSError: if weights cannot be had, or the folder cannot be made.
    """
    look, numbers = Look(truncation_psi, truncation_cutoff, noise, label), list(dict.fromkeys(seeds))
    if not isinstance(model, Generator):
        source = reference(model, cache_dir)
        name, model = name or source.name, deploy(source.load().to(device))
    check_channels(model.img_channels, name or "This generator")
    look.check(model)
    folder, settings, seconds = _made(out), {"model": name, **asdict(look)}, 0.0
    files, side = list[Path](), tile_side(len(numbers), model.resolution)
    tiles = list[Image.Image]()
    for start in range(0, len(numbers), batch_size):
        batch, began = numbers[start : start + batch_size], time.perf_counter()
        images = look.images(model, batch)
        seconds += time.perf_counter() - began
        for seed, image in zip(batch, images, strict=True):
            files.append(folder / f"seed{seed:04d}.png")
            save_png(image, files[-1], {**settings, "seed": seed})
            tiles.append(image.resize((side, side)))
        report(len(files))
    save_png(contact_sheet(tiles), folder / SHEET_FILE, {**settings, "seeds": _ranges(numbers)})
    return Generated(tuple(files), folder / SHEET_FILE, model.resolution, seconds)


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
