"""Centers of w, and truncation towards the nearest."""

import pytest
import torch
from helpers import tiny, trained

import ganzoo
from ganzoo.latent.centers import find_centers, kmeans
from ganzoo.latent.look import Look
from ganzoo.latent.truncation import nearest, truncate
from ganzoo.system.images import read_settings


@pytest.fixture(scope="module")
def generator():
    return trained(tiny())


def test_one_center_at_the_mean_is_plain_truncation(generator):
    w, mean = generator.mapping(generator.sample_z(4)).detach(), generator.mapping.w_avg[None, None]
    plain = generator.mapping(generator.sample_z(4), truncation_psi=0.4, truncation_cutoff=3)
    assert torch.equal(truncate(w, mean, 0.4, 3), plain)
    assert torch.equal(Look(0.4, 3, centers=mean).w(generator, range(4)), plain)


def test_every_w_goes_to_its_nearest_center():
    centers = torch.tensor([[[0.0, 0.0]], [[10.0, 0.0]]])
    w = torch.tensor([[[1.0, 1.0], [2.0, 0.0]], [[9.0, 0.0], [7.0, 4.0]]])
    got = truncate(w, centers, 0.5)
    assert torch.equal(got, torch.tensor([[[0.5, 0.5], [1.0, 0.0]], [[9.5, 0.0], [8.5, 2.0]]]))
    assert torch.equal(truncate(w, centers, 1.0), w)
    assert torch.equal(nearest(w, centers), centers.expand(-1, 2, -1))


def test_clusters_that_lie_apart_are_found():
    random = torch.Generator().manual_seed(0)
    expected = 50 * torch.randn(7, 4, generator=random)
    points = torch.cat([center + torch.randn(60, 4, generator=random) for center in expected])
    found = kmeans(points[torch.randperm(len(points), generator=random)], 7, seed=1)
    assert torch.cdist(expected, found).min(dim=1).values.max() < 1


def test_centers_are_the_same_for_a_seed_and_near_their_w(generator):
    first, again, other = (find_centers(generator, 8, samples=500, seed=seed) for seed in (0, 0, 1))
    assert first.shape == (8, 1, 8) and torch.equal(first, again) and not torch.equal(first, other)
    w = generator.mapping(generator.sample_z(100)).detach()
    mean = generator.mapping(generator.sample_z(500)).detach().mean(dim=0, keepdim=True)[:, :1]
    apart = [(w - nearest(w, centers)).square().mean() for centers in (first, mean)]
    assert apart[0] < 0.6 * apart[1]


def test_images_are_truncated_towards_centers(generator, tmp_path):
    centers = find_centers(generator, 4, samples=300)
    made = ganzoo.generate_images(generator, [0, 3], tmp_path, truncation_psi=0.5, centers=centers)
    assert read_settings(made.sheet)["centers"] == 4
    plain = ganzoo.generate_images(generator, [0, 3], tmp_path / "plain", truncation_psi=0.5)
    assert made.images[0].read_bytes() != plain.images[0].read_bytes()


@pytest.mark.parametrize("num", [0, 5000])
def test_a_number_of_centers_that_cannot_be_is_refused(generator, num):
    with pytest.raises(ValueError, match="1 to 4096"):
        find_centers(generator, num)
    with pytest.raises(ValueError, match="as many points"):
        kmeans(torch.zeros(3, 2), 4)


def test_centers_of_another_width_are_refused(generator):
    w = generator.mapping(generator.sample_z(1)).detach()
    with pytest.raises(ValueError, match="8 numbers a row, the centers 9"):
        truncate(w, torch.zeros(2, 1, 9), 0.5)
    with pytest.raises(ValueError, match=r"\[K, 1 or num_ws, w_dim\]"):
        truncate(w, torch.zeros(2, 8), 0.5)
    with pytest.raises(ValueError, match="cutoff is 0 to 6"):
        truncate(w, torch.zeros(2, 1, 8), 0.5, 7)
