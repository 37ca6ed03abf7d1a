"""Records of real measurements: what they say, and saved statistics."""

import json
import shutil

import numpy as np
import pytest
from metric_helpers import ArraySamples, TinyFeatures, noise, tiny_model, write_images
from PIL import Image

import ganzoo
from ganzoo.data.reading import ImageSet
from ganzoo.metrics.measuring import measure_sets
from ganzoo.metrics.record import Record, differences
from ganzoo.metrics.sampling import Sampling
from ganzoo.metrics.saved import SavedStatistics
from ganzoo.metrics.sets import FileSamples, GeneratedSamples


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return write_images(root / "fake", 40, seed=0), write_images(root / "real", 50, seed=1, bias=30)


@pytest.fixture
def judge(tmp_path):
    def call(fake, real=None, metrics=("fd",), network=None, resamples=0, **options):
        fake, real = (FileSamples(x) if hasattr(x, "iterdir") else x for x in (fake, real))
        network = network or TinyFeatures()
        return measure_sets(
            fake,
            real,
            metrics=metrics,
            network=network,
            resamples=resamples,
            cache_dir=tmp_path / "cache",
            **options,
        )

    return call


def test_a_record_says_everything(folders, judge, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/ganzoo", "eval", "my faces", "--seed", "3"])
    metrics = ["fd", "kid", "precision", "recall", "is"]
    found = judge(*folders, metrics=metrics, resamples=3)
    assert [record.metric for record in found] == [f"{metric}_tiny" for metric in metrics]
    for record in found:
        assert Record.from_json(record.to_json()) == record
        assert record.uncertainty >= 0 and np.isfinite(record.value)
        assert record.num_fake == 40 and record.features == TinyFeatures().info.to_dict()
        assert record.resizer == "pillow-bicubic-antialias-float"
        assert record.command == "ganzoo eval 'my faces' --seed 3"
        assert record.date[:2] == "20" and record.date.endswith("+00:00")
        assert "threads" in record.hardware
        assert {"ganzoo", "python", "torch", "torch-fidelity", "timm", "numpy", "pillow"} <= set(
            record.versions
        )
        assert any("40 images: published" in warning for warning in record.warnings)
        assert record.fake["sha256"] == ImageSet(folders[0]).sha256
    fd, kid, _, _, score = found
    assert fd.real["sha256"] == ImageSet(folders[1]).sha256 and fd.num_real == 50
    assert any("instead of 1000" in warning for warning in kid.warnings)
    assert score.real is None and score.num_real is None


def test_fewer_images_than_features_are_a_warning_in_the_record(judge):
    [few] = judge(ArraySamples(noise(12), "a"), ArraySamples(noise(30), "b"))
    assert any("12 images do not fill 12 features" in warning for warning in few.warnings)
    [more] = judge(ArraySamples(noise(13), "c"), ArraySamples(noise(30), "b"))
    assert not any("fill" in warning for warning in more.warnings)


def test_a_generators_record_tells_how_its_images_were_made(folders, judge, tmp_path):
    generator = ganzoo.load(tiny_model(tmp_path / "model"))
    sampling = Sampling(num=20, seed=5, truncation_psi=0.7, noise="random")
    samples = GeneratedSamples(generator, sampling, name="m")
    [one] = judge(samples, folders[1])
    assert one.sampling["truncation_psi"] == 0.7 and one.sampling["first_seed"] == 5
    assert one.sampling["noise"] == "random" and one.sampling["bits"] == 8
    assert {"sha256", "config", "form"} <= set(one.fake) and "sha256" not in one.sampling
    deployed = GeneratedSamples(ganzoo.deploy(generator), sampling, name="d", sha256="other")
    [other] = judge(deployed, folders[1])
    assert differences(one, other) == [] and one.fake != other.fake
    assert other.value == pytest.approx(one.value, rel=0.02, abs=1e-3)


def test_one_pixel_of_the_real_set_makes_another_protocol(folders, judge, tmp_path):
    [before] = judge(*folders)
    changed = shutil.copytree(folders[1], tmp_path / "changed")
    [same] = judge(folders[0], changed)
    assert differences(before, same) == []
    pixels = np.array(Image.open(changed / "007.png"))
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(changed / "007.png")
    [after] = judge(folders[0], changed)
    [found] = differences(before, after)
    assert found.startswith("real.sha256")


def test_the_measurement_is_the_same_as_a_zip_of_the_folder(folders, judge, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "real"), "zip", folders[1])
    [one], [other] = judge(*folders), judge(folders[0], FileSamples(archive))
    assert one.value == other.value and differences(one, other) == []


