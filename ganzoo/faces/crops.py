"""Faces of many images at once, each as the small networks take it, with its 68 landmarks.

The images have FFHQ's crop, as generators of faces make them and `ganzoo.faces.alignment.aligned` gives them:
so where to look first is known, and no detector is needed.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.system.images import shrink, to_rgb

_SEEN = 256  # side at which images are looked at
_FIRST = (0.17, 0.23, 0.83, 0.89)  # box of a face in FFHQ's crop, in sides
_MARGIN = 0.1  # on each side of the landmarks' box, in its sides: as face-api cuts faces out
_FOREHEAD = 0.25  # above the brows, in heights of that box, which a detector's box has and landmarks have not


@dataclass(frozen=True)
class Crops:
    """The faces of a batch.

    Attributes:
        images: The faces, each in the middle of a square, black beside it: `[N, 3, S, S]` in -1..1.
        points: Landmarks in the whole images, `[N, 68, 2]`, x before y, in sides: 0..1.
        seen: The whole images at 256 pixels, `[N, 3, 256, 256]`.
    """

    images: Tensor
    points: Tensor
    seen: Tensor


def face_crops(images: Tensor, landmarks: nn.Module, side: int = 150) -> Crops:
    """The faces in images of FFHQ's crop.

    Args:
        images: `[N, 1, 3 or 4, H, H]` in -1..1.
        landmarks: What `load_face_network("face_landmark_68")` gives.
        side: Side of the crops.

    Raises:
        ValueError: if the images are not square, or not 4-dimensional.
    """
    if images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise ValueError(f"images of faces are [N, C, H, H]; got {list(images.shape)}.")
    seen = to_rgb(images).clamp(-1, 1)
    seen = shrink(seen, _SEEN) if seen.shape[-1] > _SEEN else seen
    box = seen.new_tensor(_FIRST).expand(len(seen), 4)
    points = _found(seen, box, landmarks)
    points = _found(seen, _box(points, _FOREHEAD), landmarks)
    return Crops(_cut(seen, _box(points, 0.0), side), points, seen)


def parts(images: Tensor, batch: int) -> list[Tensor]:
    """Images in batches, `[batch, C, H, W]` and a rest: at least one, though it be empty."""
    return [images[start : start + batch] for start in range(0, max(1, len(images)), batch)]


def _found(images: Tensor, boxes: Tensor, landmarks: nn.Module) -> Tensor:
    """Landmarks in the whole images of faces in boxes."""
    center, half = _square(boxes)
    points: Tensor = landmarks(_cut(images, boxes, 112))
    return (center - half)[:, None] + points * 2 * half[:, None]


def _box(points: Tensor, above: float) -> Tensor:
    """A box around landmarks, with a margin, and something above: `[N, 4]`."""
    low, high = points.amin(dim=1), points.amax(dim=1)
    margin = _MARGIN * (high - low)
    extra = torch.stack([torch.zeros_like(low[:, 0]), above * (high - low)[:, 1]], dim=1)
    return torch.cat([low - margin - extra, high + margin], dim=1)


def _square(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Centers `[N, 2]` and half sides `[N, 1]` of the squares around boxes."""
    low, high = boxes[:, :2], boxes[:, 2:]
    return (low + high) / 2, ((high - low) / 2).amax(dim=1, keepdim=True)


def _cut(images: Tensor, boxes: Tensor, side: int) -> Tensor:
    """What lies in boxes, in the middle of squares that are black beside it: `[N, 3, side, side]`."""
    center, half = _square(boxes)
    steps = (torch.arange(side, dtype=images.dtype, device=images.device) + 0.5) / side * 2 - 1
    x = center[:, :1] + half * steps
    y = center[:, 1:] + half * steps
    inside_x = (x >= boxes[:, :1].clamp(min=0)) & (x <= boxes[:, 2:3].clamp(max=1))
    inside_y = (y >= boxes[:, 1:2].clamp(min=0)) & (y <= boxes[:, 3:].clamp(max=1))
    grid = (
        torch.stack([x[:, None, :].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)], dim=3) * 2 - 1
    )
    found = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return found.where((inside_x[:, None, :] & inside_y[:, :, None])[:, None], -1.0)
