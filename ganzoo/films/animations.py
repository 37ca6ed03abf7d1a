"""Animated GIF and WebP, a frame at a time: Pillow encodes each frame, and the file is put together here.

Pillow's own writers keep all frames until the last one is there, so that length would cost memory.
"""

import io
import struct
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path

from PIL import Image

WEBP_QUALITY = 90
_FOREVER = 0  # how often an animation is played
_GIF_TABLE, _GIF_EXTENSION, _GIF_IMAGE, _GIF_END = 0x80, 0x21, 0x2C, b"\x3b"
_WEBP_ANIMATED, _WEBP_ALPHA, _WEBP_OVERWRITE = 0x02, 0x10, 0x02
_WEBP_IMAGE = (b"ALPH", b"VP8 ", b"VP8L")  # chunks of a still image that a frame is made of


class Animation(ABC):
    """A file of frames, written as they come; `finish` makes it whole.

    Args:
        path: File to write.
        size: Width and height of the frames.
        fps: Frames a second.
    """

    ticks: int  # of a second, in which a frame's length is told

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        self._file, self._size, self._fps = path.open("wb"), size, fps
        self._frames = 0
        self._file.write(self._head())
        self._end = self._file.tell()

    def add(self, image: Image.Image) -> None:
        """Write one frame."""
        # Rounded from the beginning of the film, so that errors do not add up: 3, 3, 4 hundredths at 30 fps.
        shown, gone = (round(self.ticks * n / self._fps) for n in (self._frames + 1, self._frames))
        self._file.write(self._frame(image, shown - gone))
        self._end = self._file.tell()
        self._frames += 1

    def finish(self) -> None:
        """Write the end of the file after the last whole frame."""
        self._file.seek(self._end)
        self._file.truncate()
        self._file.write(self._tail())
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is."""
        with suppress(OSError):  # what is still to be written may not fit on the disk
            self._file.close()

    @abstractmethod
    def _head(self) -> bytes:
        """What stands before the first frame."""

    @abstractmethod
    def _frame(self, image: Image.Image, ticks: int) -> bytes:
        """One frame and how long it is shown."""

    @abstractmethod
    def _tail(self) -> bytes:
        """What stands behind the last frame; sizes at the beginning are filled in."""


class Gif(Animation):
    """GIF89a: every frame has its own 256 colours, dithered."""

    ticks = 100

    def _head(self) -> bytes:
        screen = struct.pack("<HHBBB", *self._size, 0x70, 0, 0)
        repeat = b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", _FOREVER, 0)
        return b"GIF89a" + screen + repeat

    def _frame(self, image: Image.Image, ticks: int) -> bytes:
        # The octree is 50 times as fast as the median cut, and on faces 1 dB better once it is dithered.
        colours = image.quantize(256, Image.Quantize.FASTOCTREE)
        still = io.BytesIO()
        dithered = image.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG)
        dithered.save(still, format="GIF", interlace=False)
        flags, table, pixels = _gif_image(still.getvalue())
        control = struct.pack("<BBBBHBB", _GIF_EXTENSION, 0xF9, 4, 0, ticks, 0, 0)
        return control + struct.pack("<BHHHHB", _GIF_IMAGE, 0, 0, *self._size, flags) + table + pixels

    def _tail(self) -> bytes:
        return _GIF_END


class WebP(Animation):
    """WebP: every frame is a lossy image with alpha, if it has any."""

    ticks = 1000

    def _head(self) -> bytes:
        # The flag of alpha allows it and asks for none.
        sides = b"".join(_three(side - 1) for side in self._size)
        extended = _chunk(b"VP8X", struct.pack("<I", _WEBP_ANIMATED | _WEBP_ALPHA) + sides)
        return b"RIFF\0\0\0\0WEBP" + extended + _chunk(b"ANIM", struct.pack("<IH", 0, _FOREVER))

    def _frame(self, image: Image.Image, ticks: int) -> bytes:
        still = io.BytesIO()
        image.save(still, format="WEBP", quality=WEBP_QUALITY, method=2)
        sides = b"".join(_three(side - 1) for side in self._size)
        place = _three(0) + _three(0) + sides + _three(ticks) + bytes([_WEBP_OVERWRITE])
        return _chunk(b"ANMF", place + _webp_image(still.getvalue()))

    def _tail(self) -> bytes:
        self._file.seek(4)
        self._file.write(struct.pack("<I", self._end - 8))
        self._file.seek(self._end)
        return b""


def _gif_image(data: bytes) -> tuple[int, bytes, bytes]:
    """Flags, colours and compressed pixels of a still GIF."""
    own = data[10]
    start = 13 + (_table_bytes(own) if own & _GIF_TABLE else 0)
    flags, table = own & (_GIF_TABLE | 7), data[13:start]
    while data[start] == _GIF_EXTENSION:
        start = _after_blocks(data, start + 2)
    start += 10  # the image's place and size
    if data[start - 1] & _GIF_TABLE:
        flags = data[start - 1]
        table, start = data[start : start + _table_bytes(flags)], start + _table_bytes(flags)
    return flags, table, data[start : _after_blocks(data, start + 1)]


def _table_bytes(flags: int) -> int:
    return int(3 << ((flags & 7) + 1))


def _after_blocks(data: bytes, start: int) -> int:
    """Where a chain of blocks, each behind its length, ends."""
    while data[start]:
        start += data[start] + 1
    return start + 1


def _webp_image(data: bytes) -> bytes:
    """The chunks of a still WebP that hold its pixels."""
    found, start = b"", 12
    while start < len(data):
        name, length = struct.unpack_from("<4sI", data, start)
        stop = start + 8 + length + length % 2
        found += data[start:stop] if name in _WEBP_IMAGE else b""
        start = stop
    return found


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")
