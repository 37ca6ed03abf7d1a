"""DiffAugment of one image by numpy, pixel by pixel."""

import math

import numpy as np
import torch

COLUMNS = [
    "brightness",
    "saturation",
    "contrast",
    "color",
    "down",
    "right",
    "shift",
    "top",
    "left",
    "cut",
    "mirror",
]


def reference(image, random, *, color, translation, cutout, flip, probability=1.0):
    """The augmented image `[C, H, W]`, by loops over its pixels."""
    u = dict(zip(COLUMNS, random.double().tolist(), strict=True))
    x = image.double().numpy().copy()
    height, width = x.shape[1:]
    if color and u["color"] < probability:
        c = x[:3] + u["brightness"] - 0.5  # what comes after three colours is alpha
        for i in range(height):
            for j in range(width):
                gray = c[:, i, j].mean()
                c[:, i, j] = gray + 2 * u["saturation"] * (c[:, i, j] - gray)
        x[:3] = c.mean() + (0.5 + u["contrast"]) * (c - c.mean())
    if flip and u["mirror"] < probability / 2:
        x = x[:, :, ::-1].copy()
    if translation and u["shift"] < probability:
        down = reference_shift(u["down"], height, translation)
        right = reference_shift(u["right"], width, translation)
        moved = np.zeros_like(x)
        for i in range(height):
            for j in range(width):
                if 0 <= i + down < height and 0 <= j + right < width:
                    moved[:, i + down, j + right] = x[:, i, j]
        x = moved
    if cutout and u["cut"] < probability:
        for i in reference_span(u["top"], height, cutout):
            for j in reference_span(u["left"], width, cutout):
                if 0 <= i < height and 0 <= j < width:
                    x[:, i, j] = 0
    return torch.from_numpy(x)


def reference_shift(u, size, fraction):
    furthest = math.floor(fraction * size + 0.5)
    return list(range(-furthest, furthest + 1))[math.floor(u * (2 * furthest + 1))]


def reference_span(u, size, fraction):
    """Of all spans of that length, those whose middle is on the side, and among them the drawn one."""
    length = math.floor(fraction * size + 0.5)
    starts = [s for s in range(-size - 1, 2 * size + 2) if 0 <= s + length / 2 <= size]
    start = starts[math.floor(u * len(starts))]
    return range(start, start + length)
