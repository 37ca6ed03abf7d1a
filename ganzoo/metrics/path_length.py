"""Perceptual path length, by torch-fidelity, in the features of a named network."""

from typing import Any, cast

import numpy as np
from torch import Tensor, nn

from ganzoo.generators.generator import Generator
from ganzoo.metrics.features import FeatureNetwork
from ganzoo.metrics.figures import RANDOM_SEED, Figure
from ganzoo.metrics.pairs import perceptual_distance

EPSILON = 1e-4
PERCENTILES = (1, 99)  # pairs outside of these are left out, as the paper does


class _Model(nn.Module):
    """A generator as torch-fidelity calls it."""

    def __init__(self, generator: Generator, truncation_psi: float) -> None:
        super().__init__()
        self.generator, self.psi = generator, truncation_psi

    def forward(self, z: Tensor) -> Tensor:
        return cast(Tensor, self.generator(z.float(), truncation_psi=self.psi))


def path_length(
    generator: Generator,
    network: FeatureNetwork,
    *,
    num: int,
    truncation_psi: float = 1.0,
    resamples: int = 1000,
) -> Figure:
    """Mean squared distance of pictures per step in z (Karras et al. 2019, section 4.1), with its deviation.

    Raises:
        ValueError: for a conditional generator.
    """
    from torch_fidelity import GenerativeModelModuleWrapper, register_sample_similarity
    from torch_fidelity.metric_ppl import KEY_METRIC_PPL_RAW, calculate_ppl
    from torch_fidelity.registry import SAMPLE_SIMILARITY_REGISTRY
    from torch_fidelity.sample_similarity_base import SampleSimilarityBase

    if generator.label_dim:
        raise ValueError("The path length of a conditional generator is not measured here.")

    class Similarity(SampleSimilarityBase):  # type: ignore[misc]
        """Distances in the features of the network at hand."""

        def __init__(self, name: str, **_: Any) -> None:
            super().__init__(name)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return perceptual_distance(network, a, b)

    name = f"ganzoo-{network.info.name}"
    SAMPLE_SIMILARITY_REGISTRY.pop(name, None)
    register_sample_similarity(name, Similarity)
    model = GenerativeModelModuleWrapper(_Model(generator, truncation_psi), generator.z_dim, "normal", 0)
    found = calculate_ppl(
        1,
        input1=model,
        input1_model_num_samples=num,
        cuda=False,
        batch_size=1,
        verbose=False,
        rng_seed=RANDOM_SEED,
        ppl_epsilon=EPSILON,
        ppl_reduction="none",
        ppl_sample_similarity=name,
        # The library's own cut asks numpy for an option that it no longer has.
        ppl_discard_percentile_lower=None,
        ppl_discard_percentile_higher=None,
    )
    distances = np.asarray(found[KEY_METRIC_PPL_RAW])
    low, high = np.percentile(distances, PERCENTILES)
    distances = distances[(distances >= low) & (distances <= high)]
    random = np.random.RandomState(RANDOM_SEED)
    means = [distances[random.randint(len(distances), size=len(distances))].mean() for _ in range(resamples)]
    return Figure(float(distances.mean()), float(np.std(means, ddof=1)))
