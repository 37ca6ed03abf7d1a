"""Figures beside the same ones computed by other means."""

import numpy as np
import pytest
from metric_helpers import frechet, mmd2, precision_recall_naively, random_features

from ganzoo.metrics.extract import Features
from ganzoo.metrics.figures import (
    RANDOM_SEED,
    Statistics,
    figure_name,
    frechet_distance,
    inception_score,
    kernel_distance,
    measure,
    precision_recall,
    quick_frechet_distance,
    statistics,
)


@pytest.mark.parametrize(("n", "dim"), [(300, 20), (60, 100)])
def test_the_frechet_distance_is_that_of_scipy(n, dim):
    a, b = random_features(n, dim, 0), random_features(n + 7, dim, 1, shift=0.3)
    found = frechet_distance(statistics(a), statistics(b))
    assert found == pytest.approx(frechet(a, b), rel=1e-3)
    assert quick_frechet_distance(statistics(a), statistics(b)) == pytest.approx(found, rel=1e-3)


def test_the_frechet_distance_of_known_normal_distributions():
    one = Statistics(np.zeros(2), np.diag([1.0, 4.0]), 9)
    other = Statistics(np.array([3.0, 0.0]), np.diag([9.0, 4.0]), 9)
    for distance in (frechet_distance, quick_frechet_distance):
        assert distance(one, other) == pytest.approx(9 + 4)  # 3^2 + (3 - 1)^2


@pytest.mark.parametrize("seed", range(4))
def test_a_frechet_distance_is_never_below_nothing(seed):
    same = random_features(30, 40, seed)  # fewer images than features, as in a quick look
    for distance in (frechet_distance, quick_frechet_distance):
        assert 0 <= distance(statistics(same), statistics(same)) < 0.01
    few = Features(same, np.zeros((30, 2), np.float32))
    assert measure("fd", few, few, resamples=2)["fd"].value >= 0


def test_the_frechet_distance_takes_features_that_never_differ():
    a, b = random_features(50, 6, 0), random_features(50, 6, 1)
    a[:, 2] = b[:, 2] = 1
    one, other = statistics(a), statistics(b)
    assert quick_frechet_distance(one, other) == pytest.approx(frechet_distance(one, other), rel=1e-4)


@pytest.mark.parametrize("shift", [0.02, 0.5])
def test_the_kernel_distance_is_that_of_explicit_sums_over_the_same_subsets(shift):
    a, b = random_features(60, 16, 0), random_features(45, 16, 1, shift)
    x, y = a.astype(np.float64), b.astype(np.float64)
    random = np.random.RandomState(RANDOM_SEED)
    subsets = [
        mmd2(x[random.choice(60, 45, replace=False)], y[random.choice(45, 45, replace=False)])
        for _ in range(4)
    ]
    found = kernel_distance(a, b, subsets=4)
    assert found == pytest.approx(np.mean(subsets), rel=1e-3)


def test_precision_and_recall_are_those_of_the_naive_count():
    fake, real = random_features(80, 4, 0), random_features(70, 4, 1, 0.6)
    expected = precision_recall_naively(fake.astype(np.float64), real.astype(np.float64))
    assert min(expected) > 0.1 and expected[0] != expected[1]
    assert precision_recall(fake, real) == pytest.approx(expected, abs=1e-6)


def test_precision_and_recall_do_not_depend_on_the_batch(monkeypatch):
    fake, real = random_features(80, 4, 0), random_features(70, 4, 1, 0.6)
    expected = precision_recall(fake, real)
    monkeypatch.setattr("ganzoo.metrics.figures.PRC_BATCH", 13)
    assert precision_recall(fake, real) == pytest.approx(expected, abs=1e-6)


def test_the_inception_score_is_that_of_numpy():
    logits = 3 * random_features(100, 7, 0)
    shuffled = logits[np.random.RandomState(RANDOM_SEED).permutation(100)].astype(np.float64)
    p = np.exp(shuffled) / np.exp(shuffled).sum(1, keepdims=True)
    scores = [np.exp((q * np.log(q / q.mean(0))).sum(1).mean()) for q in np.split(p, 10)]
    assert inception_score(logits) == pytest.approx(np.mean(scores), rel=1e-6)


