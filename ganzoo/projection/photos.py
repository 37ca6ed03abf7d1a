"""Images of files as a generator would have made them: square, of its size, and faces where it puts them."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ganzoo.data.decoding import MODES, decode
from ganzoo.data.resize import resize
from ganzoo.models.reference import Reference
from ganzoo.system.images import read_settings
from ganzoo.system.paths import missing, user_path

Align = Callable[[Image.Image], Image.Image]

_OF_GENERATED = frozenset({"seed", "w", "point"})  # settings of what `generate` and `edit` write
_LEAST = 16  # times smaller than the generator's side, an image shows too little


def read_targets(
    paths: Sequence[str | os.PathLike[str]],
    side: int,
    channels: int = 3,
    *,
    align: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Tensor:
    """Images of files, `[N, channels, side, side]` in -1..1.

    What is no square is cut to its middle. What `ganzoo generate` or `edit` wrote is never aligned: it is
    where it belongs.

    Args:
        paths: Files.
        side: Side of the generator's images.
        channels: 3 for RGB, 1 for grey, 4 for RGB and alpha; grey and transparent images are taken as well.
        align: Whether to bring the face in each to where FFHQ has it; see `ganzoo.faces.alignment`.
        cache_dir: Cache of the network that finds faces.

    Raises:
        ValueError: for a file that is no image, is too small, or holds no face or several.
        FileNotFoundError: if one is not there.
    """
    align_one = _aligning(side, channels, cache_dir) if align else None
    return torch.cat([_target(user_path(path), side, channels, align_one) for path in paths])


def is_of_aligned_faces(model: Reference) -> bool:
    """Whether a model's images are faces, aligned as those of FFHQ: by the data that its entry names."""
    return model.entry is not None and "FFHQ" in model.entry.license.get("data", "")


def _aligning(side: int, channels: int, cache_dir: str | os.PathLike[str] | None) -> Align:
    """A function that aligns images; it loads the network that finds faces when it is first needed."""
    from ganzoo.faces.alignment import aligned
    from ganzoo.faces.mtcnn import load_mtcnn

    network = cache(lambda: load_mtcnn(cache_dir))
    return lambda image: aligned(image, side, network()).convert(MODES[channels])


def _target(path: Path, side: int, channels: int, align: Align | None) -> Tensor:
    image = _read(path, channels)
    if min(image.size) * _LEAST < side:
        raise ValueError(
            f"{path} is {image.width} x {image.height}, too small for images of {side} x {side}: "
            f"take one of {-(-side // _LEAST)} pixels a side at least, or a smaller model."
        )
    if align is not None and not _is_generated(path):
        from ganzoo.faces.alignment import FaceError

        try:
            image = align(image)
        except FaceError as error:
            raise ValueError(f"{path}: {error}") from error
    least = min(image.size)
    left, top = (image.width - least) // 2, (image.height - least) // 2
    pixels = resize(image.crop((left, top, left + least, top + least)), side)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


def _read(path: Path, channels: int) -> Image.Image:
    if not path.exists():
        raise FileNotFoundError(missing(path))
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name the images in it, such as {path}/*.png.")
    try:
        return decode(path.read_bytes(), name=path.name, channels=channels).image
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}.") from error


def _is_generated(path: Path) -> bool:
    """Whether a file is an image of a generator, by the settings in it."""
    with suppress(ValueError, UnidentifiedImageError):
        return not _OF_GENERATED.isdisjoint(read_settings(path))
    return False
