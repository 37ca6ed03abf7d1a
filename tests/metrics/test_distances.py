"""One definition of every distance between images, and what becomes of figures of an older one."""

import json

import numpy as np
import pytest
import torch
from metric_helpers import TinyFeatures
from test_record import RECORD

from ganzoo.metrics.distances import DEFINITIONS, distance
from ganzoo.metrics.record import Record, compared
from ganzoo.system.differences import decibels

NETWORK = TinyFeatures()


def images(seed, scale=1.5):
    return scale * torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def test_pixels_beyond_the_range_count_in_full():
    a, b = images(0), images(1)
    error = (a - b).double().numpy()
    assert distance("l1", a, b).numpy() == pytest.approx(np.abs(error).mean(axis=(1, 2, 3)))
    squares = (error**2).mean(axis=(1, 2, 3))
    assert distance("psnr", a, b).numpy() == pytest.approx(10 * np.log10(4 / squares))


def test_decibels_are_of_one_error_over_all_images():
    a, b = images(0), images(1)
    error = (a - b).square().mean().item()
    assert decibels(error) == pytest.approx(10 * np.log10(4 / error))
    assert decibels(error, 1.0) == pytest.approx(10 * np.log10(1 / error))
    assert decibels(error) != pytest.approx(distance("psnr", a, b).mean().item(), abs=1e-3)
    assert decibels(0.0) == np.inf and np.isnan(decibels(np.inf)) and np.isnan(decibels(np.nan))


def test_features_see_what_a_file_would_hold():
    a, b = images(0), images(1)
    clipped = distance("perceptual", a.clamp(-1, 1), b.clamp(-1, 1), NETWORK)
    assert torch.equal(distance("perceptual", a, b, NETWORK), clipped)


@pytest.mark.parametrize("metric", DEFINITIONS)
def test_a_pair_has_its_distance_whatever_pairs_stand_beside_it(metric):
    a, b = images(0), images(1)
    alone = [distance(metric, a[i : i + 1], b[i : i + 1], NETWORK).item() for i in range(3)]
    assert distance(metric, a, b, NETWORK).tolist() == pytest.approx(alone, rel=1e-5)


def of_version_1(metric):
    data = json.loads(RECORD.to_json())
    del data["definition"]
    return Record.from_json(json.dumps({**data, "metric": metric, "schema_version": 1}))


def test_an_old_psnr_is_of_clipped_images_and_not_compared_with_a_new_one():
    old = of_version_1("psnr")
    assert old.metric == "psnr_clipped" and "clipped" in old.definition
    new = Record(**{**vars(RECORD), "metric": "psnr", "definition": DEFINITIONS["psnr"]})
    with pytest.raises(ValueError, match="no metric in common; there: psnr_clipped"):
        compared([new], [old])


@pytest.mark.parametrize("metric", ["l1", "perceptual_tiny", "fd_tiny"])
def test_other_old_records_stay_comparable(metric):
    definition = DEFINITIONS.get(metric.split("_")[0])
    new = Record(**{**vars(RECORD), "metric": metric, "definition": definition})
    assert compared([new], [of_version_1(metric)])[0][1].value == RECORD.value
