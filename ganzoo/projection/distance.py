"""How far images are from those that are projected: in the features of a network, and in pixels."""

import os

import torch
from torch import Tensor

from ganzoo.features.distances import feature_maps, unit_distances
from ganzoo.features.networks import FeatureNetwork, load_features
from ganzoo.system.images import shrink

FEATURES = "efficientnet_lite0"
FEATURE_SIDE = (
    256  # features of larger images are those of their means over areas, as in StyleGAN2's projector
)
PIXEL_WEIGHT = 3.0


def feature_network(
    features: str | FeatureNetwork | None, device: torch.device, cache_dir: str | os.PathLike[str] | None
) -> FeatureNetwork | None:
    """A feature network by name, or as it is, on a device; None for none.

    Raises:
        ValueError: for an unknown name.
        OSError: if it cannot be had.
    """
    network = load_features(features, cache_dir=cache_dir) if isinstance(features, str) else features
    return None if network is None else network.to(device)


class ImageDistance:
    """Images `[N, C, R, R]` in -1..1 to their distance from fixed targets, `[N]`.

    The distance is that of the features in LPIPS's form (Zhang et al. 2018, equation 1, unweighted), at 256 x
    256 at most, plus the mean squared difference of the pixels, weighted.

    Args:
        targets: `[N, C, S, S]` in -1..1, brought to the side of the images by means over areas.
        side: Side R of the images.
        network: Feature network; None for pixels alone.
        pixel_weight: Weight of the pixels.
    """

    def __init__(
        self,
        targets: Tensor,
        side: int,
        network: FeatureNetwork | None,
        pixel_weight: float = PIXEL_WEIGHT,
    ) -> None:
        self.targets = shrink(targets.detach(), side)
        self.network, self.pixel_weight = network, pixel_weight
        self._maps = [] if network is None else [x.detach() for x in self._features(self.targets)]

    def __call__(self, images: Tensor) -> Tensor:
        features, pixels = self.parts(images)
        return features + self.pixel_weight * pixels

    def parts(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The distance in features, and the mean squared difference of the pixels, unweighted: `[N]` each."""
        pixels = (images - self.targets).square().mean(dim=(1, 2, 3))
        if not self._maps:
            return pixels.new_zeros(len(pixels)), pixels
        return unit_distances(self._features(images), self._maps), pixels

    def _features(self, images: Tensor) -> list[Tensor]:
        assert self.network is not None
        side = min(FEATURE_SIDE, images.shape[-1])
        return feature_maps(self.network, shrink(images, side), side)
