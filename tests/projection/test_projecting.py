"""Projection and tuning from Python, with tiny networks."""

import copy

import pytest
import torch
from covering import thinned
from helpers import NETWORKS, tiny, trained
from PIL import Image
from torch import nn

import ganzoo
from ganzoo.features.networks import FeatureInfo, FeatureNetwork
from ganzoo.metrics.distances import psnr
from ganzoo.models.reference import reference
from ganzoo.projection import Schedule, project, tune
from ganzoo.projection.family import smaller_members
from ganzoo.projection.photos import is_of_aligned_faces, read_targets
from ganzoo.projection.statistics import w_statistics

PIXELS = {"features": None, "pixel_weight": 1.0}


class Quarters(FeatureNetwork):
    """The mean colours of quarters as features, where a network would be downloaded."""

    def __init__(self):
        super().__init__(FeatureInfo("quarters", "", 3, 16, (127.5,) * 3, (127.5,) * 3))
        self.pool = nn.AdaptiveAvgPool2d(2)

    def maps(self, pixels):
        return [self.pool((pixels - self.mean) / self.std)]


# `ganzoo project` is tested with a wavelet network.
@pytest.fixture(scope="module", params=thinned(NETWORKS, ["pixel"]))
def generator(request):
    return trained(tiny(request.param))


@pytest.fixture(scope="module")
def images(generator):
    with torch.no_grad():
        return generator(generator.sample_z(2, seed=3), truncation_psi=0.7)


def test_an_image_of_the_network_is_found_in_w(generator, images):
    found = project(generator, images, steps=60, **PIXELS)
    assert psnr(found.images, images).min() > 22
    assert torch.equal(found.w, found.w[:, :1].expand_as(found.w)) and found.noise is None
    torch.testing.assert_close(generator.synthesis(found.w).image, found.images, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.distances, (found.images - images).square().mean(dim=(1, 2, 3)))


def test_w_plus_comes_nearer_from_where_w_ended(generator, images):
    near = project(generator, images, steps=20, **PIXELS)
    nearer = project(generator, images, space="w+", start=near.w, steps=20, **PIXELS)
    assert (nearer.distances < near.distances).all()
    assert not torch.equal(nearer.w, nearer.w[:, :1].expand_as(nearer.w))


def test_images_are_projected_each_by_itself(generator, images):
    both = project(generator, images, steps=10, **PIXELS)
    alone = project(generator, images[1:], steps=10, **PIXELS)
    torch.testing.assert_close(both.w[1:], alone.w, atol=1e-4, rtol=1e-4)


def test_a_projection_leaves_the_generator_as_it_is(generator, images):
    before = copy.deepcopy(generator.state_dict())
    project(generator, images, steps=3, noise=True, **PIXELS)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in generator.parameters())


def test_a_smaller_generator_takes_the_first_steps_and_moves_the_rows_that_it_has():
    large, small = trained(tiny(resolution=32)), trained(tiny())
    small.mapping.load_state_dict(large.mapping.state_dict())
    with torch.no_grad():
        target = large(large.sample_z(1, seed=3))
    steps = []
    project(large, target, space="w+", steps=20, coarse=[small], report=steps.append, **PIXELS)
    assert [step.images.shape[-1] for step in steps] == [16] * 10 + [32] * 10
    assert [step.number for step in steps] == list(range(1, 21))
    assert all(step.w.shape == (1, large.num_ws, 8) for step in steps)
    start = steps[-1].w
    project(small, target, space="w+", start=start[:, : small.num_ws], steps=2, coarse=[], **PIXELS)


def test_axes_of_w_give_back_how_w_spreads(generator):
    statistics = w_statistics(generator, 500)
    z = generator.sample_z(500)
    assert statistics.axes.square().sum().sqrt().item() == pytest.approx(statistics.deviation, rel=1e-4)
    lengths = statistics.axes.norm(dim=1)
    assert (lengths.diff() <= 0).all() and lengths[0] > lengths[-1]
    w = generator.mapping(z)[:, 0] - statistics.mean
    along = (w @ statistics.axes.T) / lengths**2
    torch.testing.assert_close(along.std(dim=0), torch.ones(8), atol=0.2, rtol=0)


