"""Distances of images from their targets at every level, in pixels and in sub-bands (Belousov 2021)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.ops.wavelet import dwt


def reconstruction(images: Sequence[Tensor], target: Tensor) -> dict[str, Tensor]:
    """The scalars pixel_l1, pixel_l2, subband_l1 and subband_l2, which MobileStyleGAN's distillation adds up.

    l1 is the mean absolute difference and l2 the mean squared one, each summed, not averaged, over the
    levels; for sub-bands they are those of the Haar transforms. The target is brought to a level's size
    bilinearly, with aligned corners and no antialiasing, as in the reference.

    Args:
        images: `[N, C, R_l, R_l]` of every level, as `Head.images` gives them; sides even.
        target: `[N, C, R, R]`.

    Raises:
        ValueError: for no images, other numbers of samples or channels than the target's, or an odd side.
    """
    if not images:
        raise ValueError("A reconstruction has images of at least one level.")
    terms: dict[str, list[Tensor]] = {}
    for image in images:
        if image.shape[:2] != target.shape[:2]:
            raise ValueError(f"Images {list(image.shape)} do not match a target {list(target.shape)}.")
        size = tuple(image.shape[-2:])
        resized = target
        if target.shape[-2:] != size:
            resized = F.interpolate(target, size=size, mode="bilinear", align_corners=True)
        difference = image - resized
        # The transform is linear: that of the difference is the difference of the transforms.
        for name, error in ("pixel", difference), ("subband", dwt(difference)):
            terms.setdefault(f"{name}_l1", []).append(error.abs().mean())
            terms.setdefault(f"{name}_l2", []).append(error.square().mean())
    return {name: torch.stack(levels).sum() for name, levels in terms.items()}
