"""Rows of W+ codes: those of the original implementations to and from ganzoo's.

ganzoo's rows are NVIDIA's, `2 * log2(resolution) - 2` of them: layer i reads row i, the head of a level the
row after the level's last layer. rosinality's rows are the same. MobileStyleGAN.pytorch has three rows a
block: its first layer reads row 0, its first head row 1; of block i the upsampler and the first convolution
read row 3i + 1, the second convolution row 3i + 2, the head row 3i + 3; the last row is read by nothing.
"""

from torch import Tensor

from ganzoo.generators.widths import MAX_RESOLUTION, check_resolution
from ganzoo.system.validation import unknown

SHARED = ("nvidia", "rosinality")
STUDENT = "mobilestylegan"


def to_layout(w: Tensor, layout: str) -> Tensor:
    """Codes for an original implementation: the same image, and the same prediction of every head.

    Args:
        w: Codes of ganzoo `[N, num_ws, w_dim]`.
        layout: "nvidia", "rosinality" or "mobilestylegan".

    Returns:
        `[N, rows, w_dim]`: `num_ws` rows; for a MobileStyleGAN student `3 * log2(resolution) - 7`.

    Raises:
        ValueError: for an unknown layout or a number of rows that no network has.
    """
    rows = w.shape[1] if w.ndim == 3 else 0
    if rows % 2 or not 2 <= rows <= 2 * MAX_RESOLUTION.bit_length() - 4:
        raise ValueError(f"Codes have shape [N, 2 * log2(resolution) - 2, w_dim]; got {list(w.shape)}.")
    if _is_shared(layout):
        return w
    blocks = rows // 2 - 2
    if blocks < 0:
        raise ValueError(f"A MobileStyleGAN has at least 4 rows of w; got {rows}.")
    read = [2 * i + k for i in range(blocks) for k in (1, 2, 3)]
    return w[:, [0, *read, 2 * blocks + 1]]


def from_layout(codes: Tensor, layout: str, *, resolution: int, level: int | None = None) -> Tensor:
    """Codes of an original implementation as ganzoo's `[N, num_ws, w_dim]`: the same image.

    In MobileStyleGAN.pytorch the head of a level and the next block have a row each; here they share one.
    Only the head of the last level makes the image, so that every code has its exact image. A lower head's
    prediction is exact where `level` asks for it.

    Args:
        codes: `[N, rows, w_dim]`.
        layout: "nvidia", "rosinality" or "mobilestylegan".
        resolution: Side of the image.
        level: Level whose head predicts; None for the last one's.

    Raises:
        ValueError: for an unknown layout, resolution or level, another number of rows than the resolution
            has, or a level of a layout that needs none.
    """
    shared = _is_shared(layout)
    check_resolution(resolution, "pixel" if shared else "wavelet")
    if shared and level is not None:
        raise ValueError(f"The rows of {layout} are ganzoo's own: it needs no level.")
    log2 = resolution.bit_length() - 1
    rows, blocks = 2 * log2 - 2, log2 - 3
    expected = rows if shared else 3 * blocks + 2
    if codes.ndim != 3 or codes.shape[1] != expected:
        raise ValueError(
            f"Codes of {layout} at {resolution} have shape [N, {expected}, w_dim]; got {list(codes.shape)}."
        )
    if shared:
        return codes
    last = blocks if level is None else level
    if not 0 <= last <= blocks:
        raise ValueError(f"level is 0 to {blocks}; got {level}.")
    read = [0, 1]
    for i in range(blocks):
        read += [3 * i + 2, 3 * i + (3 if i + 1 in (last, blocks) else 4)]
    read += [read[-1]] * (rows - len(read))  # a student lacks the layers that would read these
    return codes[:, read]


def _is_shared(layout: str) -> bool:
    """Whether a layout's rows are ganzoo's own."""
    if layout not in (*SHARED, STUDENT):
        raise ValueError(unknown("layout of rows", layout, [*SHARED, STUDENT]))
    return layout in SHARED
