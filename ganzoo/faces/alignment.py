"""FFHQ's crop of a face: upright, eyes and mouth where the generators of faces expect them.

Karras et al. 2019, appendix A: a square around the face, turned with it, whose center and side follow from
eyes and mouth; what it wants beyond the image's edge is a mirror image that fades into the image's median
colour.
"""

import math

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor

from ganzoo.faces.mtcnn import Face, Mtcnn, find_faces

# FFHQ was cut by other points than MTCNN's. On 96 images of mobilestylegan_ffhq, which all have FFHQ's crop,
# the formula with 1.0 and 0.1 gives a side that is 1.1 % too large and a center that is 0.4 % too high.
_SIDE, _DOWN = 0.99, 0.118
_SMALLEST = 48.0  # side of a crop, in pixels
_ALSO = 0.5  # part of the largest face's side from which another one counts
_FADE, _BLUR = 0.3, 0.02  # width of the faded rim and of its blur, in sides of the crop


class FaceError(ValueError):
    """There is no one face to align; the message says why and what to do."""


def aligned(image: Image.Image, side: int, network: Mtcnn | None = None) -> Image.Image:
    """The face in an image as FFHQ crops it: RGB of `side` x `side`.

    Faces of less than half the size of the largest one are taken for background.

    Args:
        image: Image of any mode; its EXIF orientation is applied, and what is transparent is laid on white.
        side: Side of the result in pixels.
        network: What `ganzoo.faces.mtcnn.load_mtcnn` gives; loaded if None.

    Raises:
        FaceError: if there is no face, more than one, or a tiny one.
        SourceError: if the weights of the detector cannot be had.
    """
    upright = _rgb(image)
    return cropped(upright, crop_square(one_face(upright, network).points), side)


def one_face(image: Image.Image, network: Mtcnn | None = None) -> Face:
    """The only large face in an RGB image.

    Raises:
        FaceError: if there is none, or more than one.
    """
    faces = find_faces(image, network) if min(image.size) >= 20 else []
    if not faces:
        raise FaceError(
            f"No face was found in the image of {image.width} x {image.height}. If it shows one as FFHQ "
            "crops it, take it as it is: --no-align."
        )
    large = [face for face in faces if face.side >= _ALSO * faces[0].side]
    if len(large) > 1:
        raise FaceError(
            f"{len(large)} faces were found in the image: crop it to one of them, or take it as it is: "
            "--no-align."
        )
    return faces[0]


def crop_square(points: Tensor) -> Tensor:
    """Corners of FFHQ's crop, `[4, 2]`: upper left, lower left, lower right, upper right.

    Args:
        points: Eyes, nose and corners of the mouth, `[5, 2]`, x before y.
    """
    five = points.cpu().double()
    eyes, mouth = five[:2].mean(dim=0), five[3:].mean(dim=0)
    across, down = five[1] - five[0], mouth - eyes
    half = _SIDE * max(2.0 * float(across.norm()), 1.8 * float(down.norm()))
    right = across + torch.stack([down[1], -down[0]])  # down, turned by a quarter, points to the right, too
    right = right / right.norm() * half
    below = torch.stack([-right[1], right[0]])
    center = eyes + _DOWN * down
    return torch.stack(
        [center - right - below, center - right + below, center + right + below, center + right - below]
    )


def cropped(image: Image.Image, square: Tensor, side: int) -> Image.Image:
    """What lies in a square of an RGB image, turned upright, at `side` x `side`.

    Args:
        image: Image of mode RGB.
        square: Corners in pixels, `[4, 2]`, as `crop_square` gives them.
        side: Side of the result in pixels.

    Raises:
        FaceError: if the square has fewer than 48 pixels a side.
    """
    length = float((square[3] - square[0]).norm())
    if length < _SMALLEST:
        raise FaceError(
            f"The face is tiny: its crop has {length:.0f} pixels a side, and at least {_SMALLEST:.0f} are "
            "needed. Take a larger image."
        )
    if (factor := int(length / side / 2)) > 1:  # so that the resampling below sees every pixel
        image, square, length = image.reduce(factor), square / factor, length / factor
    image, square = _with_rim(image, square, length)
    fine = max(side, min(2 * side, math.ceil(length)))
    corner, right, below = square[0], square[3] - square[0], square[1] - square[0]
    (x0, y0), (ax, ay), (bx, by) = corner.tolist(), (right / fine).tolist(), (below / fine).tolist()
    found = image.transform(
        (fine, fine), Image.Transform.AFFINE, (ax, bx, x0, ay, by, y0), Image.Resampling.BICUBIC
    )
    return found if fine == side else found.resize((side, side), Image.Resampling.LANCZOS)


def _with_rim(image: Image.Image, square: Tensor, length: float) -> tuple[Image.Image, Tensor]:
    """The image, widened by a faded mirror image where the square reaches beyond it, and the square in it."""
    spare = max(3, round(0.1 * length))  # that resampling and blur may need
    low, high = square.amin(dim=0), square.amax(dim=0)
    left, top = (max(0, math.ceil(-float(v)) + spare) for v in low)
    right, bottom = (
        max(0, math.ceil(float(v) - size) + spare) for v, size in zip(high, image.size, strict=True)
    )
    if max(left, top, right, bottom) <= spare:
        return image, square
    rim = round(_FADE * length)
    left, top, right, bottom = (max(v, rim) for v in (left, top, right, bottom))
    wide = np.pad(np.asarray(image), ((top, bottom), (left, right), (0, 0)), mode="reflect")
    height, width = wide.shape[:2]
    x, y = np.arange(width)[None], np.arange(height)[:, None]
    inwards = np.minimum(
        np.minimum(x / left, (width - 1 - x) / right), np.minimum(y / top, (height - 1 - y) / bottom)
    )
    outside = 1 - inwards[..., None]  # 0 at the image's edge, 1 at the rim's end
    pixels = wide.astype(np.float32)
    blurred = Image.fromarray(wide).filter(ImageFilter.GaussianBlur(_BLUR * length))
    pixels += (np.asarray(blurred, np.float32) - pixels) * np.clip(3 * outside + 1, 0, 1)
    pixels += (np.median(np.asarray(image), axis=(0, 1)) - pixels) * np.clip(outside, 0, 1)
    moved = square + torch.tensor([left, top], dtype=square.dtype)
    return Image.fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8)), moved


def _rgb(image: Image.Image) -> Image.Image:
    """An image upright, in RGB, on white."""
    upright = ImageOps.exif_transpose(image)
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    rgba = upright.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return white.convert("RGB")
