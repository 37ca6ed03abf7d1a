"""One image of a file's bytes: upright, 8 bits, greyscale, RGB or RGBA, whatever the file holds."""

import io
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ganzoo.data.formats import HEAD, foreign, readable, unknown_content

ODDITIES = ("transparent", "cmyk", "16-bit", "dark 16-bit", "above white", "rotated", "animated")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by the number of channels
MAX_PIXELS = 100_000_000
PILLOWS_LIMIT = 178_956_970  # twice Image.MAX_IMAGE_PIXELS: beyond it, Pillow refuses to open

WHITE = 65535  # of 16 bits

_BITS_PER_SAMPLE = 258  # a tag of TIFF
_DARK = 16383  # a quarter of white: what cameras of 10, 12 and 14 bits reach at most
_MOVING = ("AVIF", "FLI", "GIF", "PNG", "TIFF", "WEBP")  # formats of several frames or pages


class TooManyPixels(ValueError):
    """An image is larger than the bound that the caller set."""


class Unsupported(ValueError):
    """An image is whole, but of a kind that cannot be read here."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An image, and what its file had that the image has no more.

    Attributes:
        image: 8 bits, of mode L, RGB or RGBA.
        oddities: Members of `ODDITIES`, in that order.
        brightest: Largest value of 16-bit greyscale; None for others.
    """

    image: Image.Image
    oddities: tuple[str, ...]
    brightest: int | None = None


def check_bounds(channels: int, max_pixels: int, white: int = WHITE) -> None:
    """Raise ValueError if there is no such image, or Pillow would not open it."""
    if not 256 <= white <= WHITE:
        raise ValueError(f"white is 256 to {WHITE}, such as 4095 for 12 bits; got {white!r}.")
    if channels not in MODES:
        raise ValueError(f"channels is 1 (greyscale), 3 (RGB) or 4 (RGB and alpha); got {channels!r}.")
    if not 1 <= max_pixels <= PILLOWS_LIMIT:
        raise ValueError(f"max_pixels is 1 to {PILLOWS_LIMIT}, where Pillow stops; got {max_pixels!r}.")


def decode(
    data: bytes, *, name: str = "", channels: int = 3, max_pixels: int = MAX_PIXELS, white: int = WHITE
) -> Decoded:
    """The image that the bytes hold; the first frame if it moves, the first page if there are several.

    The EXIF orientation is applied. What is transparent is laid on white, unless alpha is asked for. 16 bits
    are scaled to 8. CMYK becomes RGB by Pillow's formula; embedded colour profiles are not applied.
    Greyscale is luma (ITU-R BT.601).

    Args:
        data: Bytes of an image of any format that Pillow reads, by its content.
        name: File name; it tells a camera's raw file from a TIFF.
        channels: 3 for RGB, 1 for greyscale, 4 for RGB and alpha, opaque where the file has none.
        max_pixels: Largest width times height, by the header, before any memory is taken for pixels.
        white: Value of 16-bit greyscale that becomes 255; larger ones do, too.

    Raises:
        TooManyPixels: for a larger image.
        Unsupported: for an image of a kind that cannot be read here; the reason says what to do.
        ValueError: if it cannot be decoded whole; one line, which names no file.
    """
    check_bounds(channels, max_pixels, white)
    if (reason := foreign(name, bytes(data[:HEAD]))) is not None:
        raise Unsupported(reason)
    # A decoder meets every kind of damage, and complains by every kind of exception: OSError, SyntaxError,
    # struct.error, KeyError, OverflowError. Its warnings are about metadata of images that it can read.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=readable()) as image:
                if image.width * image.height > max_pixels:
                    raise TooManyPixels(f"{image.width} x {image.height} is more than {max_pixels:,} pixels")
                return _decode(image, channels, white, png_depth=data[24:25])
        except (MemoryError, TooManyPixels, Unsupported):
            raise
        except Image.DecompressionBombError:
            raise TooManyPixels(f"it has more than {max_pixels:,} pixels") from None
        except UnidentifiedImageError:  # its message holds an address in memory
            raise ValueError(unknown_content(bytes(data[:HEAD]))) from None
        except Exception as error:
            raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


def _decode(image: Image.Image, channels: int, white: int, *, png_depth: bytes) -> Decoded:
    moves = image.format in _MOVING
    found = {
        "cmyk": image.mode == "CMYK",
        # Read before loading: Pillow turns a TIFF by itself, and forgets that it did.
        "rotated": image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9),
        "animated": moves and getattr(image, "n_frames", 1) > 1,
    }
    if moves:  # of others, frames are layers, sizes, or a telephone's further images
        image.seek(0)
    grey16 = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    if image.mode in ("I", "F") and not grey16:
        raise Unsupported("32 bits a pixel say nothing about what is white: save it with 8 or 16 bits")
    if image.mode == "LAB":
        raise Unsupported("its colours are LAB: save it as RGB")
    bits = _bits(image, png_depth)
    found["16-bit"] = grey16 or bits == 16
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    brightest = None
    if grey16:
        white = 2**bits - 1 if 8 < bits < 16 else white  # the file itself says what is white
        brightest = int(np.asarray(image).max())
        found["dark 16-bit"] = white == WHITE and 0 < brightest <= _DARK
        found["above white"] = brightest > white
        image = _grey(image, white)
    elif bits == 16 and white != WHITE:
        raise Unsupported("of 16-bit colour, Pillow reads the upper 8 bits only: save it with 8 bits")
    if image.has_transparency_data and MODES[channels] != "RGBA":
        image, found["transparent"] = _on_white(image)
    if bits == 16 and not grey16:
        found["dark 16-bit"] = 0 < int(np.asarray(image.convert("RGB")).max()) <= _DARK >> 8
    return Decoded(
        image=image.convert(MODES[channels]),
        oddities=tuple(oddity for oddity in ODDITIES if found.get(oddity)),
        brightest=brightest,
    )


def _bits(image: Image.Image, png_depth: bytes) -> int:
    """Bits of a channel where the file tells more than 8; Pillow's mode tells 16 of greyscale only."""
    if image.format == "PNG":
        return png_depth[0]  # behind signature, chunk length and name, width and height
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, 8) if image.format == "TIFF" else 8
    return int(max(bits) if isinstance(bits, tuple) else bits)


@cache
def _to_8_bits(white: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """What becomes of each value of 16 bits, rounded; a shift by 8 bits would do for the high byte only."""
    return np.rint(np.arange(WHITE + 1).clip(0, white) * (255 / white)).astype(np.uint8)


def _grey(image: Image.Image, white: int) -> Image.Image:
    """8-bit greyscale of 16-bit, with alpha where the file names a value that is transparent."""
    values = np.asarray(image)
    grey = Image.fromarray(_to_8_bits(white)[values])
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def _on_white(image: Image.Image) -> tuple[Image.Image, bool]:
    """The image laid on white, and whether some of it was transparent."""
    rgba = image.convert("RGBA")
    least, _ = rgba.getchannel("A").getextrema()
    if least == 255:
        return rgba.convert("RGB"), False
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return white.convert("RGB"), True
