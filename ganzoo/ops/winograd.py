"""Convolutions of 3 x 3 by Winograd's minimal filtering F(4 x 4, 3 x 3) (Lavin & Gray 2016, section 4.3).

A tile of 4 x 4 outputs takes 36 products instead of 144, as 36 products of matrices over all tiles. The
differences from a direct convolution are about 5e-5 of the outputs' deviation, ten times its own rounding.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 4  # side of a tile's outputs
_SIDE = TILE + 2  # of the inputs that it looks at
_AT_ONCE = 65536  # tiles times channels
_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.conv2d` with padding 1 of `x [N, in, H, W]`, whose sides are multiples of 4: `[N, out, H, W]`.

    Args:
        x: Features.
        weight: `[out, in, 3, 3]`.
        bias: `[out]`.
    """
    out, channels = weight.shape[:2]
    n, _, height, width = x.shape
    kernels = (_both(_KERNEL, x) @ weight.permute(2, 3, 0, 1).reshape(9, -1)).view(-1, out, channels)
    back, windows, result = _both(_OUTPUT, x), _windows(x), x.new_empty(n, out, height, width)
    squares = result.view(n, out, height // TILE, TILE, width // TILE, TILE).permute(0, 1, 2, 4, 3, 5)
    for part in _parts(windows):
        products, square = torch.bmm(kernels, _inputs(windows[part])), squares[part]
        tiles = (back @ products.flatten(1)).view(TILE, TILE, out, len(square), *square.shape[2:4])
        square.copy_(tiles.permute(3, 2, 4, 5, 0, 1))
    return result if bias is None else result.add_(bias[:, None, None])


def input_gradient(g: Tensor, weight: Tensor) -> Tensor:
    """Gradient of the input, from that of the output `[N, out, H, W]`: `[N, in, H, W]`."""
    return convolve(g, weight.flip(2, 3).transpose(0, 1))


def weight_gradient(g: Tensor, x: Tensor) -> Tensor:
    """Gradient of the weight `[out, in, 3, 3]`, from that of the output and the input."""
    out, channels = g.shape[1], x.shape[1]
    forth, total = _both(_OUTPUT, g).t().contiguous(), x.new_zeros(_SIDE**2, out, channels)
    windows, squares = _windows(x), g.unfold(2, TILE, TILE).unfold(3, TILE, TILE)
    for part in _parts(windows):
        signals = (forth @ _by_position(squares[part])).view(_SIDE**2, out, -1)
        total.baddbmm_(signals, _inputs(windows[part]).transpose(1, 2))
    found = _both(_KERNEL, x).t() @ total.flatten(1)
    return found.view(3, 3, out, channels).permute(2, 3, 0, 1).contiguous()


def _windows(x: Tensor) -> Tensor:
    """What the tiles look at: `[N, C, rows, columns, 6, 6]`."""
    return F.pad(x, (1, 1, 1, 1)).unfold(2, _SIDE, TILE).unfold(3, _SIDE, TILE)


def _parts(windows: Tensor) -> Iterator[tuple[slice, slice, slice]]:
    """Tiles to transform at once, as few as stay in the cache."""
    n, channels, rows, columns = windows.shape[:4]
    tiles = max(1, _AT_ONCE // channels)
    images, height = max(1, tiles // (rows * columns)), max(1, tiles // columns)
    for first in range(0, n, images):
        for top in range(0, rows, height):
            yield slice(first, first + images), slice(None), slice(top, top + height)


def _inputs(windows: Tensor) -> Tensor:
    """Windows transformed: `[36, C, tiles]`."""
    tiles = _both(_INPUT, windows) @ _by_position(windows)
    return tiles.view(_SIDE**2, windows.shape[1], -1)


def _by_position(tiles: Tensor) -> Tensor:
    """`[N, C, rows, columns, k, k]` as `[k * k, C * N * rows * columns]`."""
    return tiles.permute(4, 5, 1, 0, 2, 3).reshape(tiles.shape[-1] ** 2, -1)


def _both(rows: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """The transform of both axes of a tile at once."""
    matrix = torch.tensor(rows, dtype=like.dtype, device=like.device)
    return torch.kron(matrix, matrix)
