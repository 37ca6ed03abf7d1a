"""Students beside their teachers, and path lengths."""

import numpy as np
import pytest
import torch
from covering import crossed
from helpers import tiny, trained
from metric_helpers import TinyFeatures

from ganzoo.generators.deploy import deploy
from ganzoo.metrics.distances import perceptual
from ganzoo.metrics.measuring import measure_pairs, measure_sets
from ganzoo.metrics.pairs import PAIR_METRICS, pair_figures
from ganzoo.metrics.path_length import path_length
from ganzoo.metrics.record import Record, differences
from ganzoo.metrics.sampling import Sampling
from ganzoo.metrics.sets import GeneratedSamples

NETWORK = TinyFeatures()


def pairs(student, teacher, metrics=PAIR_METRICS, seeds=range(4), **options):
    return pair_figures(student, teacher, metrics=metrics, seeds=seeds, network=NETWORK, **options)


def samples(generator, name="m", **options):
    return GeneratedSamples(generator, Sampling(**{"num": 3, "seed": 0, **options}), name=name, sha256=name)


@pytest.mark.parametrize(
    "settings", crossed(["pixel", "wavelet"], ["z", "w"], ["const", "random", "none"]), ids="-".join
)
def test_a_model_is_no_different_from_itself(settings):
    network, given, noise = settings
    generator = trained(tiny(network))
    found = pairs(generator, generator, given=given, noise=noise)
    assert found["l1"].value == 0 and found["perceptual"].value == 0 and found["psnr"].value > 100
    found = pairs(deploy(generator), generator, given=given, noise=noise)
    assert found["l1"].value < 1e-5 and found["psnr"].value > 80


def test_the_figures_are_those_of_the_images():
    student, teacher = trained(tiny("wavelet"), 1), trained(tiny("pixel"), 2)
    found = pairs(student, teacher, noise="none", truncation_psi=0.7)
    z = teacher.sample_z(range(4))
    with torch.inference_mode():
        a, b = (g(z, truncation_psi=0.7, noise="none") for g in (student, teacher))
    assert a.abs().max() > 1  # so that clipping would show
    assert found["l1"].value == pytest.approx((a - b).abs().mean().item(), rel=1e-4)
    errors = (a - b).square().mean(dim=(1, 2, 3)).numpy()
    assert found["psnr"].value == pytest.approx(np.mean(10 * np.log10(4 / errors)), rel=1e-4)
    assert all(figure.uncertainty > 0 for figure in found.values())


def test_the_uncertainty_is_that_of_the_mean():
    student, teacher = trained(tiny("pixel"), 1), trained(tiny("pixel"), 2)
    each = [pairs(student, teacher, ["l1"], range(s, s + 1))["l1"].value for s in range(12)]
    found = pairs(student, teacher, ["l1"], range(12))["l1"]
    assert found.value == pytest.approx(np.mean(each), rel=1e-5)
    assert found.uncertainty == pytest.approx(np.std(each) / np.sqrt(12), rel=0.2)


def test_styles_of_the_teacher_replace_the_students_mapping():
    teacher, student = trained(tiny("pixel")), trained(tiny("pixel"))
    with torch.no_grad():
        student.mapping.w_avg += 1
        for parameter in student.mapping.parameters():
            parameter.mul_(-1)
    assert pairs(student, teacher, given="w")["l1"].value == 0 < pairs(student, teacher)["l1"].value


@pytest.mark.parametrize("given", ["z", "w"])
def test_a_student_of_lower_resolution_is_compared_at_its_own(given):
    student, teacher = trained(tiny("wavelet", resolution=16)), trained(tiny("pixel", resolution=32))
    found = pairs(student, teacher, given=given)
    assert found["l1"].value > 0 and np.isfinite(found["perceptual"].value)


@pytest.mark.parametrize("given", ["z", "w"])
def test_labels_are_those_of_the_seed(given):
    generator = trained(tiny("pixel", label_dim=3))
    assert pairs(generator, deploy(generator), given=given)["l1"].value < 1e-5


def test_what_does_not_fit_is_refused():
    teacher = trained(tiny("pixel"))
    cases = {
        "z_dim: 4 and 8": {"student": tiny("pixel", z_dim=4)},
        "w_dim: 4 and 8": {"student": tiny("pixel", w_dim=4), "given": "w"},
        "label_dim": {"student": tiny("pixel", label_dim=2)},
        "img_channels": {"student": tiny("pixel", img_channels=1)},
        "larger, 32": {"student": tiny("pixel", resolution=32)},
        "given is one of z, w": {"student": tiny("pixel"), "given": "y"},
        "Did you mean 'psnr'": {"student": tiny("pixel"), "metrics": ["psnrr"]},
    }
    for part, options in cases.items():
        with pytest.raises(ValueError, match=part):
            pairs(trained(options.pop("student")), teacher, **options)
    with pytest.raises(ValueError, match="5 layers and the teacher 3"):
        pairs(teacher, trained(tiny("wavelet")))
    with pytest.raises(ValueError, match="needs a feature network"):
        pair_figures(teacher, teacher, metrics=["perceptual"], seeds=range(2), network=None)