def test_a_set_against_itself():
    a = random_features(200, 10, 0)
    trace = np.trace(np.cov(a, rowvar=False))
    own = Features(a, a)
    assert abs(measure("fd", own, own, resamples=0)["fd"].value) < 1e-3 * trace
    assert (
        abs(measure("kid", own, own, resamples=0)["kid"].value)
        < 0.05 * measure("kid", own, Features(a + 0.5, a), resamples=0)["kid"].value
    )
    found = measure("precision", own, own, resamples=0)
    assert found["precision"].value == found["recall"].value == 1


@pytest.mark.parametrize("metric", ["fd", "kid", "precision", "is"])
def test_the_order_of_the_images_does_not_matter(metric, monkeypatch):
    monkeypatch.setattr("ganzoo.metrics.figures.MAX_KID_SUBSET", 30)  # fewer than there are
    a, b = random_features(110, 6, 0), random_features(105, 6, 1, 0.1)
    turned = np.random.RandomState(0).permutation(110)
    one = measure(metric, Features(a, a), Features(b, b), resamples=2)
    other = measure(metric, Features(a[turned], a[turned]), Features(b[::-1], b), resamples=2)
    assert one == other


def test_the_uncertainty_is_near_the_spread_over_fresh_sets():
    def figure(seed, resamples):
        a, b = random_features(400, 6, seed), random_features(400, 6, seed + 100, 0.3)
        return measure("fd", Features(a, a), Features(b, b), resamples=resamples)["fd"]

    spread = np.std([figure(seed, 0).value for seed in range(30)], ddof=1)
    assert figure(0, 0).uncertainty is None and figure(0, 1).uncertainty is None
    assert figure(0, 60).uncertainty == pytest.approx(spread, rel=0.5)


def test_a_resample_of_kid_has_fewer_subsets_and_about_the_same_spread(monkeypatch):
    a, b = random_features(120, 6, 0), random_features(120, 6, 1, 0.3)
    monkeypatch.setattr("ganzoo.metrics.figures.MAX_KID_SUBSET", 40)
    own, other = Features(a, a), Features(b, b)
    quick = measure("kid", own, other, resamples=40)["kid"]
    monkeypatch.setattr("ganzoo.metrics.figures.KID_SUBSETS_OF_A_RESAMPLE", 100)
    full = measure("kid", own, other, resamples=40)["kid"]
    assert quick.value == full.value
    assert quick.uncertainty == pytest.approx(full.uncertainty, rel=0.3)


def test_saved_statistics_serve_fd_only():
    a, b = random_features(50, 6, 0), random_features(50, 6, 1)
    own, other = Features(a, a), Features(b, b)
    found = measure("fd", own, None, real_statistics=statistics(b), resamples=0)["fd"].value
    assert found == pytest.approx(measure("fd", own, other, resamples=0)["fd"].value, rel=1e-9)
    with pytest.raises(ValueError, match="fd only"):
        measure("kid", own, None, real_statistics=statistics(b))


def test_unknown_metrics_and_too_few_images_are_refused():
    a = random_features(3, 6, 0)
    with pytest.raises(ValueError, match="Did you mean 'kid'"):
        measure("kidd", Features(a, a), Features(a, a))
    with pytest.raises(ValueError, match="more than 3"):
        precision_recall(a, a)
    with pytest.raises(ValueError, match="at least 2"):
        statistics(a[:1])


def test_only_inception_gives_an_fid():
    assert figure_name("fd", "inception") == "fid" and figure_name("kid", "inception") == "kid"
    for name in ("efficientnet_lite0", "inception_v3.tv_in1k"):
        assert figure_name("fd", name) == f"fd_{name}"
        assert "fid" not in figure_name("fd", name)
