"""Images under any name: what is taken, what is left out and named."""

import builtins
import io
import json
import struct
import sys
import zipfile

import numpy as np
import pytest
from image_helpers import encoded, grey16_png, make_image, pixels, write_folder, write_zip
from PIL import Image, features

from ganzoo.data import ImageSet, formats, prepare
from ganzoo.data.decoding import Unsupported, decode

HEIC = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic") + bytes(64)
JXL = b"\xff\x0a" + bytes(64)
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'
TAKEN = {
    "a.jfif": ("JPEG", {}),
    "b.JPE": ("JPEG", {}),
    "c.ppm": ("PPM", {}),
    "d.jp2": ("JPEG2000", {}),
    "e.JPG": ("PNG", {}),  # a name that lies
    "f": ("PNG", {}),
    "g.tga": ("TGA", {}),
    "h.PSD.bak": ("BMP", {}),
    "i.0001": ("WEBP", {"lossless": True}),
    "j.txt": ("GIF", {}),
    "k.pcx": ("PCX", {}),
    "l.avif": ("AVIF", {}),
}
OTHERS = {
    "notes.txt": b"BM, that is how a BMP begins, and P5 a PGM.",
    "code.h": b"#define WIDTH 16\n",
    "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),
    ".DS_Store": b"\0\0\0\1Bud1",
    ".hidden.png": encoded(make_image()),
    "__MACOSX/._f": b"\0\5\26\7",
    ".git/config": b"[core]",
    "film.mp4": struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 0, b"mp41") + bytes(64),
    "empty": b"",
}
TOLD = [
    ".DS_Store",
    ".git/",
    ".hidden.png",
    "Thumbs.db",
    "__MACOSX/",
    "code.h",
    "empty",
    "film.mp4",
    "notes.txt",
]


@pytest.fixture
def no_heif(monkeypatch):
    """An environment without pillow-heif, whatever is installed."""
    found = builtins.__import__

    def without(name, *others):
        if name == "pillow_heif":
            raise ImportError(name)
        return found(name, *others)

    formats.readable.cache_clear()
    monkeypatch.delitem(sys.modules, "pillow_heif", raising=False)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    yield
    formats.readable.cache_clear()


def taken():
    return {
        name: encoded(make_image(16, 16, seed=i), kind, **options)
        for i, (name, (kind, options)) in enumerate(TAKEN.items())
        if kind != "AVIF" or features.check("avif")
    }


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_what_pillow_reads_is_taken_whatever_its_name(tmp_path, kind):
    files = {**taken(), **OTHERS}
    source = (
        write_zip(tmp_path / "src.zip", files) if kind == "zip" else write_folder(tmp_path / "src", files)
    )
    images = ImageSet(source)
    assert images.names == sorted(taken())
    assert images.others == TOLD
    report = prepare(source, tmp_path / "out.zip", resolution=8, workers=1)
    assert report.counts["written"] == len(taken()) and report.skipped == ()
    assert report.not_images == tuple(TOLD)
    assert json.loads(zipfile.ZipFile(tmp_path / "out.zip").read("ganzoo.json"))["not_images"] == TOLD


@pytest.mark.parametrize("name", ["c.ppm", "f", "k.pcx", "i.0001"])
def test_pixels_come_out_of_any_lossless_format(name):
    seed = list(TAKEN).index(name)
    assert (pixels(decode(taken()[name]).image) == pixels(make_image(seed=seed))).all()


