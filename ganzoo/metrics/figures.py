"""Figures of two sets of features, by torch-fidelity, with their uncertainty.

The uncertainty is the standard deviation over bootstrap resamples of both sets. The figures themselves are
those of the sets as they are: a resample, in which images repeat, is worse on average, and only its spread
is used. That is why a resample may be cheaper. On 2 CPUs, 5,000 images against 5,000 in 1280 features:
a Frechet distance takes 2.3 s by the library (eigenvalues of a general matrix) and 0.34 s by
`quick_frechet_distance`; KID takes 6.2 s over 100 subsets and 1.3 s over 20. Both with 10 resamples: 25 s.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganzoo.features.networks import INCEPTION
from ganzoo.metrics.extract import Features
from ganzoo.system.validation import unknown

Array = NDArray[np.float32]
KID_SUBSETS, MAX_KID_SUBSET = 100, 1000
KID_SUBSETS_OF_A_RESAMPLE = 20  # they make the spread a tenth too wide, which 10 resamples cannot tell
PRC_BATCH = 1000  # images whose distances to all others are in memory at once: 40 MB for 10,000
NEIGHBOURS = 3
IS_SPLITS = 10
RANDOM_SEED = 2020
_SORT_KEYS = 8  # features that decide on the order of images


@dataclass(frozen=True)
class Statistics:
    """Mean `[dim]` and covariance `[dim, dim]` of features, float64, and of how many images."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    num: int


def statistics(features: Array) -> Statistics:
    """Mean and covariance of features `[N, dim]`.

    Raises:
        ValueError: for fewer than 2 images.
    """
    from torch_fidelity.metric_fid import fid_features_to_statistics

    if len(features) < 2:
        raise ValueError(f"A distribution is measured on at least 2 images; got {len(features)}.")
    found = fid_features_to_statistics(torch.from_numpy(features.astype(np.float64)))
    return Statistics(found["mu"], found["sigma"], len(features))


def frechet_distance(fake: Statistics, real: Statistics) -> float:
    """Frechet distance between two normal distributions (Heusel et al. 2017, equation 6), at least 0.

    Of sets that are almost the same, rounding in the root of the covariances would leave a little less.
    """
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    a, b = ({"mu": s.mean, "sigma": s.covariance} for s in (fake, real))
    return max(0.0, float(fid_statistics_to_metric(a, b, verbose=False)[KEY_METRIC_FID]))


def quick_frechet_distance(fake: Statistics, real: Statistics) -> float:
    """The same but for the last digits, by the eigenvalues of a symmetric matrix: for resamples."""
    dim = len(fake.mean)
    jitter = 1e-10 * np.trace(fake.covariance) / dim + np.finfo(np.float64).tiny
    root = np.linalg.cholesky(fake.covariance + jitter * np.eye(dim))
    roots = np.sqrt(np.linalg.eigvalsh(root.T @ real.covariance @ root).clip(0))
    traces = np.trace(fake.covariance) + np.trace(real.covariance)
    return max(0.0, float(np.square(fake.mean - real.mean).sum() + traces - 2 * roots.sum()))


def kernel_distance(fake: Array, real: Array, *, subsets: int = KID_SUBSETS) -> float:
    """Mean of the unbiased squared maximum mean discrepancy over subsets (Binkowski et al. 2018).

    Subsets have 1,000 images, or as many as the smaller set.
    """
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    size = min(MAX_KID_SUBSET, len(fake), len(real))
    a, b = (torch.from_numpy(x.astype(np.float64)) for x in (fake, real))
    options = {"kid_subsets": subsets, "kid_subset_size": size, "rng_seed": RANDOM_SEED, "verbose": False}
    return float(kid_features_to_metric(a, b, **options)[KEY_METRIC_KID_MEAN])


def precision_recall(fake: Array, real: Array) -> tuple[float, float]:
    """Share of fakes within the real manifold, and the reverse (Kynkaanniemi et al. 2019), 3 neighbours.

    Raises:
        ValueError: for fewer than 4 images.
    """
    if min(len(fake), len(real)) <= NEIGHBOURS:
        raise ValueError(f"precision and recall need more than {NEIGHBOURS} images on either side.")
    from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

    a, b = torch.from_numpy(fake), torch.from_numpy(real)
    batches = {"prc_batch_size": PRC_BATCH, "save_cpu_ram": True}
    found = prc_features_to_metric(a, b, prc_neighborhood=NEIGHBOURS, verbose=False, **batches)
    return float(found[KEY_METRIC_PRECISION]), float(found[KEY_METRIC_RECALL])


