"""Resizing that does not alias.

Parmar, Zhang and Zhu, "On Aliased Resizing and Surprising Subtleties in GAN Evaluation", CVPR 2022: most
libraries shrink without a low-pass filter, or round in between, and Frechet distances move with it. Their
package clean-fid settled on what this file does: Pillow's bicubic filter, whose width grows with the scale,
on each channel as floats.
"""

from typing import Any

import numpy as np
from PIL import Image

RESIZER = "pillow-bicubic-antialias-float"
"""The name of this way of resizing, for records."""

_LEAST_ALPHA = 0.5  # of 255: less rounds to nothing

Floats = np.ndarray[Any, np.dtype[np.float32]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]


def resize(image: Image.Image | Bytes, size: int) -> Floats:
    """The image as `[size, size, channels]` in 0..255, not rounded.

    Bicubic filters overshoot at edges: what leaves 0..255 is clipped. An image that is no square is
    squeezed. Colours with alpha are weighted by it, so that what cannot be seen does not bleed into what can.

    Args:
        image: Image of mode L, RGB or RGBA, or an array of bytes `[H, W]` or `[H, W, 1, 3 or 4]`.
        size: New side, at least 1.

    Raises:
        TypeError: for an array of anything but bytes.
        ValueError: for another mode or shape, or a size below 1.
    """
    if size < 1:
        raise ValueError(f"size is at least 1; got {size!r}.")
    if not isinstance(image, Image.Image):
        image = _image(image)
    if image.mode not in ("L", "RGB", "RGBA"):
        raise ValueError(f"An image to resize has the mode L, RGB or RGBA; got {image.mode!r}: convert it.")
    channels = [channel.convert("F") for channel in image.split()]
    resized = np.stack([_bicubic(channel, size) for channel in channels], axis=-1)
    if image.mode == "RGBA":
        alpha = np.asarray(channels[3])
        weighted = [Image.fromarray(np.asarray(channel) * alpha) for channel in channels[:3]]
        seen = resized[..., 3] >= _LEAST_ALPHA
        for i, channel in enumerate(weighted):
            resized[seen, i] = _bicubic(channel, size)[seen] / resized[seen, 3]
    return resized.clip(0, 255)


def to_uint8(pixels: Floats) -> Bytes:
    """The nearest bytes of values in 0..255; what lies outside is clipped."""
    return np.rint(pixels).clip(0, 255).astype(np.uint8)


def _bicubic(channel: Image.Image, size: int) -> Floats:
    return np.asarray(channel.resize((size, size), Image.Resampling.BICUBIC))


def _image(array: Bytes) -> Image.Image:
    if array.dtype != np.uint8:
        raise TypeError(f"An array to resize holds uint8 in 0..255; got {array.dtype}.")
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,), (4,)):
        raise ValueError(f"An array to resize is [H, W] or [H, W, 1, 3 or 4]; got {list(array.shape)}.")
    return Image.fromarray(array.squeeze(2) if array.shape[2:] == (1,) else array)
