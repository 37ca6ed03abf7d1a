"""Faces in a photograph: a box and five points each, by MTCNN (Zhang et al. 2016).

Three networks after one another, each on what the last let through: a small one over a pyramid of the image,
then two on crops of 24 and 48 pixels. The weights are facenet-pytorch's.
"""

import os
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from ganzoo.faces.weights import mtcnn_weights

_CELL, _STRIDE = 12, 2  # of the first network, in pixels of a pyramid's level
_STEP = 0.709  # from level to level: halves the area
_ENOUGH = (0.6, 0.7, 0.7)  # probability of a face, per network


@dataclass(frozen=True)
class Face:
    """A face in an image.

    Attributes:
        box: Left, top, right and bottom, in pixels.
        points: Left eye, right eye, nose, left and right corner of the mouth, as seen: `[5, 2]`, x before y.
        score: Probability in 0..1.
    """

    box: tuple[float, float, float, float]
    points: Tensor
    score: float

    @property
    def side(self) -> float:
        """The longer side of its box."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


class _Columns(nn.Module):
    """Maps to vectors, column by column: the order that the weights were trained in."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(2, 3).flatten(2).transpose(1, 2).flatten(1)


class _Stage(nn.Module):
    """A trunk and linear heads: crops to logits of no face and a face, shifts of the box, perhaps points."""

    def __init__(self, trunk: list[nn.Module], heads: list[nn.Module]) -> None:
        super().__init__()
        self.trunk, self.heads = nn.Sequential(*trunk), nn.ModuleList(heads)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.trunk(x)
        return [head(x) for head in self.heads]


def _conv(inputs: int, outputs: int, kernel: int = 3) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel), nn.PReLU(outputs)]


def _pool(kernel: int = 3) -> nn.Module:
    return nn.MaxPool2d(kernel, stride=2, ceil_mode=True)


def _proposals() -> _Stage:
    trunk = [*_conv(3, 10), _pool(2), *_conv(10, 16), *_conv(16, 32)]
    return _Stage(trunk, [nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)])


def _refinement() -> _Stage:
    trunk = [*_conv(3, 28), _pool(), *_conv(28, 48), _pool(), *_conv(48, 64, 2)]
    trunk += [_Columns(), nn.Linear(576, 128), nn.PReLU(128)]
    return _Stage(trunk, [nn.Linear(128, 2), nn.Linear(128, 4)])


def _output() -> _Stage:
    trunk = [*_conv(3, 32), _pool(), *_conv(32, 64), _pool(), *_conv(64, 64), _pool(2), *_conv(64, 128, 2)]
    trunk += [_Columns(), nn.Linear(1152, 256), nn.PReLU(256)]
    return _Stage(trunk, [nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)])


class Mtcnn(nn.Module):
    """An image `[3, H, W]` in 0..255 to boxes `[F, 4]`, points `[F, 5, 2]` and probabilities `[F]`."""

    def __init__(self) -> None:
        super().__init__()
        self.pnet, self.rnet, self.onet = _proposals(), _refinement(), _output()

    def forward(self, pixels: Tensor, smallest: float = 20.0) -> tuple[Tensor, Tensor, Tensor]:
        boxes = self._proposed(pixels, smallest)
        boxes, crops = _crops(pixels, _squares(boxes), 24)
        logits, shifts = self.rnet(crops)
        boxes, scores, shifts = _passed(boxes, logits, shifts, _ENOUGH[1])
        kept = _best(boxes, scores, 0.7)
        boxes, crops = _crops(pixels, _squares(_shifted(boxes[kept], shifts[kept])), 48)
        logits, shifts, places = self.onet(crops)
        boxes, scores, places_and_shifts = _passed(boxes, logits, torch.cat([places, shifts], 1), _ENOUGH[2])
        places, shifts = places_and_shifts[:, :10], places_and_shifts[:, 10:]
        start, size = boxes[:, None, :2], boxes[:, None, 2:] - boxes[:, None, :2] + 1
        points = start + size * places.view(-1, 2, 5).transpose(1, 2) - 1
        boxes = _shifted(boxes, shifts)
        kept = _best(boxes, scores, 0.7, of_smaller=True)
        return boxes[kept], points[kept], scores[kept]

    def _proposed(self, pixels: Tensor, smallest: float) -> Tensor:
        """Boxes `[B, 4]` that the first network finds on all levels of the pyramid."""
        height, width = pixels.shape[1:]
        scale, found = _CELL / smallest, [pixels.new_zeros(0, 9)]
        while min(height, width) * scale >= _CELL:
            size = (int(height * scale + 1), int(width * scale + 1))
            logits, shifts = self.pnet(_normalized(F.interpolate(pixels[None], size=size, mode="area")))
            score = logits.softmax(dim=1)[0, 1]
            rows, columns = (score >= _ENOUGH[0]).nonzero(as_tuple=True)
            corners = _STRIDE * torch.stack([columns, rows], dim=1)
            cells = torch.cat([corners + 1, corners + _CELL], dim=1).div(scale).floor()
            scores = score[rows, columns]
            table = torch.cat([cells, shifts[0, :, rows, columns].T, scores[:, None]], dim=1)
            found.append(table[_best(cells, scores, 0.5)])
            scale *= _STEP
        table = torch.cat(found)
        cells, moves, scores = table[:, :4], table[:, 4:8], table[:, 8]
        sides = (cells[:, 2:] - cells[:, :2]).repeat(1, 2)
        return (cells + moves * sides)[_best(cells, scores, 0.7)]


