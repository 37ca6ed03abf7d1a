"""The augmented images of drawn strengths: geometry, color, bands, noise and cutout, in this order."""

from collections.abc import Callable

import torch
from torch import Tensor

from ganzoo.blocks.ada.draws import Draws, neutral, touched
from ganzoo.blocks.ada.geometry import MOVES, inverse_matrix, warp
from ganzoo.blocks.ada.pixels import cut, filtered, noisy, recolored
from ganzoo.ops.conv import is_captured

TINTS = ("brightness", "contrast", "lumaflip", "hue", "saturation")


def augmented(images: Tensor, draws: Draws) -> Tensor:
    """Images after all transforms, `[N, C, H, W]`; a part that changes no sample costs nothing.

    Karras et al. 2020a, appendix B.1. Linear in the images but for the added brightness and noise, and
    differentiable any number of times with respect to them. Half precision is computed in float32.

    Args:
        images: `[N, C, H, W]`, in -1..1; the first three channels are colors, fewer than three are gray and
            alpha.
        draws: What is done to every sample.
    """
    dtype = images.dtype
    wide = torch.promote_types(dtype, torch.float32)
    images, draws = images.to(wide), draws.to(wide)
    height, width = images.shape[2:]
    with torch.autocast(images.device.type, enabled=False):
        matrix = inverse_matrix(draws, width, height)
        images = _on(touched(draws, MOVES), warp, images, matrix)
        images = _on(touched(draws, TINTS), recolored, images, *_tints(draws, images))
        images = _on(touched(draws, ("imgfilter",)), filtered, images, draws.imgfilter)
        images = _on(touched(draws, ("noise",)), noisy, images, draws.noise, draws.field)
        images = _on(touched(draws, ("cutout",)), cut, images, draws.cutout, draws.center)
    return images.to(dtype)


def _tints(draws: Draws, images: Tensor) -> list[Tensor]:
    """The draws of all tints; of those left out, values that change nothing."""
    given = ((name, getattr(draws, name)) for name in TINTS)
    return [images.new_full(images.shape[:1], neutral(name)) if v is None else v for name, v in given]


def _on(
    touched: Tensor | None, transform: Callable[..., Tensor], images: Tensor, *draws: Tensor | None
) -> Tensor:
    """Images of which those that are touched are transformed; the others are neither copied nor computed."""
    if touched is None:
        return images
    if is_captured():  # a graph has no branches, and takes every number of samples
        return torch.where(touched[:, None, None, None], transform(images, *draws), images)
    index = touched.nonzero()[:, 0]
    if len(index) == 0:
        return images
    if len(index) == len(images):
        return transform(images, *draws)
    rows = (None if draw is None else draw[index] for draw in draws)
    return images.index_copy(0, index, transform(images[index], *rows))
