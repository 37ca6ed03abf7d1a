"""What is done to every sample: the record between random numbers and images."""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Strengths of the transforms, a row for every sample; None leaves a transform out for all.

    A sample that a transform leaves as it is has the value that changes nothing. x is to the right, y down.

    Attributes:
        xflip: 1 to mirror left to right, else 0; `[N]`.
        rotate90: Quarter turns, 0 to 3; `[N]`.
        xint: Shift along x and y as a fraction of width and height, rounded to whole pixels, half to even;
            `[N, 2]`.
        scale: Factor of the image's size; `[N]`.
        rotate: Angle before the stretch, in radians; `[N]`.
        aniso: Factor of the width, and divisor of the height; `[N]`.
        rotate_after: Angle after the stretch, in radians; `[N]`.
        xfrac: Shift along x and y as a fraction of width and height; `[N, 2]`.
        brightness: Value added to colors; `[N]`.
        contrast: Factor of colors; `[N]`.
        lumaflip: 1 to turn lightness over and keep the rest, else 0; `[N]`.
        hue: Angle around the gray axis, in radians; `[N]`.
        saturation: Factor of the distance from the gray axis; `[N]`.
        imgfilter: Gains of four octave bands, low to high, before they are normalised; `[N, 4]`.
        noise: Standard deviation of the noise; `[N]`.
        field: The noise, standard normal; `[N, C, H, W]`. Given with `noise`.
        cutout: Side of the square that is set to 0, as a fraction of width and height; `[N]`.
        center: Its centre along x and y as a fraction of width and height; `[N, 2]`. Given with `cutout`.
    """

    xflip: Tensor | None = None
    rotate90: Tensor | None = None
    xint: Tensor | None = None
    scale: Tensor | None = None
    rotate: Tensor | None = None
    aniso: Tensor | None = None
    rotate_after: Tensor | None = None
    xfrac: Tensor | None = None
    brightness: Tensor | None = None
    contrast: Tensor | None = None
    lumaflip: Tensor | None = None
    hue: Tensor | None = None
    saturation: Tensor | None = None
    imgfilter: Tensor | None = None
    noise: Tensor | None = None
    field: Tensor | None = None
    cutout: Tensor | None = None
    center: Tensor | None = None

    def to(self, dtype: torch.dtype) -> "Draws":
        """The same in another precision."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Draws(**{name: value if value is None else value.to(dtype) for name, value in given.items()})


def neutral(name: str) -> float:
    """The value of a draw that changes nothing."""
    return 1.0 if name in ("scale", "aniso", "contrast", "saturation", "imgfilter") else 0.0


def touched(draws: Draws, names: tuple[str, ...]) -> Tensor | None:
    """Which samples one of these transforms changes, `[N]`; None if all of them are left out."""
    values = [(name, getattr(draws, name)) for name in names if getattr(draws, name) is not None]
    marks = [(value != neutral(name))[..., None].flatten(1).any(dim=1) for name, value in values]
    return torch.stack(marks).any(dim=0) if marks else None
