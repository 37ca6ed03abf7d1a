"""Changing pixels where they are: colors, octave bands, noise and a square cut out."""

import math

import numpy as np
import torch
from torch import Tensor

from ganzoo.ops.sampling import reflected

COLORS = 3
# Low-pass filter of the symlet of 2 vanishing moments, of sum sqrt(2): Daubechies' of four taps.
SYM2 = tuple((a + b * math.sqrt(3)) / (4 * math.sqrt(2)) for a, b in ((1, -1), (3, -1), (3, 1), (1, 1)))
POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)  # expected of the bands of images, low to high
BANDS = len(POWER)


def recolored(
    images: Tensor, brightness: Tensor, contrast: Tensor, lumaflip: Tensor, hue: Tensor, saturation: Tensor
) -> Tensor:
    """Images of other colors; all channels after the colors are as they were.

    One or two channels are gray, and gray with alpha. All of it is a factor along the gray axis
    v = (1, 1, 1) / sqrt 3, and a factor and a turn around it (Karras et al. 2020a, appendix B.1):

        c ((1 - 2 flip) v v' + s (cos(hue) (1 - v v') + sin(hue) [v]x)) (x + brightness)

    Args:
        images: `[N, C, H, W]`.
        brightness: Value to add, `[N]`; the other parameters likewise.
        contrast: Factor of all, c.
        lumaflip: 1 to mirror along the gray axis, else 0.
        hue: Angle around the gray axis, in radians.
        saturation: Factor of the distance from the gray axis, s.
    """
    along = contrast * (1 - 2 * lumaflip)
    if images.shape[1] < COLORS:
        colors = (images[:, :1] + brightness[:, None, None, None]) * along[:, None, None, None]
        return torch.cat([colors, images[:, 1:]], dim=1) if images.shape[1] > 1 else colors
    gray = images.new_full((COLORS, COLORS), 1 / COLORS)
    cross = images.new_tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    around = torch.eye(COLORS, dtype=images.dtype, device=images.device) - gray
    cos, sin = contrast * saturation * hue.cos(), contrast * saturation * hue.sin()
    parts = ((along, gray), (cos, around), (sin, cross))
    matrix = sum((amount[:, None, None] * part for amount, part in parts), torch.zeros_like(gray))
    offset = (along * brightness)[:, None, None].expand(-1, COLORS, 1)
    colors = torch.baddbmm(offset, matrix, images[:, :COLORS].flatten(2)).view(-1, COLORS, *images.shape[2:])
    return torch.cat([colors, images[:, COLORS:]], dim=1) if images.shape[1] > COLORS else colors


def filtered(images: Tensor, gains: Tensor) -> Tensor:
    """Images whose four octave bands are stronger or weaker by gains, along both axes.

    Band by band, the gains are divided so that the expected power of an image stays (Karras et al. 2020a,
    appendix B.1). The image is continued by reflection.

    Args:
        images: `[N, C, H, W]`.
        gains: `[N, 4]`, low to high.
    """
    power = gains.new_tensor(POWER)
    own = torch.eye(BANDS, dtype=torch.bool, device=gains.device)
    mixed = torch.ones_like(gains)
    for band in range(BANDS):
        alone = torch.where(own[band], gains, 1.0)
        mixed = mixed * alone / (power * alone.square()).sum(dim=1, keepdim=True).sqrt()
    rows, columns = (
        (mixed @ _band_matrices(size, images).flatten(1)).view(-1, 1, size, size) for size in images.shape[2:]
    )
    result: Tensor = rows @ images @ columns.mT
    return result


def _band_filters() -> tuple[tuple[float, ...], ...]:
    """Impulse responses of the octave bands, low to high, 43 taps each; they add up to an impulse.

    With L the autocorrelation of sym2's low-pass filter and H = 1 - L, the highest band is H(z), the next
    L(z) H(z^2), and so on; the lowest is L(z) L(z^2) L(z^4).
    """
    low = np.convolve(SYM2, SYM2[::-1]) / 2
    high = (np.arange(len(low)) == len(low) // 2) - low
    below, bands = np.ones(1), []
    for octave in range(BANDS - 1):
        stride = 2**octave
        spread = np.zeros((2, (len(low) - 1) * stride + 1))
        spread[:, ::stride] = low, high
        bands.append(np.convolve(below, spread[1]))
        below = np.convolve(below, spread[0])
    reach = len(below)
    return tuple(tuple(np.pad(b, (reach - len(b)) // 2).tolist()) for b in (below, *reversed(bands)))


BAND_FILTERS = _band_filters()


def _band_matrices(size: int, like: Tensor) -> Tensor:
    """The filters as matrices of a side that is continued by reflection, `[4, size, size]`."""
    filters = like.new_tensor(BAND_FILTERS)[:, None].expand(-1, size, -1)
    reach = filters.shape[2] // 2
    pixels = torch.arange(size, device=like.device)
    places = pixels[:, None] + torch.arange(-reach, reach + 1, device=like.device)
    source = reflected(places, size).expand_as(filters)
    return like.new_zeros(BANDS, size, size).scatter_add(2, source, filters)


def noisy(images: Tensor, deviation: Tensor, field: Tensor) -> Tensor:
    """Images with noise: the field `[N, C, H, W]` times its deviation `[N]` is added."""
    return images + deviation[:, None, None, None] * field


def cut(images: Tensor, side: Tensor, center: Tensor) -> Tensor:
    """Images with a rectangle set to 0.

    Args:
        images: `[N, C, H, W]`.
        side: Its side as a fraction of width and height, `[N]`.
        center: Its centre along x and y as a fraction of them, `[N, 2]`.
    """
    height, width = images.shape[2:]
    inside_x, inside_y = (
        ((torch.arange(size, device=images.device) + 0.5) / size - middle[:, None]).abs() < side[:, None] / 2
        for size, middle in zip((width, height), center.unbind(1), strict=True)
    )
    inside = inside_y[:, None, :, None] & inside_x[:, None, None]
    return images * (~inside).to(images.dtype)
