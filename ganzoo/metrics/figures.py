"""Figures of two sets of features, by torch-fidelity, with their uncertainty.

The uncertainty is the standard deviation over bootstrap resamples of both sets. The figures themselves are
those of the sets as they are: a resample, in which pictures repeat, is worse on average, and only its spread
is used.
"""

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ganzoo.metrics.extract import Features
from ganzoo.metrics.features import INCEPTION
from ganzoo.registry import unknown

Array = NDArray[np.float32]
KID_SUBSETS, MAX_KID_SUBSET = 100, 1000
NEIGHBOURS = 3
IS_SPLITS = 10
RANDOM_SEED = 2020


@dataclass(frozen=True)
class Statistics:
    """Mean `[dim]` and covariance `[dim, dim]` of features, float64, and of how many pictures."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    num: int


def statistics(features: Array) -> Statistics:
    """Mean and covariance of features `[N, dim]`.

    Raises:
        ValueError: for fewer than 2 pictures.
    """
    from torch_fidelity.metric_fid import fid_features_to_statistics

    if len(features) < 2:
        raise ValueError(f"A distribution is measured on at least 2 pictures; got {len(features)}.")
    found = fid_features_to_statistics(torch.from_numpy(features.astype(np.float64)))
    return Statistics(found["mu"], found["sigma"], len(features))


def frechet_distance(fake: Statistics, real: Statistics) -> float:
    """Frechet distance between two normal distributions (Heusel et al. 2017, equation 6)."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    a, b = ({"mu": s.mean, "sigma": s.covariance} for s in (fake, real))
    return float(fid_statistics_to_metric(a, b, verbose=False)[KEY_METRIC_FID])


def kernel_distance(fake: Array, real: Array, *, subsets: int = KID_SUBSETS) -> float:
    """Mean of the unbiased squared maximum mean discrepancy over subsets (Binkowski et al. 2018).

    Subsets have 1,000 pictures, or as many as the smaller set.
    """
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    size = min(MAX_KID_SUBSET, len(fake), len(real))
    a, b = (torch.from_numpy(x.astype(np.float64)) for x in (fake, real))
    options = {"kid_subsets": subsets, "kid_subset_size": size, "rng_seed": RANDOM_SEED, "verbose": False}
    return float(kid_features_to_metric(a, b, **options)[KEY_METRIC_KID_MEAN])


def precision_recall(fake: Array, real: Array) -> tuple[float, float]:
    """Share of fakes within the real manifold, and the reverse (Kynkaanniemi et al. 2019), 3 neighbours."""
    from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

    a, b = torch.from_numpy(fake), torch.from_numpy(real)
    options = {"prc_neighborhood": NEIGHBOURS, "save_cpu_ram": True, "verbose": False}
    found = prc_features_to_metric(a, b, **options)
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
) -> Figure:
    """One of `METRICS` with its uncertainty.

    Args:
        metric: its name.
        fake: features of the pictures to judge.
        real: of the pictures that they are compared with; not needed for "is", nor for "fd" with statistics.
        real_statistics: in their place.
        resamples: bootstrap resamples; 0 for none.

    Raises:
        ValueError: for an unknown metric, or one that lacks what it compares with.
    """
    if metric not in METRICS:
        raise ValueError(unknown("metric", metric, METRICS))
    if metric == "is":
        return _bootstrap(lambda f, _: inception_score(f), fake.logits, None, resamples)
    if metric == "fd" and real is None and real_statistics is not None:
        fixed = real_statistics
        return _bootstrap(lambda f, _: frechet_distance(statistics(f), fixed), fake.features, None, resamples)
    if real is None:
        raise ValueError(f"{metric} compares with pictures: statistics alone serve fd only.")
    functions: Mapping[str, Callable[[Array, Array], float]] = {
        "fd": lambda a, b: frechet_distance(statistics(a), statistics(b)),
        "kid": kernel_distance,
        "precision": lambda a, b: precision_recall(a, b)[0],
        "recall": lambda a, b: precision_recall(a, b)[1],
    }
    return _bootstrap(functions[metric], fake.features, real.features, resamples)


def _bootstrap(
    function: Callable[[Array, Array], float], fake: Array, real: Array | None, resamples: int
) -> Figure:
    """A figure of one or two sets and its spread over resamples with replacement."""
    random = np.random.RandomState(RANDOM_SEED)
    real = fake[:0] if real is None else real  # of a figure of one set
    with contextlib.redirect_stdout(io.StringIO()):  # the library tells of negative KIDs
        value = function(fake, real)
        spread = []
        for _ in range(resamples):
            a, b = (x[random.randint(len(x), size=len(x))] if len(x) else x for x in (fake, real))
            spread.append(function(a, b))
    return Figure(value, float(np.std(spread, ddof=1)) if len(spread) > 1 else None)