def test_is_alone_does_not_look_at_the_real_images(folders, judge):
    network = TinyFeatures()
    judge(*folders, metrics=["is"], network=network)
    assert network.seen == 40


@pytest.fixture
def saved(folders, judge, tmp_path):
    path = tmp_path / "new" / "real.npz"
    assert judge(folders[1], metrics=[], save=path) == []
    return path


def test_saved_statistics_serve_as_well_as_the_images(folders, judge, saved):
    [one], [other] = judge(*folders), judge(folders[0], SavedStatistics(saved))
    assert other.value == pytest.approx(one.value, rel=1e-9)
    assert other.num_real == 50 and differences(one, other) == []
    with pytest.raises(ValueError, match="serve fd only; kid"):
        judge(folders[0], SavedStatistics(saved), metrics=["fd", "kid"])


def test_statistics_of_other_features_are_refused_before_anything_is_computed(folders, judge, saved):
    for other, part in ((TinyFeatures("other"), "use --features tiny"), (TinyFeatures(seed=1), "sha256")):
        with pytest.raises(ValueError, match=part):
            judge(folders[0], SavedStatistics(saved), network=other)
        assert other.seen == 0


@pytest.mark.parametrize("damage", ["half", "text", "foreign", "array", "header", "shape", "nan", "number"])
def test_damaged_and_foreign_files_are_no_statistics(saved, damage):
    with np.load(saved) as data:
        arrays = dict(data)
    header = json.loads(str(arrays["header"]))
    if damage == "half":
        saved.write_bytes(saved.read_bytes()[:-300])
    elif damage == "text":
        saved.write_text("statistics")
    elif damage == "array":
        with saved.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        changes = {
            "foreign": {"mu": arrays["mean"], "sigma": arrays["covariance"]},
            "header": {**arrays, "header": np.array("[1]")},
            "shape": {**arrays, "covariance": arrays["covariance"][1:]},
            "nan": {**arrays, "mean": arrays["mean"] * np.nan},
            "number": {**arrays, "header": np.array(json.dumps({**header, "num": "many"}))},
        }
        np.savez(saved, **changes[damage])
    with pytest.raises(ValueError, match=r"holds no statistics|is damaged") as error:
        SavedStatistics(saved)
    assert str(saved) in str(error.value) and "\n" not in str(error.value)


def test_a_file_of_statistics_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        SavedStatistics(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("metrics", "part"),
    [(["kidd"], "Did you mean 'kid'"), (["precision"], "needs 4 images; got 3"), (["ppl"], "on a model")],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_computed(judge, metrics, part):
    network = TinyFeatures()
    with pytest.raises(ValueError, match=part):
        judge(ArraySamples(noise(3)), ArraySamples(noise(9), "b"), metrics=metrics, network=network)
    assert network.seen == 0


def test_a_metric_that_compares_needs_something_to_compare_with(judge):
    with pytest.raises(ValueError, match="kid compares with images"):
        judge(ArraySamples(noise(5)), metrics=["kid", "is"])


def test_progress_is_told(folders, judge):
    told = []
    judge(*folders, resamples=2, report=lambda *step: told.append(step))
    assert (f"Features of {folders[0]}", 40, 40) in told and ("Measuring fd", 1, 2) in told
