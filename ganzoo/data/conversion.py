"""One image of a source to the square PNG of a prepared set, or why there is none."""

import hashlib
import io
from dataclasses import dataclass, replace

from PIL import Image

from ganzoo.data.decoding import (
    ODDITIES,
    WHITE,
    Decoded,
    TooManyPixels,
    Unsupported,
    check_bounds,
    decode,
)
from ganzoo.data.partial import Entry
from ganzoo.data.reading import ImageSet
from ganzoo.data.resize import Bytes, resize, to_uint8

CROPS = ("center", "none")
LABELS = ("keep", "folders", "none")
SKIPPED = ("unsupported", "corrupt", "too large", "too small", "duplicate", "duplicate, other label")
CONVERTED = (*ODDITIES, "not square", "upscaled")
MAX_RESOLUTION = 2048

# As NVIDIA's tool does. For 1024 x 1024, against Pillow's usual 6: 61 ms to write for 250, 4 ms to read for
# 19 at every step of a training, 3.0 MB for 1.6 (2026-11, one core of a cloud machine). And the hash of a set
# does not hang on the compressor's version.
_COMPRESS_LEVEL = 0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides which bytes come out; `prepare` says what each means."""

    resolution: int
    crop: str
    channels: int
    labels: str
    upscale: bool
    max_pixels: int
    white: int = WHITE

    def __post_init__(self) -> None:
        check_bounds(self.channels, self.max_pixels, self.white)
        size = self.resolution
        if size not in [2**level for level in range(2, MAX_RESOLUTION.bit_length())]:
            raise ValueError(f"resolution is a power of two from 4 to {MAX_RESOLUTION}; got {size!r}.")
        if self.crop not in CROPS:
            raise ValueError(f"crop is {' or '.join(CROPS)}; got {self.crop!r}.")
        if self.labels not in LABELS:
            raise ValueError(f"labels is {', '.join(LABELS[:-1])} or {LABELS[-1]}; got {self.labels!r}.")


class Unusable(ValueError):
    """An image cannot be in a set; the message is the reason.

    Attributes:
        kind: One of `SKIPPED`.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def usable(data: bytes, name: str, settings: Settings) -> Decoded:
    """The image of a file, as large as it is; its oddities tell what `square` will do to it, too.

    Args:
        data: Bytes of the file.
        name: File name.
        settings: Settings of the set.

    Raises:
        Unusable: if it cannot be decoded, or is too large or too small.
    """
    try:
        decoded = decode(
            data, name=name, channels=settings.channels, max_pixels=settings.max_pixels, white=settings.white
        )
    except TooManyPixels as error:
        raise Unusable("too large", str(error)) from error
    except Unsupported as error:
        raise Unusable("unsupported", str(error)) from error
    except ValueError as error:
        raise Unusable("corrupt", str(error)) from error
    image, oddities = decoded.image, decoded.oddities
    if min(image.size) < settings.resolution:
        if not settings.upscale:
            reason = f"{image.width} x {image.height} is smaller than {settings.resolution}"
            raise Unusable("too small", reason)
        oddities = (*oddities, "upscaled")
    if image.width != image.height:
        oddities = (*oddities, "not square")
    return replace(decoded, oddities=oddities)


def square(image: Image.Image, settings: Settings) -> Bytes:
    """The pixels of a set's image, `[R, R, C]`: the square in the middle or the whole, resized."""
    if settings.crop == "center" and image.width != image.height:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    return to_uint8(resize(image, settings.resolution))


class Converter:
    """Index of an image to what became of it, and its PNG; pickled once for each worker."""

    def __init__(self, images: ImageSet, settings: Settings) -> None:
        self.images, self.settings = images, settings

    def __call__(self, index: int) -> tuple[Entry, bytes | None]:
        entry = Entry(name=self.images.names[index])
        try:
            data = self.images.read_bytes(index)
            entry = replace(entry, sha256=hashlib.sha256(data).hexdigest())
            decoded = usable(data, entry.name, self.settings)
        except ValueError as error:
            kind = error.kind if isinstance(error, Unusable) else "corrupt"
            return replace(entry, skipped=kind, reason=str(error)), None
        del data
        image = decoded.image
        pixels = hashlib.sha256(f"{image.mode} {image.width} {image.height} ".encode())
        pixels.update(image.tobytes())
        entry = replace(
            entry, pixels=pixels.hexdigest(), oddities=decoded.oddities, brightest=decoded.brightest
        )
        return entry, _png(square(image, self.settings))


def _png(pixels: Bytes) -> bytes:
    buffer = io.BytesIO()
    array = pixels.squeeze(2) if pixels.shape[2] == 1 else pixels
    Image.fromarray(array).save(buffer, format="PNG", compress_level=_COMPRESS_LEVEL)
    return buffer.getvalue()
