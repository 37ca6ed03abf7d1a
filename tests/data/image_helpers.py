"""Tiny images, and files that no honest program writes."""

import io
import struct
import sys
import zipfile
import zlib

import numpy as np
from PIL import Image

PYTHON = [sys.executable, "-c"]


def make_image(width=16, height=16, seed=0):
    """A coloured gradient that looks different from every side."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + 2 * y + 37 * seed) % 256]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def raw_png(width, height, depth, colour, pixels=b"", chunks=()):
    """A PNG by hand: what Pillow does not write, or what nobody should."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    rows = [chunk(b"IHDR", header), *(chunk(*c) for c in chunks)]
    return b"".join([b"\x89PNG\r\n\x1a\n", *rows, chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")])


def grey16_png(values, chunks=()):
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return raw_png(values.shape[1], values.shape[0], 16, 0, rows, chunks)


def write_zip(path, files, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_folder(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def pixels(image):
    return np.asarray(image).astype(int)
