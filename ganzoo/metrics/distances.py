"""Distances between two images: one definition each, for training, `eval`, `compare`, `bench` and `push`.

`l1`, `psnr` and `perceptual` take images `[N, C, H, W]`, nominally in -1..1, and give a number for each,
`[N]`. A figure is their mean.
"""

from torch import Tensor

from ganzoo.features.distances import network_pixels, unit_distances
from ganzoo.features.networks import FeatureNetwork
from ganzoo.system.differences import l1 as l1
from ganzoo.system.differences import psnr as psnr

DEFINITIONS = {  # as records, results and cards say it
    "l1": "absolute difference, range 2, unclipped, mean over images",
    "psnr": "dB, range 2, unclipped, mean over images of each image's",
    "perceptual": "unweighted distance of normalised feature maps of clipped images, mean over images",
}
OLD_PSNR = "psnr_clipped"  # what records of version 1 and older runs call psnr
OLD_PSNR_DEFINITION = "dB, range 2, clipped to -1..1, mean over images of each image's"


def perceptual(network: FeatureNetwork, a: Tensor, b: Tensor) -> Tensor:
    """Distance of each pair in a network's features (after Zhang et al. 2018, equation 1, unweighted).

    Images are clipped to what files hold and brought to the network's size; the rest is
    `ganzoo.features.distances`.

    Args:
        network: Feature network; its name belongs to every number.
        a: `[N, 1, 3 or 4, H, W]`; what is transparent is laid over white.
        b: The same shape.
    """
    size = network.info.size
    pixels = [network_pixels(x.clamp(-1, 1), size).clamp(0, 255) for x in (a, b)]
    return unit_distances(*(network.maps(x) for x in pixels))


def distance(metric: str, a: Tensor, b: Tensor, network: FeatureNetwork | None = None) -> Tensor:
    """The distance of each pair by the name of its definition.

    Raises:
        ValueError: for the perceptual distance without a network.
    """
    if metric != "perceptual":
        return {"l1": l1, "psnr": psnr}[metric](a, b)
    if network is None:
        raise ValueError("The perceptual distance needs a feature network.")
    return perceptual(network, a, b)
