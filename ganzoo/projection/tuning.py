"""`tune`: a generator that draws given images of given w, and nearly the same as before of all others.

Pivotal tuning (Roich et al. 2021): w stays, the synthesis network learns. Edits of such a w keep what a
projection alone would lose, for the w lies where the generator edits well.
"""

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.features.networks import FeatureNetwork
from ganzoo.generators.generator import TRAINABLE, Generator
from ganzoo.projection.distance import FEATURES, ImageDistance, feature_network

STEPS, RATE = 350, 3e-4
STOP = 0.5  # of the distance in features, which is no LPIPS: a photograph drawn at 27.7 dB stands at 0.9
PIXEL_WEIGHT = 10.0
_RADIUS, _LOCAL = 30.0, 0.1  # of the locality regularisation: section 3.3 and its weights


@dataclass(frozen=True)
class TuningStep:
    """Where a tuning is: steps that are done, steps at most, `[N]` distances, and images `[N, C, R, R]`."""

    number: int
    steps: int
    distances: Tensor
    images: Tensor


def tune(
    generator: Generator,
    w: Tensor,
    images: Tensor,
    *,
    noise: Sequence[Tensor] | None = None,
    steps: int = STEPS,
    rate: float = RATE,
    stop: float = STOP,
    locality: bool = False,
    features: str | FeatureNetwork | None = FEATURES,
    pixel_weight: float = PIXEL_WEIGHT,
    cache_dir: str | os.PathLike[str] | None = None,
    report: Callable[[TuningStep], None] = lambda step: None,
) -> Generator:
    """A copy of a generator that learnt to draw some images of some w (Roich et al. 2021, section 3.2).

    Args:
        generator: Generator as `create` gives it, which stays as it is.
        w: `[N, num_ws, w_dim]`, as `project` gives it.
        images: `[N, C, R, R]` in -1..1; another side is brought to the generator's.
        noise: Noise of every layer that goes with w; None for the noise saved with the weights.
        steps: Steps at most.
        rate: Learning rate of Adam.
        stop: Mean distance in features at which it is done; pixels alone never are.
        locality: Whether every step also keeps the image of a w nearby (section 3.3).
        features: Feature network by name or as it is; None for pixels alone.
        pixel_weight: Weight of the mean squared difference of pixels.
        cache_dir: Cache of the feature network.
        report: Function that is told before the first step and after every one.

    Raises:
        TypeError: for a deployed generator.
        ValueError: for w or images of other shapes, or no steps.
        OSError: if the feature network cannot be had.
    """
    if generator.form != TRAINABLE:
        raise TypeError(f"tune takes a Generator as create() gives it, not one that is {generator.form}.")
    if steps < 1 or len(w) != len(images):
        raise ValueError(f"tune takes 1 step at least, and a w for every image; got {steps}, {len(w)} w.")
    network = feature_network(features, generator.device, cache_dir)
    with torch.inference_mode(False), torch.enable_grad():
        tuned = copy.deepcopy(generator).requires_grad_(False)
        adam = torch.optim.Adam(tuned.synthesis.requires_grad_(True).parameters(), lr=rate)
        images, w = images.to(generator.device).clone(), w.clone()  # inference_mode's own have no gradients
        maps = "const" if noise is None else [x.clone() for x in noise]
        distance = ImageDistance(images, generator.resolution, network, pixel_weight)
        nearby = _Nearby(generator, w, network, pixel_weight) if locality else None
        for done in range(steps + 1):
            drawn = tuned.synthesis(w.detach(), noise=maps).image
            near, in_pixels = distance.parts(drawn)
            distances = near + pixel_weight * in_pixels
            report(TuningStep(done, steps, distances.detach(), drawn.detach()))
            if done == steps or (network is not None and near.mean() <= stop):
                break
            loss = distances.mean() if nearby is None else distances.mean() + nearby(tuned)
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
    return tuned.requires_grad_(False)


class _Nearby:
    """How far a tuned generator's image of a w near a pivot is from the old one's; every call has its own."""

    def __init__(
        self,
        generator: Generator,
        w: Tensor,
        network: FeatureNetwork | None,
        pixel_weight: float,
    ) -> None:
        self.generator, self.w, self.network, self.pixel_weight = generator, w.detach(), network, pixel_weight
        self.random = torch.Generator().manual_seed(0)

    def __call__(self, tuned: Generator) -> Tensor:
        generator = self.generator
        with torch.no_grad():
            z = torch.randn(1, generator.z_dim, generator=self.random).to(self.w)
            chosen = int(torch.randint(len(self.w), (), generator=self.random))
            pivot = self.w[chosen : chosen + 1]
            label = None
            if generator.label_dim:
                classes = torch.randint(generator.label_dim, (1,), generator=self.random)
                label = F.one_hot(classes, generator.label_dim).to(z)
            way = generator.mapping(z, label) - pivot
            w = pivot + _RADIUS * way / way.norm(dim=2, keepdim=True).clamp(min=1e-8)
            before = generator.synthesis(w).image
        distance = ImageDistance(before, generator.resolution, self.network, self.pixel_weight)
        return _LOCAL * distance(tuned.synthesis(w).image).mean()
