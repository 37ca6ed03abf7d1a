"""Features in pieces: kept, resumed, never mixed."""

import signal
import time

import numpy as np
import pytest
import torch
from metric_helpers import (
    ArraySamples,
    TinyFeatures,
    features,
    noise,
    tiny_model,
    write_images,
)
from processes import started
from tiny_cli import tiny_main

import ganzoo
from ganzoo.metrics import extract as extraction
from ganzoo.metrics.extract import Features, extract
from ganzoo.metrics.figures import measure
from ganzoo.metrics.measuring import measure_sets
from ganzoo.metrics.sampling import Sampling
from ganzoo.metrics.sets import FileSamples, GeneratedSamples


def pieces(cache):
    return sorted(cache.glob("features/*/*.npz"))


def generated(folder, num=5, deployed=False, name="m", **options):
    generator = ganzoo.load(folder)
    sha256 = options.pop("sha256", "a")
    generator = ganzoo.deploy(generator) if deployed else generator
    sampling = Sampling(**{"num": num, "seed": 0, **options})
    return GeneratedSamples(generator, sampling, name=name, sha256=sha256)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.mark.parametrize("piece", [7, 64, 200])
def test_the_size_of_the_pieces_does_not_matter(tmp_path, monkeypatch, piece):
    expected = features(150, cache_dir=tmp_path / "64")
    monkeypatch.setattr(extraction, "PIECE", piece)
    found = features(150, cache_dir=tmp_path / "other")
    for a, b in ((found.features, expected.features), (found.logits, expected.logits)):
        assert np.allclose(a, b, rtol=1e-5, atol=1e-5)


def test_renamed_images_give_the_same_figures(tmp_path):
    real = write_images(tmp_path / "real", 90, seed=1)
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for i, path in enumerate(sorted(real.iterdir())):
        (renamed / f"{(i * 37) % 90:03d}.png").write_bytes(path.read_bytes())
    network = TinyFeatures()
    one, other = (extract(FileSamples(f), network, cache_dir=tmp_path) for f in (real, renamed))
    assert not np.array_equal(one.features, other.features)
    fake = features(80, seed=2, bias=20, cache_dir=tmp_path)
    for metric in ("fd", "kid", "precision"):
        a, b = (measure(metric, fake, x, resamples=2)[metric] for x in (one, other))
        assert (a.value, a.uncertainty) == pytest.approx((b.value, b.uncertainty), rel=1e-5)


def test_a_second_run_computes_nothing_and_more_images_extend_the_first(tmp_path):
    network, pixels = TinyFeatures(), noise(300)

    def run(n):
        network.seen = 0
        return extract(ArraySamples(pixels[:n]), network, cache_dir=tmp_path), network.seen

    first, seen = run(150)
    assert seen == 150 and len(pieces(tmp_path)) == 3
    again, seen = run(150)
    assert seen == 0 and np.array_equal(first.features, again.features)
    fewer, seen = run(100)
    assert seen == 0 and np.array_equal(fewer.features, first.features[:100])
    more, seen = run(300)
    assert seen == 300 - 128  # the two whole pieces are kept
    assert np.allclose(more.features[:150], first.features, atol=1e-5)


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "another array", "other features"])
def test_a_damaged_piece_is_computed_anew(tmp_path, damage):
    network, samples = TinyFeatures(), ArraySamples(noise(150))
    expected = extract(samples, network, cache_dir=tmp_path)
    path = pieces(tmp_path)[1]
    data = path.read_bytes()
    if damage == "another array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif damage == "other features":
        with path.open("wb") as file:
            np.savez(file, features=np.zeros((64, 3)), logits=np.zeros((64, 5)))
    else:
        path.write_bytes(
            {"truncated": data[: len(data) // 2], "empty": b"", "text": b"PK\x03\x04text"}[damage]
        )
    network.seen = 0
    found = extract(samples, network, cache_dir=tmp_path)
    assert network.seen == 64
    assert np.array_equal(found.features, expected.features) and path.read_bytes() == data


def test_other_settings_never_read_a_wrong_piece(tmp_path, model):
    other = tiny_model(tmp_path / "other")
    wider = tiny_model(tmp_path / "wider", activation_gain=1.0)  # the same weights, another config
    sets = [
        generated(model),
        generated(model, truncation_psi=0.7),
        generated(model, truncation_psi=0.7, truncation_cutoff=1),
        generated(model, noise="random"),
        generated(model, noise="none"),
        generated(model, seed=1),
        generated(model, resolution=8),
        generated(model, deployed=True),
        generated(other, sha256="b"),
        generated(wider),
    ]
    own, *others = TinyFeatures(), TinyFeatures("other"), TinyFeatures(seed=1)
    read = [(own, samples) for samples in sets] + [(network, sets[0]) for network in others]
    for network, samples in read:
        network.seen = 0
        extract(samples, network, cache_dir=tmp_path)
        assert network.seen == 5
    assert len(list((tmp_path / "features").iterdir())) == len(read)


def test_features_that_are_not_finite_are_refused(tmp_path):
    network = TinyFeatures()
    network.convs[0].bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        extract(ArraySamples(noise(3)), network, cache_dir=tmp_path)
    assert pieces(tmp_path) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.processes
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, how):
    fake, real = (write_images(tmp_path / name, 200, seed) for seed, name in enumerate(("fake", "real")))
    arguments = [
        fake,
        "--real",
        real,
        "--metrics=fd",
        "--resamples=0",
        "--json",
        "--cache-dir",
        tmp_path / "cache",
    ]
    with started(tmp_path / "said", tiny_main, "eval", *arguments, "--features=slow") as process:
        deadline = time.monotonic() + 120
        while len(pieces(tmp_path / "cache")) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(how)
        status, _, err = process.finish()
    if how == signal.SIGINT:
        assert status == 130
        assert err.startswith("ganzoo: Interrupted: the features so far are kept") and err.count("\n") == 1
    times = {path: path.stat().st_mtime_ns for path in pieces(tmp_path / "cache")}
    assert 3 <= len(times) < 8

    def value(cache):
        sets, network = [FileSamples(fake), FileSamples(real)], TinyFeatures("slow")
        [record] = measure_sets(*sets, metrics=["fd"], network=network, resamples=0, cache_dir=cache)
        return record.value, network.seen

    resumed, seen = value(tmp_path / "cache")
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert 0 < seen <= 400 - 64 * (len(times) - 1)  # the last piece of a set has less than 64
    assert value(tmp_path / "fresh") == (resumed, 400)


def test_features_measured_by_hand_are_those_of_the_network(tmp_path):
    pixels = noise(5)
    expected, _ = TinyFeatures()(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    found = extract(ArraySamples(pixels), TinyFeatures(), cache_dir=tmp_path)
    assert isinstance(found, Features) and np.allclose(found.features, expected.numpy(), atol=1e-5)
