"""Networks of images that are not square, as forks of StyleGAN2 train them: refused, in words."""

import re
from collections.abc import Mapping
from typing import Any

from ganzoo.converters.keymap import Tensors

_START = 4  # side of the learnt constant
# The learnt constant `[C, h, w]` or `[1, C, h, w]` by the end of its name, in all formats.
_CONST = re.compile(r"(.*[./])?(const|initial_block|input\.input|constant_input\.(input|weight))")
_NOISE = re.compile(r".*noise.*")
# A discriminator's last convolution and linear layer, with the axes of their outputs and inputs.
_LAST = (
    (r"(.*\.)?b4\.", "conv.weight", 0, "fc.weight", 1),
    (r"(.*\.)?", "final_conv.0.weight", 0, "final_linear.0.weight", 1),
    (r"()\d+x\d+/", "Conv/weight", -1, "Dense0/weight", 0),
)


def refuse_oblong(tensors: Tensors, recorded: Mapping[str, Any] | None = None) -> None:
    """Raise ValueError for a network that does not begin at 4 x 4, or whose recorded resolution is no number.

    Args:
        tensors: Tensors of the network; what another network of the file holds is not looked at.
        recorded: Attributes or arguments that the file holds of the network.
    """
    recorded = recorded or {}
    start = _pair(recorded.get("init_res")) or _pair([recorded.get("min_h"), recorded.get("min_w")])
    for name in tensors.refs:
        if _CONST.fullmatch(name) and len(tensors.shape(name)) in (3, 4):
            height, width = tensors.shape(name)[-2:]
            start = (height, width)
    told = [_pair(recorded.get(key)) for key in ("img_resolution", "resolution", "size")]
    sizes = [size for size in (_noise_size(tensors), *told) if size is not None]
    oblong = [size for size in sizes if size[0] != size[1]]
    size = [*oblong, *sizes, None][0] or _grown(recorded, start)
    if start is not None and start != (_START, _START):
        raise ValueError(_line(size, f"this one begins at {_shown(start)}"))
    if oblong:
        raise ValueError(_line(size, "this one does not"))
    places = _places(tensors)
    if places not in (None, _START**2):
        raise ValueError(_line(size, f"the last level of this one has {places} places, not 16"))


def _line(size: tuple[int, int] | None, why: str) -> str:
    images = "images that are not square" if size is None else f"images of {_shown(size)} (width x height)"
    return f"{images}: not supported, for a network here begins at 4 x 4 and doubles up to a square; {why}."


def _shown(size: tuple[int, int]) -> str:
    """Height and width as people say them."""
    return f"{size[1]} x {size[0]}"


def _grown(recorded: Mapping[str, Any], start: tuple[int, int] | None) -> tuple[int, int] | None:
    """Height and width of images that grew from `start` as 4 x 4 grows to the recorded resolution."""
    for key in ("img_resolution", "resolution"):
        value = recorded.get(key)
        if type(value) is int and start is not None:
            return value * start[0] // _START, value * start[1] // _START
    return None


def _noise_size(tensors: Tensors) -> tuple[int, int] | None:
    """Height and width of the largest constant noise, which is as large as the images."""
    shapes = [tensors.shape(name) for name in tensors.refs if _NOISE.fullmatch(name)]
    sizes = [(shape[-2], shape[-1]) for shape in shapes if len(shape) in (2, 4) and min(shape[-2:]) > 1]
    return max(sizes, default=None)


def _places(tensors: Tensors) -> int | None:
    """Places that a discriminator's last linear layer sees, or None for a generator."""
    for prefix, conv, out, linear, into in _LAST:
        for name in tensors.refs:
            match = re.fullmatch(prefix + re.escape(linear), name)
            before = name.removesuffix(linear) + conv
            if match and before in tensors and tensors.shape(before) and len(tensors.shape(name)) == 2:
                width = tensors.shape(before)[out]
                return tensors.shape(name)[into] // width if width else None
    return None


def _pair(value: Any) -> tuple[int, int] | None:
    """Two whole numbers, or None for anything else."""
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(side) is int for side in value):
        return value[0], value[1]
    return None
