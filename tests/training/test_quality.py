"""Figures against the set, and the search for the images of the set that a generator has copied."""

import numpy as np
import pytest
import torch
from PIL import Image
from training_helpers import ALONE, TinyFeatures

from ganzoo.metrics.figures import frechet_distance, statistics
from ganzoo.metrics.seeds import HELD_OUT_SEED
from ganzoo.training.adversarial_settings import QualitySettings
from ganzoo.training.held_out import features_of
from ganzoo.training.images import TrainingImages
from ganzoo.training.latents import HELD_OUT
from ganzoo.training.quality import Quality

COUNT, SIDE = 20, 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set of images that are no mirror images of themselves."""
    path = tmp_path_factory.mktemp("set") / "images"
    path.mkdir()
    random = np.random.default_rng(0)
    for number in range(COUNT):
        array = random.integers(0, 256, (4, 4, 3), np.uint8).repeat(4, 0).repeat(4, 1)
        Image.fromarray(array).save(path / f"{number:02d}.png")
    return path


def quality_of(folder, num=COUNT, **options):
    pictures = TrainingImages(folder, SIDE, folder=str(folder.parent / "decoded"), **options)
    pictures.fill(shown=False, workers=1)
    settings = QualitySettings(num=num, features="tiny")
    return Quality(settings, pictures, TinyFeatures(), ALONE)


class Copies(torch.nn.Module):
    """A generator that makes images of the set, in its own order, with or without a change."""

    class config:
        z_dim, label_dim, num_ws = 4, 0, 2

    device = torch.device("cpu")

    def __init__(self, pictures, change=lambda images: images):
        super().__init__()
        self.data, self.change, self.made = pictures, change, 0

    def forward(self, z, label=None):
        numbers = [(7 * (self.made + i)) % COUNT for i in range(len(z))]
        self.made += len(z)
        return self.change(self.data.samples(numbers))


def test_a_generator_that_gives_the_set_s_own_images_is_at_no_distance(folder):
    quality = quality_of(folder)
    found = quality.measure(Copies(quality.data))
    assert list(found) == ["fd_tiny", "kid_tiny"]
    assert found["fd_tiny"].value == pytest.approx(0.0, abs=1e-4)
    assert found["kid_tiny"].value < 1e-4


def test_the_worse_the_images_the_greater_the_distance(folder):
    quality = quality_of(folder)
    far = [
        quality.measure(Copies(quality.data, lambda x, share=share: x * (1 - share)))["fd_tiny"].value
        for share in (0.1, 0.4, 1.0)
    ]
    assert 1e-3 < far[0] < far[1] < far[2]


def test_the_distance_is_that_of_the_features_of_both_sides(folder):
    quality = quality_of(folder)
    made = Copies(quality.data, lambda x: 0.5 * x)
    value = quality.measure(made)["fd_tiny"].value
    real = quality.data.samples(range(COUNT))
    a, b = (statistics(features_of(TinyFeatures(), x)) for x in (0.5 * real, real))
    assert value == pytest.approx(frechet_distance(a, b), rel=1e-4)


def test_a_set_that_is_larger_than_asked_for_is_measured_from_end_to_end(folder):
    quality, asked = quality_of(folder, num=4), []
    samples = quality.data.samples
    quality.data.samples = lambda numbers: asked.extend(numbers) or samples(numbers)
    quality.measure(Copies(quality_of(folder).data))
    assert asked == [0, 6, 13, 19]


def test_nothing_is_measured_without_a_network(folder):
    quality = quality_of(folder)
    quality.network = None
    assert quality.measure(Copies(quality.data)) == {}


def test_a_copied_image_is_found_even_if_it_is_noisy_dark_or_out_of_range(folder):
    quality = quality_of(folder)
    real = quality.data.samples(range(COUNT))
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    for changed in (real, real + 0.3 * noise, 0.8 * real - 0.1, 1.5 * real):
        assert quality.nearest(changed) == [*range(COUNT)]


def test_a_mirrored_copy_is_found_in_a_set_that_is_shown_mirrored(folder):
    mirrored = quality_of(folder).data.samples(range(COUNT)).flip(-1)
    assert quality_of(folder, mirror=True).nearest(mirrored) == [*range(COUNT)]
    assert quality_of(folder).nearest(mirrored) != [*range(COUNT)]


def test_a_sheet_shows_each_sample_beside_its_nearest_image(folder):
    quality = quality_of(folder)
    made = Copies(quality.data, lambda x: 0.9 * x)
    sheet = np.asarray(quality.sheet(made)).astype(int)
    assert sheet.shape == (4 * (SIDE + 4) + 4, 6 * (2 * SIDE + 4) + 4, 3)
    for i in range(24):
        top, left = 4 + i // 6 * (SIDE + 4), 4 + i % 6 * (2 * SIDE + 4)
        own, nearest = (sheet[top : top + SIDE, left + k * SIDE :][:, :SIDE] for k in (0, 1))
        file = np.asarray(Image.open(folder / f"{7 * i % COUNT:02d}.png")).astype(int)
        assert np.array_equal(nearest, file)
        assert np.abs(own - (0.9 * (file - 127.5) + 127.5)).max() <= 1


def test_images_are_of_the_held_out_latents_with_classes_of_the_set(folder):
    quality, seen = quality_of(folder), []

    class Conditional(Copies):
        class config:
            z_dim, label_dim, num_ws = 4, 2, 2

        def forward(self, z, label=None):
            seen.append((z, label))
            return super().forward(z)

    eye = torch.eye(2)  # the first half of the set is of one class, the second of the other
    quality.data.labels_of = lambda numbers: eye[[2 * number // COUNT for number in numbers]]
    quality.images(Conditional(quality.data), range(HELD_OUT, HELD_OUT + 3))
    [(z, label)] = seen
    expected = [
        np.random.RandomState(seed).randn(4).astype("float32")
        for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + 3)
    ]
    assert torch.equal(z, torch.from_numpy(np.stack(expected)))
    assert torch.equal(label, eye[[0, 1, 0]])
    quality.images(Conditional(quality.data), range(HELD_OUT, HELD_OUT + 100))
    assert seen[1][1].sum(dim=0).tolist() == [51, 49]
