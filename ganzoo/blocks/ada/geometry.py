"""Moving images: one matrix for all that moves them, and resampling without aliasing.

The image is continued by reflection, upsampled twice by a wavelet's low-pass filter, sampled bilinearly at
the places that the matrix says, and downsampled twice by the same filter. The wavelet is orthogonal, so up
and down again is the identity (Karras et al. 2020a, appendix B.1). A side that is continued by reflection
is periodic, so one period is all that is upsampled, and no sample depends on how far another one reaches.
"""

import math

import torch
from torch import Tensor

from ganzoo.blocks.ada.draws import Draws
from ganzoo.ops.sampling import reflected, sample

# The low-pass filter of the symlet of 6 vanishing moments (Daubechies 1992, table 6.3), of sum 1.
SYM6 = (
    0.010892349295318127, 0.0024683058727532625, -0.08343160152435303, -0.034161560237407684,
    0.3472289443016052, 0.5569463968276978, 0.238952174782753, -0.05136248096823692,
    -0.01489187404513359, 0.031625278294086456, 0.0012499609729275107, -0.0055159335024654865,
)  # fmt: skip
AHEAD = 5  # taps before the one that lies on a pixel: about the middle of the filter, which is not symmetric
MOVES = ("xflip", "rotate90", "xint", "scale", "rotate", "aniso", "rotate_after", "xfrac")


def inverse_matrix(draws: Draws, width: int, height: int) -> Tensor | None:
    """Where the result's places come from, `[N, 3, 3]`, in pixels from the centre; None if nothing moves.

    Args:
        draws: What is drawn.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
    """
    factors = []
    if draws.xflip is not None:
        factors.append(_scaling(1 - 2 * draws.xflip, torch.ones_like(draws.xflip)))
    if draws.rotate90 is not None:
        factors.append(_rotation(draws.rotate90 * (math.pi / 2)))
    if draws.xint is not None:
        size = draws.xint.new_tensor([width, height])
        factors.append(_shift(-(draws.xint * size).round()))
    if draws.scale is not None:
        factors.append(_scaling(1 / draws.scale, 1 / draws.scale))
    if draws.rotate is not None:
        factors.append(_rotation(draws.rotate))
    if draws.aniso is not None:
        factors.append(_scaling(1 / draws.aniso, draws.aniso))
    if draws.rotate_after is not None:
        factors.append(_rotation(draws.rotate_after))
    if draws.xfrac is not None:
        size = draws.xfrac.new_tensor([width, height])
        factors.append(_shift(-draws.xfrac * size))
    if not factors:
        return None
    matrix = factors[0]
    for factor in factors[1:]:
        matrix = matrix @ factor
    return matrix


def warp(images: Tensor, matrix: Tensor) -> Tensor:
    """Images whose places come from those that the matrix says, `[N, C, H, W]`.

    Args:
        images: `[N, C, H, W]`.
        matrix: Output to input, in pixels from the centre, `[N, 3, 3]`.
    """
    height, width = images.shape[2:]
    rows, columns = _upsampling(height, images), _upsampling(width, images)
    fine = rows @ images @ columns.mT  # [N, C, 2 periods + 1, 2 periods + 1]
    moved = sample(fine, _grid(matrix, height, width))
    return _downsampling(height, images) @ moved @ _downsampling(width, images).mT


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], dim=-1))


def _rotation(angle: Tensor) -> Tensor:
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    entries = [cos, -sin, zero, sin, cos, zero, zero, zero, one]
    return torch.stack(entries, dim=-1).view(-1, 3, 3)


def _shift(by: Tensor) -> Tensor:
    column = torch.cat([by, torch.zeros_like(by[:, :1])], dim=1)[:, :, None]
    none = torch.zeros_like(column)
    return torch.eye(3, dtype=by.dtype, device=by.device) + torch.cat([none, none, column], dim=2)


def _period(size: int) -> int:
    """Pixels after which a side that is continued by reflection comes again."""
    return max(2 * (size - 1), 1)


def _places(size: int, like: Tensor) -> Tensor:
    """The fine places that downsampling reads; place 2 i lies on pixel i."""
    return torch.arange(-AHEAD, 2 * size + len(SYM6) - 2 - AHEAD, device=like.device)


def _taps(places: Tensor, pixels: Tensor, like: Tensor) -> Tensor:
    """The filter between fine places and pixels, `[places, pixels]`."""
    tap = places[:, None] - 2 * pixels + AHEAD
    filter = like.new_tensor([*SYM6, 0.0])
    return filter[torch.where((tap >= 0) & (tap < len(SYM6)), tap, len(SYM6))]


def _upsampling(size: int, like: Tensor) -> Tensor:
    """Matrix from the pixels of a side to the fine places of one period and the first of the next."""
    period = _period(size)
    pixels = torch.arange(-AHEAD, period + AHEAD, device=like.device)
    places = torch.arange(2 * period + 1, device=like.device)
    matrix = like.new_zeros(2 * period + 1, size)
    return torch.index_add(matrix, 1, reflected(pixels, size), 2 * _taps(places, pixels, like))


def _downsampling(size: int, like: Tensor) -> Tensor:
    """Matrix from fine places to pixels."""
    return _taps(_places(size, like), torch.arange(size, device=like.device), like).mT


def _grid(matrix: Tensor, height: int, width: int) -> Tensor:
    """Where the fine places lie in the upsampled period, for `sample`, `[N, h, w, 2]`."""
    # Fine place j is at (j + 1 - size) / 2 pixels from the centre; its axis is 2 periods long.
    x = (_places(width, matrix) + (1 - width)).to(matrix.dtype)
    y = (_places(height, matrix) + (1 - height)).to(matrix.dtype)
    size = matrix.new_tensor([width, height])
    length = matrix.new_tensor([2 * _period(width), 2 * _period(height)])[:, None]
    linear, shift = matrix[:, :2, :2] / length, (2 * matrix[:, :2, 2] + size - 1)[:, :, None] / length
    along_x = linear[:, :, :1] * x + shift  # [N, 2, w]
    along_y = linear[:, :, 1:] * y  # [N, 2, h]
    turns = along_x[:, :, None] + along_y[:, :, :, None]  # [N, 2, h, w]
    return ((turns - turns.floor()) * 2 - 1).movedim(1, 3)
