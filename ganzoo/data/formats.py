"""What a file is, by its content: an image that can be read, an image that cannot and why, or no image.

Names decide in two places only. A file whose name ends like an image's is never passed over in silence: if it
cannot be read, it is named with the reason. And a camera's raw file looks like a TIFF, whose first image is a
thumbnail: its name tells that it is none.
"""

import importlib.metadata
import io
import warnings
from functools import cache
from typing import IO

from PIL import Image

HEAD = 512  # bytes that are enough to tell
EXTENSIONS = (
    ".apng", ".avif", ".bmp", ".dds", ".dib", ".gif", ".heic", ".heif", ".hif", ".icns", ".ico", ".j2c",
    ".j2k", ".jfif", ".jif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".jxl", ".pbm", ".pcx",
    ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi", ".sgi", ".svg", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip

# Formats that are not read: EPS is a program for a printer, WMF is drawn by Windows, MPEG, GRIB, BUFR and
# HDF5 are only recognised by Pillow, FPX and MIC share their mark with Thumbs.db, and the others have none.
_NEVER = {
    "BUFR", "EPS", "FPX", "GRIB", "HDF5", "IMT", "IPTC", "MIC", "MPEG", "PCD", "SPIDER", "WMF",
}  # fmt: skip
# Marks of these are so long that no text begins with them by chance; "BM" and "P5" are no such marks.
_SURE = {
    "AVIF", "DDS", "GIF", "HEIF", "ICNS", "JPEG", "JPEG2000", "PNG", "PSD", "QOI", "TIFF", "WEBP",
}  # fmt: skip
_RAW = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".kdc", ".mrw", ".nef", ".nrw", ".orf", ".pef",
    ".raf", ".raw", ".rw2", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_SAVE = "save it as PNG, JPEG or TIFF"
_FOREIGN = (
    (b"\xff\x0a", f"it is JPEG XL, which Pillow does not read: {_SAVE}"),
    (b"\0\0\0\x0cJXL ", f"it is JPEG XL, which Pillow does not read: {_SAVE}"),
    (b"v/1\x01", f"it is OpenEXR, which says nothing about what is white: {_SAVE}"),
    (b"#?RADIANCE", f"it is a Radiance HDR, which says nothing about what is white: {_SAVE}"),
)
_OTHERS = (
    (b"version https://git-lfs", "it is a Git LFS pointer and not the image: git lfs pull fetches that"),
    (b"<!doctype html", "it is no image but a web page"),
    (b"<html", "it is no image but a web page"),
)


@cache
def readable() -> tuple[str, ...]:
    """Pillow's names of the formats that are read, the common ones first; HEIF if pillow-heif is there."""
    try:
        from pillow_heif import register_heif_opener  # type: ignore[import-not-found,unused-ignore]

        register_heif_opener()
    except ImportError:
        pass
    Image.init()
    common = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
    others = sorted(set(Image.OPEN) - _NEVER - set(common), key=lambda name: (name == "TGA", name))
    return (*common, *others)


def plugins() -> dict[str, str]:
    """Versions of what adds formats to Pillow, where it is installed."""
    try:
        return {"pillow-heif": importlib.metadata.version("pillow-heif")}
    except importlib.metadata.PackageNotFoundError:
        return {}


def is_image(name: str, head: bytes, file: IO[bytes] | None = None) -> bool:
    """Whether a file without an image's name is an image all the same.

    Args:
        name: File name.
        head: First bytes, up to `HEAD`.
        file: File, to read more where a short mark says little.
    """
    if name.lower().endswith(_RAW) or foreign(name, head) is not None:
        return True
    for kind in readable():
        if _marked(kind, head) and (kind in _SURE or (file is not None and _opens(file, kind))):
            return True
    return False


def has_image_name(name: str) -> bool:
    """Whether a name ends like an image's, in letters of either case."""
    return name.lower().endswith((*EXTENSIONS, *_RAW))


def foreign(name: str, head: bytes) -> str | None:
    """Why an image cannot be read here, and what to do; None for all others."""
    if name.lower().endswith(_RAW):
        return f"it is a camera's raw file: develop it, and {_SAVE}"
    if head[4:8] == b"ftyp":
        brands = {head[i : i + 4] for i in (8, *range(16, min(len(head), _box_size(head)), 4))}
        if brands.intersection(_AVIF_BRANDS):
            return None if "AVIF" in readable() else f"it is AVIF, which this Pillow does not read: {_SAVE}"
        if brands.intersection(_HEIC_BRANDS) and "HEIF" not in readable():
            return "it is HEIC, which needs a package: pip install pillow-heif"
        return None
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<svg") or (text.startswith((b"<?xml", b"<!--")) and b"<svg" in text):
        return f"it is SVG, a drawing without pixels: {_SAVE}"
    return next((reason for mark, reason in _FOREIGN if head.startswith(mark)), None)


def unknown_content(head: bytes) -> str:
    """What is wrong with a file that no format knows."""
    if not head:
        return "it is empty"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for mark, reason in _OTHERS:
        if text.startswith(mark):
            return reason
    for kind in sorted(_SURE.intersection(readable())):
        if _marked(kind, head):
            return f"its {kind} is damaged, or of a kind that Pillow does not read: {_SAVE}"
    return "it is no image"


def _marked(kind: str, head: bytes) -> bool:
    """Whether a file begins with the mark of a format, if that has one."""
    accept = Image.OPEN[kind][1]
    return accept is not None and bool(accept(head[:16].ljust(16, b"\0")))  # shorter ones make some fail


def _box_size(head: bytes) -> int:
    """Bytes of the first box of an ISO file, which lists what can read it."""
    return int.from_bytes(head[:4], "big")


def _opens(file: IO[bytes], kind: str) -> bool:
    """Whether Pillow finds the header of that format in a file; pixels are not read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            file.seek(0)
            with Image.open(io.BytesIO(file.read(2**20)), formats=[kind]) as image:
                return image.width > 0
        except MemoryError:
            raise
        except Exception:  # any kind, as every decoder's
            return False
