"""Images small enough for a page, and differences as colours."""

import base64
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo.data.resize import resize, to_uint8

MAX_SIDE = 512  # of an image on the page; a tile shows it smaller, a click whole
JPEG_QUALITY = 85
LOSSLESS_SIDE = 128  # up to here a PNG is small, and every pixel is looked at
MAX_AMPLIFICATION = 64
_FITS = 99  # percent of a map that the amplified scale holds

# Dark to bright, even in lightness: matplotlib's inferno (Smith and van der Walt 2015) at every eighth.
COLOURS = ("#000004", "#1f0c48", "#550f6d", "#88226a", "#ba3655", "#e35933", "#f98e09", "#f9cb35", "#fcffa4")

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Encoded:
    """An image as the page holds it.

    Attributes:
        data: Bytes of the file.
        media_type: Media type of the file.
        side: Side in pixels.
    """

    data: bytes
    media_type: str
    side: int

    @property
    def uri(self) -> str:
        """The file as a data URI."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


def encode(image: Image.Image) -> Encoded:
    """An image of at most `MAX_SIDE`: JPEG, or PNG where that is small."""
    if image.width > MAX_SIDE:
        image = Image.fromarray(to_uint8(resize(image, MAX_SIDE)).squeeze())
    file = io.BytesIO()
    if image.width <= LOSSLESS_SIDE:
        image.save(file, format="PNG", optimize=True)
        return Encoded(file.getvalue(), "image/png", image.width)
    image.save(file, format="JPEG", quality=JPEG_QUALITY, optimize=True)
    return Encoded(file.getvalue(), "image/jpeg", image.width)


def amplification(maps: Iterable[Floats]) -> int:
    """The largest power of two, 1 to 64, that keeps nearly all of every difference map within 0..1.

    Args:
        maps: Absolute differences as parts of the range of an image, 0..1.
    """
    top = max((float(np.percentile(m, _FITS)) for m in maps), default=0.0)
    if top <= 0:
        return MAX_AMPLIFICATION
    return min(max(int(2.0 ** math.floor(math.log2(1 / top))), 1), MAX_AMPLIFICATION)


def colour_map(difference: Floats, factor: int) -> Image.Image:
    """A difference `[H, W]` in 0..1, times the factor, as colours; what leaves the scale is the brightest."""
    stops: NDArray[Any] = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in COLOURS], np.float64)
    table = np.stack(
        [np.interp(np.linspace(0, len(stops) - 1, 256), range(len(stops)), stops[:, i]) for i in range(3)],
        axis=-1,
    )
    levels = (difference.astype(np.float64) * factor).clip(0, 1) * 255
    return Image.fromarray(np.rint(table[np.rint(levels).astype(int)]).astype(np.uint8))
