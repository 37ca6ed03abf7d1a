"""Images of a generator: as files, as feature networks see them, and on contact sheets."""

import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ganzoo.system.files import replacing
from ganzoo.system.version import __version__

CHANNELS = (1, 3, 4)  # grey, RGB, RGB and alpha
ALPHA = 3  # index of the channel
IMAGE_RANGE = 2.0  # of values nominally in -1..1
OVER_WHITE, FOURTH_CHANNEL = "over white", "a fourth channel"  # how a metric sees alpha, for records
SETTINGS_KEY = "ganzoo"
MAX_TILE, MAX_SHEET = 256, 4096
_GAP = 4
_LEAST = 1 / 510  # half a step of 8 bits: less opacity than that shows nothing


def check_channels(channels: int, name: str) -> None:
    """Raise ValueError for a number of channels that no image file has.

    Args:
        channels: Number of channels.
        name: Model name for the message.
    """
    if channels not in CHANNELS:
        raise ValueError(
            f"{name}: images of 1 (grey), 3 (RGB) or 4 channels (RGBA) can be shown and measured; these have "
            f"{channels}. In Python, ganzoo.load gives them as tensors."
        )


def to_images(tensor: Tensor) -> list[Image.Image]:
    """Pillow images of `[N, C, H, W]` in -1..1, in mode L, RGB or RGBA for 1, 3 or 4 channels.

    What lies outside of -1..1 is clipped. Alpha is not multiplied into the colours, neither here nor there.

    Raises:
        ValueError: for another number of channels.
    """
    check_channels(tensor.shape[1], "to_images")
    pixels = (tensor.detach().float().cpu().clamp(-1, 1) * 127.5 + 127.5).round().byte()
    arrays: list[np.ndarray[Any, Any]] = [p.permute(1, 2, 0).squeeze(2).numpy() for p in pixels]
    return [Image.fromarray(array) for array in arrays]


class Images(list[Image.Image]):
    """Pillow images of one size, which a notebook shows as one sheet."""

    def sheet(self) -> Image.Image:
        """All of them side by side, shrunk so that the sheet is no larger than a screen; one as it is.

        Raises:
            ValueError: for no image.
        """
        if not self:
            raise ValueError("A sheet needs an image; there is none.")
        if len(self) == 1:
            return self[0]
        side = tile_side(len(self), self[0].width)
        return contact_sheet([image.resize((side, side)) for image in self])

    def _repr_png_(self) -> bytes | None:
        """The sheet for IPython; None, which shows the list as text, for no image."""
        if not self:
            return None
        buffer = io.BytesIO()
        self.sheet().save(buffer, format="PNG")
        return buffer.getvalue()


def to_rgb(images: Tensor) -> Tensor:
    """What a feature network or a sheet sees: `[N, 3, H, W]` of `[N, 1, 3 or 4, H, W]` in -1..1.

    Grey is repeated; what is transparent is laid over white, with -1 for clear and 1 for opaque. Nothing is
    clamped, so that values outside of -1..1 have gradients.

    Raises:
        ValueError: for another number of channels.
    """
    check_channels(images.shape[1], "to_rgb")
    if images.shape[1] == 1:
        return images.expand(-1, 3, -1, -1)
    if images.shape[1] == 3:
        return images
    opacity = 0.5 * images[:, ALPHA:] + 0.5
    return 1 + opacity * (images[:, :ALPHA] - 1)


def shrink(images: Tensor, side: int) -> Tensor:
    """Images `[N, C, R, R]` at another size: means over areas, or bilinear where sides do not divide.

    The mean over an area is what a smaller image of the same scene shows, and the sharpest without aliasing;
    the bilinear filter has antialiasing.

    Colours with alpha are weighted by it, so that what cannot be seen does not bleed into what can.
    """
    if images.shape[-1] == side:
        return images
    if images.shape[1] != 4:
        return _shrink(images, side)
    colours, alpha = images[:, :ALPHA], images[:, ALPHA:]
    opacity = (0.5 * alpha + 0.5).clamp(0, 1)
    weight = _shrink(opacity, side)
    weighted = _shrink(colours * opacity, side) / weight.clamp(min=_LEAST)
    colours = weighted.where(weight >= _LEAST, _shrink(colours, side))
    return torch.cat([colours, _shrink(alpha, side)], dim=1)


def _shrink(images: Tensor, side: int) -> Tensor:
    if images.shape[-1] % side == 0:
        return F.interpolate(images, size=(side, side), mode="area")
    return F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)


def save_png(image: Image.Image, path: Path, settings: Mapping[str, Any]) -> None:
    """Write a PNG, whole or not at all, with the settings as JSON in its text chunk `ganzoo`."""
    info = PngInfo()
    info.add_text("Software", f"ganzoo {__version__}")
    info.add_text(SETTINGS_KEY, json.dumps({**settings, "ganzoo_version": __version__}, allow_nan=False))
    with replacing(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=info)


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings that `save_png` wrote.

    Raises:
        ValueError: if the file carries none.
    """
    with Image.open(path) as image:
        text = image.info.get(SETTINGS_KEY)
    if text is None:
        raise ValueError(f"{path} carries no settings of ganzoo.")
    return dict(json.loads(text))


def contact_sheet(tiles: Sequence[Image.Image]) -> Image.Image:
    """Tiles of one size side by side, row by row, on white, which shows through those with alpha."""
    columns = sheet_columns(len(tiles))
    rows = math.ceil(len(tiles) / columns)
    width, height = tiles[0].width + _GAP, tiles[0].height + _GAP
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), "white")
    for i, tile in enumerate(tiles):
        place = (_GAP + i % columns * width, _GAP + i // columns * height)
        sheet.paste(tile, place, tile if tile.mode == "RGBA" else None)
    return sheet


def tile_side(count: int, resolution: int) -> int:
    """Side of a sheet's tiles, so that the sheet stays within `MAX_SHEET` pixels."""
    return max(1, min(resolution, MAX_TILE, (MAX_SHEET - _GAP) // sheet_columns(count) - _GAP))


def sheet_columns(count: int) -> int:
    """Columns of a sheet: about square, and without a gap in the last row where that can be had."""
    side = math.ceil(math.sqrt(count))
    return next((columns for columns in range(side, 2 * side + 1) if count % columns == 0), side)
