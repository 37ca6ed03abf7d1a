"""Perceptual path length, by torch-fidelity, in the features of a named network."""

from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganzoo.features.networks import FeatureNetwork
from ganzoo.generators.generator import Generator
from ganzoo.metrics.distances import perceptual
from ganzoo.metrics.figures import RANDOM_SEED, Figure, mean_figure

EPSILON = 1e-4
INTERPOLATION = "slerp_any"  # torch-fidelity's name of the paper's one in z
# Pairs outside of these percentiles are left out, as the paper does.
_CUTS: tuple[tuple[int, Literal["lower", "higher"]], ...] = ((1, "lower"), (99, "higher"))
PERCENTILES = tuple(percentile for percentile, _ in _CUTS)


class _Model(nn.Module):
    """A generator as torch-fidelity calls it."""

    def __init__(
        self, generator: Generator, truncation_psi: float, noise: str, report: Callable[[int], None]
    ) -> None:
        super().__init__()
        self.generator, self.psi, self.noise = generator, truncation_psi, noise
        self.report, self.calls = report, 0

    def forward(self, z: Tensor) -> Tensor:
        self.report(self.calls)
        self.calls += 1
        z = z.to(self.generator.mapping.w_avg)
        return cast(Tensor, self.generator(z, truncation_psi=self.psi, noise=self.noise))


def path_length(
    generator: Generator,
    network: FeatureNetwork,
    *,
    num: int,
    seed: int = RANDOM_SEED,
    truncation_psi: float = 1.0,
    noise: str = "const",
    resamples: int = 1000,
    report: Callable[[int], None] = lambda done: None,
) -> Figure:
    """Mean squared distance of images per step in z (Karras et al. 2019, section 4.1), with its deviation.

    Args:
        generator: Generator on any device.
        network: Network whose feature maps the distance is measured in.
        num: Number of pairs of images.
        seed: Seed from which the ends of all paths are drawn.
        truncation_psi: Truncation of w.
        noise: Noise, const or none; random noise would drown the step.
        resamples: Bootstrap resamples of the mean.
        report: Function that is told the number of pairs that are done.

    Raises:
        ValueError: for a conditional generator, random noise, or a network without feature maps.
    """
    check(generator, network, noise)
    distances = _distances(_Model(generator, truncation_psi, noise, report), network, num, seed)
    if not np.isfinite(distances).all():
        raise ValueError("The path length is not finite: nor are the images.")
    low, high = (np.percentile(distances, p, method=m) for p, m in _CUTS)
    return mean_figure(distances[(distances >= low) & (distances <= high)], resamples)


def _distances(model: _Model, network: FeatureNetwork, num: int, seed: int) -> NDArray[Any]:
    """Squared distance per squared step of every path, by torch-fidelity."""
    from torch_fidelity import GenerativeModelModuleWrapper
    from torch_fidelity.metric_ppl import KEY_METRIC_PPL_RAW, calculate_ppl

    found = calculate_ppl(
        1,
        input1=GenerativeModelModuleWrapper(model, model.generator.z_dim, "normal", 0),
        input1_model_num_samples=num,
        cuda=False,
        batch_size=1,
        verbose=False,
        rng_seed=seed,
        ppl_z_interp_mode=INTERPOLATION,
        ppl_epsilon=EPSILON,
        ppl_reduction="none",
        ppl_sample_similarity=_registered(network),
        # The library's own cut asks numpy for an option that it no longer has.
        ppl_discard_percentile_lower=None,
        ppl_discard_percentile_higher=None,
    )
    return np.asarray(found[KEY_METRIC_PPL_RAW])


def _registered(network: FeatureNetwork) -> str:
    """The name by which torch-fidelity finds the distance in the network's features."""
    from torch_fidelity import register_sample_similarity
    from torch_fidelity.registry import SAMPLE_SIMILARITY_REGISTRY
    from torch_fidelity.sample_similarity_base import SampleSimilarityBase

    class Similarity(SampleSimilarityBase):  # type: ignore[misc]
        """Distances in the features of the network at hand."""

        def __init__(self, name: str, **_: Any) -> None:
            super().__init__(name)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return perceptual(network, a, b)

    name = f"ganzoo-{network.info.name}"
    SAMPLE_SIMILARITY_REGISTRY.pop(name, None)
    register_sample_similarity(name, Similarity)
    return name


@torch.inference_mode()
def check(generator: Generator, network: FeatureNetwork, noise: str) -> None:
    """Raise ValueError for a conditional generator, random noise, or a network without feature maps."""
    if generator.label_dim:
        raise ValueError("The path length of a conditional generator is not measured here.")
    if noise == "random":
        raise ValueError("The path length is measured with the noise const or none, not random.")
    network.maps(torch.zeros(1, 3, network.info.size, network.info.size, device=network.mean.device))
