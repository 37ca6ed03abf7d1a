"""Perceptual path length, by torch-fidelity, in the features of a named network."""

from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from ganzoo.features.networks import FeatureNetwork
from ganzoo.generators.generator import Generator
from ganzoo.metrics.distances import perceptual
from ganzoo.metrics.figures import RANDOM_SEED, Figure

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
        generator: on any device.
        network: whose feature maps the distance is measured in.
        num: pairs of images.
        seed: from which the endpoints of all paths are drawn.
        truncation_psi: of the styles.
        noise: const or none; random noise would drown the step.
        resamples: bootstrap resamples of the mean.
        report: called with the number of pairs that are done.

    Raises:
        ValueError: for a conditional generator, random noise, or a network without feature maps.
    """
    from torch_fidelity import GenerativeModelModuleWrapper, register_sample_similarity
    from torch_fidelity.metric_ppl import KEY_METRIC_PPL_RAW, calculate_ppl
    from torch_fidelity.registry import SAMPLE_SIMILARITY_REGISTRY
    from torch_fidelity.sample_similarity_base import SampleSimilarityBase

    check(generator, network, noise)

    class Similarity(SampleSimilarityBase):  # type: ignore[misc]
        """Distances in the features of the network at hand."""

        def __init__(self, name: str, **_: Any) -> None:
            super().__init__(name)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return perceptual(network, a, b)

    name = f"ganzoo-{network.info.name}"
    SAMPLE_SIMILARITY_REGISTRY.pop(name, None)
    register_sample_similarity(name, Similarity)
    model = GenerativeModelModuleWrapper(
        _Model(generator, truncation_psi, noise, report), generator.z_dim, "normal", 0
    )
    found = calculate_ppl(
        1,
        input1=model,
        input1_model_num_samples=num,
        cuda=False,
        batch_size=1,
        verbose=False,
        rng_seed=seed,
        ppl_z_interp_mode=INTERPOLATION,
        ppl_epsilon=EPSILON,
        ppl_reduction="none",
        ppl_sample_similarity=name,
        # The library's own cut asks numpy for an option that it no longer has.
        ppl_discard_percentile_lower=None,
        ppl_discard_percentile_higher=None,
    )
    distances = np.asarray(found[KEY_METRIC_PPL_RAW])
    if not np.isfinite(distances).all():
        raise ValueError("The path length is not finite: nor are the images.")
    low, high = (np.percentile(distances, p, method=m) for p, m in _CUTS)
    distances = distances[(distances >= low) & (distances <= high)]
    random = np.random.RandomState(RANDOM_SEED)
    means = [distances[random.randint(len(distances), size=len(distances))].mean() for _ in range(resamples)]
    return Figure(float(distances.mean()), float(np.std(means, ddof=1)))


@torch.inference_mode()
def check(generator: Generator, network: FeatureNetwork, noise: str) -> None:
    """Raise ValueError for a conditional generator, random noise, or a network without feature maps."""
    if generator.label_dim:
        raise ValueError("The path length of a conditional generator is not measured here.")
    if noise == "random":
        raise ValueError("The path length is measured with the noise const or none, not random.")
    network.maps(torch.zeros(1, 3, network.info.size, network.info.size, device=network.mean.device))