def inception_score(logits: Array) -> float:
    """Exponential of the mean divergence of class predictions from their mean (Salimans et al. 2016)."""
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

    splits = max(1, min(IS_SPLITS, len(logits) // 2))
    found = isc_features_to_metric(torch.from_numpy(logits), splits, True, RANDOM_SEED)
    return float(found[KEY_METRIC_ISC_MEAN])


@dataclass(frozen=True)
class Figure:
    """A figure and its standard deviation over bootstrap resamples; None where none were drawn."""

    value: float
    uncertainty: float | None


def mean_figure(numbers: NDArray[Any], resamples: int) -> Figure:
    """Mean of independent numbers `[N]`, and the standard deviation of the means of their resamples."""
    random = np.random.RandomState(RANDOM_SEED)
    means = [numbers[random.randint(len(numbers), size=len(numbers))].mean() for _ in range(resamples)]
    return Figure(float(numbers.mean()), float(np.std(means, ddof=1)) if len(means) > 1 else None)


METRICS = ("fd", "kid", "precision", "recall", "is")


def figure_name(metric: str, features: str) -> str:
    """What a figure is called: a Frechet distance is an FID on Inception's features only."""
    if features == INCEPTION:
        return {"fd": "fid"}.get(metric, metric)
    return f"{metric}_{features}"


def measure(
    metric: str,
    fake: Features,
    real: Features | None,
    *,
    real_statistics: Statistics | None = None,
    resamples: int = 10,
    report: Callable[[int], None] = lambda done: None,
) -> dict[str, Figure]:
    """One of `METRICS` with its uncertainty; precision and recall are measured together.

    The order of the images does not matter: subsets and resamples are drawn from sorted features.

    Args:
        metric: Name of the metric.
        fake: Features of the images to judge.
        real: Features of the images to compare with; not needed for "is", nor for "fd" with statistics.
        real_statistics: Statistics instead of them.
        resamples: Bootstrap resamples; 0 for none.
        report: Function that is told the number of resamples that are done.

    Raises:
        ValueError: for an unknown metric, or one that lacks what it compares with, or too few images.
    """
    if metric not in METRICS:
        raise ValueError(unknown("metric", metric, METRICS))
    if metric == "is":
        one = _bootstrap(lambda s: [inception_score(s[0])], None, [fake.logits], resamples, report)
        return {"is": one[0]}
    if metric == "fd" and real is None and real_statistics is not None:
        fixed = real_statistics
        return _frechet([fake.features], lambda s: (statistics(s[0]), fixed), resamples, report)
    if real is None:
        raise ValueError(f"{metric} compares with images: statistics alone serve fd only.")
    sets = [fake.features, real.features]
    if metric == "fd":
        return _frechet(sets, lambda s: (statistics(s[0]), statistics(s[1])), resamples, report)
    if metric == "kid":
        few = KID_SUBSETS_OF_A_RESAMPLE
        figures = _bootstrap(
            lambda s: [kernel_distance(*s)],
            lambda s: [kernel_distance(*s, subsets=few)],
            sets,
            resamples,
            report,
        )
        return {"kid": figures[0]}
    figures = _bootstrap(lambda s: precision_recall(*s), None, sets, resamples, report)
    return {"precision": figures[0], "recall": figures[1]}


def _frechet(
    sets: Sequence[Array],
    moments: Callable[[Sequence[Array]], tuple[Statistics, Statistics]],
    resamples: int,
    report: Callable[[int], None],
) -> dict[str, Figure]:
    figures = _bootstrap(
        lambda s: [frechet_distance(*moments(s))],
        lambda s: [quick_frechet_distance(*moments(s))],
        sets,
        resamples,
        report,
    )
    return {"fd": figures[0]}


def _bootstrap(
    function: Callable[[Sequence[Array]], Sequence[float]],
    of_a_resample: Callable[[Sequence[Array]], Sequence[float]] | None,
    sets: Sequence[Array],
    resamples: int,
    report: Callable[[int], None],
) -> list[Figure]:
    """Figures of one or two sets and their spread over resamples with replacement."""
    random = np.random.RandomState(RANDOM_SEED)
    sets = [x[np.lexsort(x.T[:_SORT_KEYS])] for x in sets]
    values = function(sets)
    found = []
    for done in range(resamples):
        report(done)
        drawn = [x[random.randint(len(x), size=len(x))] for x in sets]
        found.append((of_a_resample or function)(drawn))
    spread = np.std(found, axis=0, ddof=1).tolist() if len(found) > 1 else [None] * len(values)
    return [Figure(value, deviation) for value, deviation in zip(values, spread, strict=True)]