def test_the_record_of_a_pair_tells_both_networks_and_how_they_were_fed():
    student, teacher = trained(tiny("wavelet"), 1), trained(tiny("pixel"), 2)
    fed = {"seed": 9, "truncation_psi": 0.5, "noise": "random"}
    options = {"metrics": PAIR_METRICS, "network": NETWORK}
    found = measure_pairs(samples(student, "s", **fed), samples(teacher, "t"), given="w", **options)
    assert [r.metric for r in found] == ["l1", "psnr", "perceptual_tiny"]
    for record in found:
        assert Record.from_json(record.to_json()) == record
        assert record.fake["sha256"] == "s" and record.real["sha256"] == "t"
        assert record.sampling["first_seed"] == 9 and record.sampling["given"] == "w"
        assert record.sampling["noise"] == "random, the teacher's" and record.sampling["bits"] is None
    assert [r.resizer for r in found] == [None, None, "torch-bicubic-antialias"]
    assert [r.features is None for r in found] == [True, True, False]
    other = measure_pairs(samples(student, "s", **fed), samples(teacher, "t"), **options)
    assert differences(found[0], other[0]) == ["sampling.given: 'w' and 'z'"]


def test_the_perceptual_distance_is_a_distance():
    a = torch.rand(2, 3, 20, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1
    noise = torch.randn(a.shape, generator=torch.Generator().manual_seed(1))
    assert perceptual(NETWORK, a, a).tolist() == [0, 0]
    steps = [perceptual(NETWORK, a, a + s * noise) for s in (0.01, 0.1, 0.4)]
    assert (steps[0] < steps[1]).all() and (steps[1] < steps[2]).all()
    assert torch.allclose(steps[2], perceptual(NETWORK, a + 0.4 * noise, a))
    grey = a[:, :1]
    assert torch.allclose(
        perceptual(NETWORK, grey, -grey),
        perceptual(NETWORK, grey.expand(-1, 3, -1, -1), -grey.expand(-1, 3, -1, -1)),
    )


@pytest.mark.filterwarnings("error")
def test_the_path_length_is_measured(tmp_path):
    generator = trained(tiny("pixel"))
    told = []
    found = path_length(generator, NETWORK, num=20, seed=3, report=told.append)
    assert found.value > 0 and found.uncertainty > 0 and told == list(range(20))
    assert found == path_length(generator, NETWORK, num=20, seed=3)
    assert found.value != path_length(generator, NETWORK, num=20, seed=4).value
    assert np.isfinite(path_length(generator, NETWORK, num=2).value)
    assert path_length(generator, NETWORK, num=5, truncation_psi=0.0).value < 1e-3 * found.value


def test_the_path_length_is_that_of_small_steps_on_the_sphere():
    generator = trained(tiny("pixel"))
    random = np.random.RandomState(3)
    z0, z1 = random.randn(1, 8), random.randn(1, 8)
    cosine = (z0 * z1).sum() / np.linalg.norm(z0) / np.linalg.norm(z1)
    angle = np.arccos(cosine)
    t = 1e-2
    z = (np.sin((1 - t) * angle) * z0 + np.sin(t * angle) * z1) / np.sin(angle)
    with torch.inference_mode():
        a, b = (generator(torch.from_numpy(x).float()) for x in (z0, z))
        expected = perceptual(NETWORK, a, b).item() / t**2
    [found] = [path_length(generator, NETWORK, num=1, seed=3, resamples=2).value]
    assert found == pytest.approx(expected, rel=0.2)


def test_the_record_of_a_path_length_and_its_refusals(tmp_path):
    generator, network = trained(tiny("pixel")), TinyFeatures()
    options = {"metrics": ["ppl"], "network": network, "cache_dir": tmp_path}
    [record] = measure_sets(samples(generator, seed=6), None, **options)
    assert record.metric == "ppl_tiny" and record.sampling["seed"] == 6 and network.seen == 0
    assert record.resizer == "torch-bicubic-antialias" and record.real is None
    for settings, part in ({"noise": "random"}, "random"), ({"resolution": 8}, "own resolution"):
        with pytest.raises(ValueError, match=part):
            measure_sets(samples(generator, **settings), None, **options)
    with pytest.raises(ValueError, match="conditional"):
        measure_sets(samples(trained(tiny("pixel", label_dim=2))), None, **options)
