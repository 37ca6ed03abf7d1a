"""`ganzoo.metrics.evaluate`: the whole command in one call."""

import numpy as np
import pytest
from metric_helpers import TinyFeatures, tiny_model, write_images

import ganzoo
from ganzoo.metrics import EvalRequest, Sampling
from ganzoo.metrics.record import read_records


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a model and images, which becomes the cache, too."""
    monkeypatch.setattr("ganzoo.metrics.evaluation.load_features", lambda name, cache_dir: TinyFeatures())
    tiny_model(tmp_path / "model")
    write_images(tmp_path / "real", 30)
    return tmp_path


def request(place, name="model", **options):
    for side in ("real", "teacher"):
        if side in options:
            options[side] = str(place / options[side])
    return EvalRequest(str(place / name), cache_dir=place, resamples=2, **options)


def test_a_model_is_measured_against_images_and_the_records_are_kept(place):
    told, out = [], str(place / "new" / "out.jsonl")
    asked = request(place, real="real", sampling=Sampling(num=6, seed=3), out=out)
    found = ganzoo.metrics.evaluate(asked, report=lambda *step: told.append(step))
    assert [record.metric for record in found] == ["fd_tiny", "kid_tiny"]
    assert found[0].sampling["first_seed"] == 3 and (found[0].num_fake, found[0].num_real) == (6, 30)
    assert read_records(out) == found
    assert ("Measuring fd", 1, 2) in told


def test_a_model_to_compare_with_has_a_sampling_of_its_own(place):
    asked = request(
        place, real="model", metrics=["fd"], sampling=Sampling(num=5, seed=0),
        real_sampling=Sampling(num=5, seed=7, truncation_psi=0.5, noise="none"),
    )  # fmt: skip
    [record] = ganzoo.metrics.evaluate(asked)
    assert (record.real["first_seed"], record.real["truncation_psi"]) == (7, 0.5)
    assert (record.sampling["noise"], record.real["noise"]) == ("const", "none")
    [same] = ganzoo.metrics.evaluate(request(place, real="model", metrics=["fd"], sampling=Sampling(num=5)))
    assert same.real["first_seed"] == 2_000_000_000


def test_statistics_are_saved_and_compared_with(place):
    assert ganzoo.metrics.evaluate(request(place, "real", save=str(place / "real.npz"))) == []
    with np.load(place / "real.npz") as data:
        assert data["mean"].shape == (12,)
    [record] = ganzoo.metrics.evaluate(request(place, real="real.npz", sampling=Sampling(num=4)))
    assert record.metric == "fd_tiny" and record.num_real == 30


def test_a_student_is_compared_with_its_teacher_and_with_earlier_records(place):
    asked = {"teacher": "model", "sampling": Sampling(num=2)}
    before = ganzoo.metrics.evaluate(request(place, **asked))
    assert [record.metric for record in before] == ["l1", "psnr", "perceptual_tiny"]
    again = ganzoo.metrics.evaluate(request(place, **asked, metrics=["l1"], against=before))
    assert again[0].value == before[0].value == 0
    with pytest.raises(ValueError, match=r"sampling\.given"):
        ganzoo.metrics.evaluate(request(place, **asked, given="w", metrics=["l1"], against=before))


def test_what_would_go_unheard_is_refused_when_it_is_asked(place):
    for options, told in (
        ({"teacher": "model", "real": "real"}, "different figures"),
        ({"teacher": "model", "real_sampling": Sampling(truncation_psi=0.5)}, "--real-psi"),
        ({"metrics": ["psnr"], "real": "real"}, "give --teacher"),
        ({"metrics": [], "real": "real"}, "--metrics names none"),
        ({}, "Give --real"),
    ):
        with pytest.raises(ValueError, match=told):
            request(place, **options)