MISTAKES = {
    "space": (lambda G, x: project(G, x, space="z"), "w or w"),
    "steps": (lambda G, x: project(G, x, steps=0), "1 step"),
    "shape": (lambda G, x: project(G, x[:, :, :4]), "square"),
    "channels": (lambda G, x: project(G, x[:, :1]), r"\[N, 3"),
    "start": (lambda G, x: project(G, x, start=torch.zeros(3, 6, 8), features=None), r"start is \[1 or 2"),
    "mapping": (lambda G, x: project(G, x, coarse=[trained(G.config, 5)]), "another"),
    "size": (lambda G, x: project(G, x, coarse=[trained(tiny(resolution=32))]), "low to high"),
    "pairs": (lambda G, x: tune(G, torch.zeros(1, 6, 8), x), "a w for every image"),
    "samples": (lambda G, x: w_statistics(G, 1), "2 samples"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_python_is_told(generator, images, case):
    call, told = MISTAKES[case]
    with pytest.raises(ValueError, match=told):
        call(generator, images)


def test_a_tuned_generator_draws_the_images_of_the_w(generator):
    images = 0.3 * torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    w = generator.mapping(generator.sample_z(2))
    tuned = tune(generator, w, images, steps=40, rate=1e-2, **PIXELS)
    before, after = psnr(generator.synthesis(w).image, images), psnr(tuned.synthesis(w).image, images)
    assert (after > before + 1).all()
    assert not any(p.requires_grad for p in tuned.parameters())
    assert torch.equal(tuned.mapping(generator.sample_z(1)), generator.mapping(generator.sample_z(1)))


def test_locality_keeps_images_nearby(generator, images):
    w = generator.mapping(generator.sample_z(1, seed=9))
    others = generator.mapping(generator.sample_z(8, seed=20))
    others = w + 30 * (others - w) / (others - w).norm(dim=2, keepdim=True)
    how = {"steps": 20, "rate": 6e-3, **PIXELS}
    moved = [
        (tune(generator, w, images[:1], locality=local, **how).synthesis(others).image
         - generator.synthesis(others).image).square().mean()
        for local in (True, False)
    ]  # fmt: skip
    assert moved[0] < moved[1]


def test_tuning_stops_where_the_features_are_near(generator, images):
    w, told = generator.mapping(generator.sample_z(2, seed=3), truncation_psi=0.7), []
    tune(generator, w, images, features=Quarters(), steps=50, report=told.append)
    assert [step.number for step in told] == [0]  # the very images
    tuned = tune(generator, w, images, features=Quarters(), steps=3, stop=-1.0, report=told.append)
    assert [step.number for step in told[1:]] == [0, 1, 2, 3]
    assert torch.allclose(told[-1].images, tuned.synthesis(w).image, atol=1e-6)


def test_a_deployed_generator_is_projected_to_and_not_tuned(generator, images):
    deployed = ganzoo.deploy(generator)
    one, other = (project(G, images, steps=5, **PIXELS) for G in (generator, deployed))
    torch.testing.assert_close(one.w, other.w, atol=1e-3, rtol=1e-3)
    with pytest.raises(TypeError, match="deployed"):
        tune(deployed, one.w, images)


def test_the_original_schedule_is_slow_at_first():
    assert Schedule().learning_rate(0, 100) == 0 < Schedule().learning_rate(1, 100)


def test_smaller_members_of_a_family_are_found():
    assert smaller_members("mobilestylegan_ffhq") == ["mobilestylegan_ffhq_64", "mobilestylegan_ffhq_256"]
    assert smaller_members("mobilestylegan_ffhq_256_lite") == ["mobilestylegan_ffhq_64"]
    assert smaller_members("mobilestylegan_ffhq_64") == smaller_members("stylegan2_ffhq") == []


@pytest.mark.parametrize("noise", [False, True])
def test_tensors_of_inference_mode_are_taken(generator, images, noise):
    with torch.inference_mode():
        found = project(generator, images * 1, steps=2, noise=noise, features=None)
        tune(generator, found.w * 1, images * 1, noise=found.noise, steps=1, features=None)
    assert found.w.shape[0] == len(images)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_aligned_images_have_the_channels_of_the_model(channels, mode, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("ganzoo.faces.mtcnn.load_mtcnn", asked.append)
    monkeypatch.setattr(
        "ganzoo.faces.alignment.aligned", lambda image, side, network: Image.new("RGB", (side, side), "white")
    )
    Image.new("RGB", (60, 40)).save(tmp_path / "photo.png")
    given = [tmp_path / "photo.png"] * 2
    targets = read_targets(given, 16, channels, align=True, cache_dir=tmp_path)
    assert targets.shape == (2, channels, 16, 16) and (targets == 1).all()
    assert asked == [tmp_path]


def test_faces_are_aligned_for_models_that_learnt_from_ffhq(tmp_path):
    assert is_of_aligned_faces(reference("mobilestylegan_ffhq_64_lite"))
    ganzoo.save(trained(tiny()), tmp_path)
    assert not is_of_aligned_faces(reference(tmp_path))