UNSUPPORTED = {
    "phone.heic": (HEIC, "pip install pillow-heif"),
    "without an ending": (HEIC, "pip install pillow-heif"),
    "new.JXL": (JXL, "JPEG XL"),
    "drawing.svg": (SVG, "SVG"),
    "camera.NEF": (encoded(make_image(), "TIFF"), "raw file"),
    "render.exr": (b"v/1\x01" + bytes(64), "OpenEXR"),
    "float.tif": (encoded(Image.fromarray(np.zeros((16, 16), np.float32)), "TIFF"), "32 bits"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_an_image_that_cannot_be_read_is_named_with_the_reason(tmp_path, name, no_heif):
    data, reason = UNSUPPORTED[name]
    source = write_folder(tmp_path / "src", {name: data, "good.png": encoded(make_image())})
    report = prepare(source, tmp_path / "out.zip", resolution=8, workers=1)
    [(found, kind, told)] = report.skipped
    assert (found, kind) == (name, "unsupported") and reason in told
    with pytest.raises(Unsupported, match=reason):
        decode(data, name=name)


DAMAGED = {
    "page.jpg": (b"<!DOCTYPE html><html>", "web page"),
    "pointer.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git lfs pull"),
    "nothing.webp": (b"", "empty"),
    "text.heic": (b"hello", "no image"),
    "cut": (encoded(make_image(64, 64), "JPEG")[:700], "truncated"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_image_under_an_images_name_says_what_it_is(tmp_path, name):
    data, reason = DAMAGED[name]
    source = write_folder(tmp_path / "src", {name: data, "good.png": encoded(make_image())})
    [(found, kind, told)] = prepare(source, tmp_path / "out.zip", resolution=8, workers=1).skipped
    assert (found, kind) == (name, "corrupt") and reason in told


def test_heic_is_read_where_pillow_heif_is_installed():
    pillow_heif = pytest.importorskip("pillow_heif")
    formats.readable()
    buffer = io.BytesIO()
    pillow_heif.from_pillow(make_image(64, 64)).save(buffer, quality=-1)
    assert (
        np.abs(pixels(decode(buffer.getvalue(), name="a.heic").image) - pixels(make_image(64, 64))).mean() < 4
    )


def tiff12(values):
    """A TIFF of 12 bits a pixel, two pixels in three bytes; Pillow writes none."""
    height, width = values.shape
    first, second = values.reshape(-1, 2).T.astype(int)
    packed = (
        np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], 1).astype(np.uint8).tobytes()
    )
    tags = [(256, width), (257, height), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, height)]
    tags.append((279, len(packed)))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return struct.pack("<2sHI", b"II", 42, 8 + len(packed)) + packed + directory


def grey(values, kind):
    if kind == "PNG":
        return grey16_png(values)
    if kind == "PGM":
        return encoded(Image.fromarray(values), "PPM")
    return encoded(Image.fromarray(values), kind)


TWELVE = np.linspace(0, 4095, 256).astype(np.uint16).reshape(16, 16)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PGM"])
def test_twelve_bits_in_sixteen_are_said_to_be_nearly_black(kind):
    decoded = decode(grey(TWELVE, kind))
    assert decoded.oddities == ("16-bit", "dark 16-bit") and decoded.brightest == 4095
    assert pixels(decoded.image).max() == 16


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PGM"])
def test_twelve_bits_are_scaled_when_white_is_given(kind):
    decoded = decode(grey(TWELVE, kind), white=4095)
    assert decoded.oddities == ("16-bit",)
    assert (pixels(decoded.image)[..., 0] == np.rint(TWELVE / 4095 * 255)).all()


def test_a_tiff_that_says_it_has_twelve_bits_is_scaled_by_itself():
    decoded = decode(tiff12(TWELVE))
    assert (pixels(decoded.image)[..., 0] == np.rint(TWELVE / 4095 * 255)).all()
    assert decoded.oddities == ("16-bit",)


def test_what_is_brighter_than_white_is_counted():
    decoded = decode(grey16_png(TWELVE * 2), white=4095)
    assert decoded.oddities == ("16-bit", "above white") and pixels(decoded.image).max() == 255


@pytest.mark.parametrize("white", [0, 255, 65536])
def test_an_impossible_white_is_refused(white):
    with pytest.raises(ValueError, match="white is 256 to 65535"):
        decode(encoded(make_image()), white=white)
