"""Distances of images in the feature maps of a network.

Maps are computed once and shared between distances:

    with torch.no_grad():
        target_maps = feature_maps(network, target, size=64)
    maps = feature_maps(network, images, size=64)
    loss = feature_l1(maps, target_maps) + perceptual(maps, target_maps)
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.features.networks import FeatureNetwork
from ganzoo.system.images import to_rgb

Maps = Sequence[Tensor]


def feature_maps(network: FeatureNetwork, images: Tensor, size: int | None = None) -> list[Tensor]:
    """Feature maps of every stage, from fine to coarse, with the network's own normalisation.

    Images are not clamped, so that those outside of -1..1 have gradients, too.

    Args:
        network: Frozen network; its name belongs to every number.
        images: `[N, 1, 3 or 4, H, W]`, nominally in -1..1; see `ganzoo.system.images.to_rgb`.
        size: Side to which images are brought; None for the network's own, at which it is slow: a training
            step on images of 64 x 64 asks for 64. Images of that side are left alone.

    Raises:
        ValueError: if the network gives no maps.
    """
    return network.maps(network_pixels(images, network.info.size if size is None else size))


def network_pixels(images: Tensor, size: int) -> Tensor:
    """Images `[N, C, H, W]` in -1..1 as feature networks take them: `[N, 3, size, size]` in 0..255."""
    pixels = to_rgb(images) * 127.5 + 127.5
    if pixels.shape[-2:] == (size, size):
        return pixels
    return F.interpolate(pixels, size=(size, size), mode="bicubic", antialias=True)


def feature_l1(maps: Maps, target_maps: Maps) -> Tensor:
    """Mean absolute difference of every stage's maps, summed over the stages (Johnson et al. 2016, with L1).

    This is the perceptual term of MobileStyleGAN, which takes four stages of VGG-16.

    Args:
        maps: Feature maps of the images, by `feature_maps`.
        target_maps: Feature maps of their targets, by the same network at the same size.

    Raises:
        ValueError: for maps of other shapes.
    """
    _check(maps, target_maps)
    return torch.stack([(x - y).abs().mean() for x, y in zip(maps, target_maps, strict=True)]).sum()


def perceptual(maps: Maps, target_maps: Maps) -> Tensor:
    """Mean of `unit_distances` over the samples (Zhang et al. 2018, equation 1, unweighted).

    Args:
        maps: Feature maps of the images, by `feature_maps`.
        target_maps: Feature maps of their targets, by the same network at the same size.

    Raises:
        ValueError: for maps of other shapes.
    """
    return unit_distances(maps, target_maps).mean()


def unit_distances(maps: Maps, target_maps: Maps) -> Tensor:
    """Distance of each sample's maps from its target's, `[N]`.

    Features of every stage are scaled to unit length at every place; squared differences are summed over
    channels, averaged over places, and summed over stages.

    Raises:
        ValueError: for maps of other shapes.
    """
    _check(maps, target_maps)
    total = maps[0].new_zeros(maps[0].shape[0])
    for x, y in zip(maps, target_maps, strict=True):
        total = total + (F.normalize(x, dim=1) - F.normalize(y, dim=1)).square().sum(dim=1).mean(dim=(1, 2))
    return total


def _check(maps: Maps, target_maps: Maps) -> None:
    shapes = [[list(x.shape) for x in found] for found in (maps, target_maps)]
    if not maps or shapes[0] != shapes[1]:
        raise ValueError(f"Feature maps have the shapes of their targets'; got {shapes[0]} and {shapes[1]}.")
