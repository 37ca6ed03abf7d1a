"""One picture of a file's bytes: upright, 8 bits, greyscale, RGB or RGBA, whatever the file holds."""

import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
ODDITIES = ("transparent", "cmyk", "16-bit", "rotated", "animated")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by the number of channels
MAX_PIXELS = 100_000_000
PILLOWS_LIMIT = 178_956_970  # twice Image.MAX_IMAGE_PIXELS: beyond it, Pillow refuses to open

_BITS_PER_SAMPLE = 258  # a tag of TIFF

# Rounded v / 257, so that 65535 is white; a shift by 8 bits would do for the high byte only.
_TO_8_BITS: np.ndarray[Any, np.dtype[np.uint8]] = np.rint(np.arange(65536) / 257).astype(np.uint8)


class TooManyPixels(ValueError):
    """A picture is larger than the bound that the caller set."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A picture, and what its file had that the picture has no more.

    Attributes:
        image: 8 bits, of mode L, RGB or RGBA.
        oddities: some of `ODDITIES`, in that order.
    """

    image: Image.Image
    oddities: tuple[str, ...]


def check_bounds(channels: int, max_pixels: int) -> None:
    """Raise ValueError if there is no such picture, or Pillow would not open it."""
    if channels not in MODES:
        raise ValueError(f"channels is 1 (greyscale), 3 (RGB) or 4 (RGB and alpha); got {channels!r}.")
    if not 1 <= max_pixels <= PILLOWS_LIMIT:
        raise ValueError(f"max_pixels is 1 to {PILLOWS_LIMIT}, where Pillow stops; got {max_pixels!r}.")


def decode(data: bytes, *, channels: int = 3, max_pixels: int = MAX_PIXELS) -> Decoded:
    """The picture that the bytes hold; the first frame if it moves, the first page if there are several.

    The EXIF orientation is applied. What is transparent is laid on white, unless alpha is asked for. 16 bits
    are scaled to 8. CMYK becomes RGB by Pillow's formula; embedded colour profiles are not applied.
    Greyscale is luma (ITU-R BT.601).

    Args:
        data: a PNG, JPEG, WebP, BMP, TIFF or GIF, by its content.
        channels: 3 for RGB, 1 for greyscale, 4 for RGB and alpha, opaque where the file has none.
        max_pixels: width times height at most, by the header, before any memory is taken for pixels.

    Raises:
        TooManyPixels: for a larger picture.
        ValueError: if it cannot be decoded whole; one line, which names no file.
    """
    check_bounds(channels, max_pixels)
    # A decoder meets every kind of damage, and complains by every kind of exception: OSError, SyntaxError,
    # struct.error, KeyError, OverflowError. Its warnings are about metadata of pictures that it can read.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _decode(image, channels, max_pixels, png_depth=data[24:25])
        except (MemoryError, TooManyPixels):
            raise
        except Image.DecompressionBombError:
            raise TooManyPixels(f"it has more than {max_pixels:,} pixels") from None
        except UnidentifiedImageError:  # its message holds an address in memory
            raise ValueError(f"it is no picture of {', '.join(FORMATS)}") from None
        except Exception as error:
            raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


def _decode(image: Image.Image, channels: int, max_pixels: int, *, png_depth: bytes) -> Decoded:
    if image.width * image.height > max_pixels:
        raise TooManyPixels(f"{image.width} x {image.height} is more than {max_pixels:,} pixels")
    found = {
        "cmyk": image.mode == "CMYK",
        "16-bit": _is_16_bit(image, png_depth),
        # Read before loading: Pillow turns a TIFF by itself, and forgets that it did.
        "rotated": image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9),
        # A JPEG with further pictures inside, as telephones write it, does not move.
        "animated": image.format != "MPO" and getattr(image, "n_frames", 1) > 1,
    }
    image.seek(0)
    grey16 = image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")
    if image.mode in ("I", "F") and not grey16:
        raise ValueError("32 bits a pixel say nothing about what is white: save it with 8 or 16 bits")
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    if grey16:
        image = _grey(image)
    if image.has_transparency_data and MODES[channels] != "RGBA":
        image, found["transparent"] = _on_white(image)
    return Decoded(
        image=image.convert(MODES[channels]),
        oddities=tuple(oddity for oddity in ODDITIES if found.get(oddity)),
    )


def _is_16_bit(image: Image.Image, png_depth: bytes) -> bool:
    """Whether a picture has 16 bits a channel; Pillow's mode tells it of greyscale only."""
    if image.format == "PNG":
        return png_depth == b"\x10"  # behind signature, chunk length and name, width and height
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, ()) if image.format == "TIFF" else ()
    return 16 in (bits if isinstance(bits, tuple) else (bits,))


def _grey(image: Image.Image) -> Image.Image:
    """8-bit greyscale of 16-bit, with alpha where the file names a value that is transparent."""
    values = np.asarray(image)
    grey = Image.fromarray(_TO_8_BITS[values])
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def _on_white(image: Image.Image) -> tuple[Image.Image, bool]:
    """The picture laid on white, and whether some of it was transparent."""
    rgba = image.convert("RGBA")
    least, _ = rgba.getchannel("A").getextrema()
    if least == 255:
        return rgba.convert("RGB"), False
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return white.convert("RGB"), True