def load_mtcnn(cache_dir: str | os.PathLike[str] | None = None) -> Mtcnn:
    """MTCNN with its weights, frozen, in eval mode, on the CPU.

    Args:
        cache_dir: Folder of the cache; by default `~/.cache/ganzoo`.

    Raises:
        SourceError: if the weights cannot be had.
    """
    network, found = Mtcnn(), mtcnn_weights(cache_dir)
    for part in ("pnet", "rnet", "onet"):
        stage = getattr(network, part)
        values = [found[name] for name in sorted(found) if name.startswith(part)]
        stage.load_state_dict(dict(zip(stage.state_dict(), values, strict=True)), strict=True)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def find_faces(image: Image.Image, network: Mtcnn | None = None) -> list[Face]:
    """The faces in an image, from the largest to the smallest.

    Faces of less than a twentieth of the image's shorter side, or 20 pixels, are not looked for.

    Args:
        image: Image of mode RGB.
        network: What `load_mtcnn` gives; loaded if None.

    Raises:
        SourceError: if the weights cannot be had.
    """
    network = network or load_mtcnn()
    pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float()
    boxes, points, scores = network(pixels, max(20.0, min(image.size) / 20))
    faces = [
        Face((box[0], box[1], box[2], box[3]), five, score)
        for box, five, score in zip(boxes.tolist(), points, scores.tolist(), strict=True)
    ]
    return sorted(faces, key=lambda face: -face.side)


def _normalized(pixels: Tensor) -> Tensor:
    return (pixels - 127.5) / 128


def _crops(pixels: Tensor, boxes: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The boxes that reach into the image, and what lies in them at one size: `[B, 3, side, side]`."""
    height, width = pixels.shape[1:]
    edges = boxes.trunc().int()
    edges[:, :2] = edges[:, :2].clamp(min=1)
    edges[:, 2] = edges[:, 2].clamp(max=width)
    edges[:, 3] = edges[:, 3].clamp(max=height)
    inside = (edges[:, 2:] >= edges[:, :2]).all(dim=1)
    crops = [pixels.new_zeros(0, 3, side, side)]
    for left, top, right, bottom in edges[inside].tolist():
        crop = pixels[None, :, top - 1 : bottom, left - 1 : right]
        crops.append(F.interpolate(crop, size=(side, side), mode="area"))
    return boxes[inside], _normalized(torch.cat(crops))


def _passed(boxes: Tensor, logits: Tensor, others: Tensor, least: float) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, probabilities and other outputs where the probability is high enough."""
    scores = logits.softmax(dim=1)[:, 1]
    passed = scores > least
    return boxes[passed], scores[passed], others[passed]


def _shifted(boxes: Tensor, shifts: Tensor) -> Tensor:
    """Boxes whose edges are moved by parts of their sides."""
    return boxes + shifts * (boxes[:, 2:] - boxes[:, :2] + 1).repeat(1, 2)


def _squares(boxes: Tensor) -> Tensor:
    """Squares of the longer sides around the boxes' centers."""
    half = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True) / 2
    center = (boxes[:, :2] + boxes[:, 2:]) / 2
    return torch.cat([center - half, center + half], dim=1)


def _best(boxes: Tensor, scores: Tensor, most: float, *, of_smaller: bool = False) -> Tensor:
    """Indices of the boxes that no better one covers: non-maximum suppression.

    Args:
        boxes: `[B, 4]`.
        scores: `[B]`.
        most: Largest overlap of two that stay.
        of_smaller: The overlap is part of the smaller box, instead of the union.
    """
    pixel = 1.0 if of_smaller else 0.0  # the last network's boxes hold their last pixel
    order = scores.argsort(descending=True, stable=True)
    area = (boxes[:, 2:] - boxes[:, :2] + pixel).prod(dim=1)
    kept = []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(int(first))
        low = torch.maximum(boxes[first, :2], boxes[rest, :2])
        high = torch.minimum(boxes[first, 2:], boxes[rest, 2:])
        shared = (high - low + pixel).clamp(min=0).prod(dim=1)
        whole = torch.minimum(area[first], area[rest]) if of_smaller else area[first] + area[rest] - shared
        order = rest[shared <= most * whole]
    return torch.tensor(kept, dtype=torch.long)
