"""Sheets of a run: teacher and student side by side, the same images at every time."""

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.system.images import contact_sheet, to_images, to_rgb
from ganzoo.training.latents import HELD_OUT
from ganzoo.training.teacher import Teacher

COUNT = 16
MAX_SIDE = 256  # of an image on the sheet


class Sheets:
    """Pairs of images, teacher left and student right, of the first held-out latents."""

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self.numbers = range(HELD_OUT, HELD_OUT + COUNT)
        self._targets: Tensor | None = None

    @torch.inference_mode()
    def draw(self, student: Generator) -> Image.Image:
        """One sheet, images in their own size or `MAX_SIDE`, whichever is smaller."""
        drawn = self.teacher.drawn(self.numbers)
        if self._targets is None:
            self._targets = self.teacher.images(drawn.w, drawn.noise)
        w = self.teacher.w_of_student(student, drawn)
        return pair_sheet(self._targets, student.synthesis(w, student.synthesis.borrowed(drawn.noise)).image)


def pair_sheet(teacher: Tensor, student: Tensor) -> Image.Image:
    """Images `[N, C, R, R]` in pairs; what is transparent lies on white."""
    left, right = (to_images(to_rgb(images.clamp(-1, 1))) for images in (teacher, student))
    pairs: Sequence[Image.Image] = [_beside(a, b) for a, b in zip(left, right, strict=True)]
    return contact_sheet(pairs)


def _beside(a: Image.Image, b: Image.Image) -> Image.Image:
    side = min(a.width, MAX_SIDE)
    pair = Image.new("RGB", (2 * side, side))
    for i, image in enumerate((a, b)):
        pair.paste(image.resize((side, side), Image.Resampling.BICUBIC), (i * side, 0))
    return pair
