import numpy as np
import pytest
import torch
from image_helpers import make_image
from PIL import Image

from ganzoo.data import RESIZER, resize, to_uint8


def noise(height, width, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [7, 16, 32, 75])
def test_it_is_pillows_bicubic_on_each_channel_as_floats(size):
    array = noise(32, 48)
    got = resize(array, size)
    assert got.dtype == np.float32 and got.shape == (size, size, 3)
    for channel in range(3):
        floats = Image.fromarray(array[..., channel].astype(np.float32))
        expected = np.asarray(floats.resize((size, size), Image.Resampling.BICUBIC)).clip(0, 255)
        assert (got[..., channel] == expected).all()


def test_a_image_and_its_array_give_the_same():
    image = make_image(40, 40)
    assert (resize(image, 16) == resize(np.asarray(image), 16)).all()


def test_it_agrees_with_the_antialiased_bicubic_of_pytorch():
    array = noise(64, 64)
    tensor = torch.from_numpy(array).permute(2, 0, 1)[None].float()
    expected = torch.nn.functional.interpolate(tensor, size=16, mode="bicubic", antialias=True)
    got = torch.from_numpy(resize(array, 16)).permute(2, 0, 1)[None]
    assert (got - expected.clamp(0, 255)).abs().max() < 0.01


@pytest.mark.parametrize("size", [3, 8, 29, 64])
@pytest.mark.parametrize("value", [0, 1, 128, 255])
def test_an_even_image_keeps_its_brightness(size, value):
    assert np.abs(resize(np.full((32, 32, 3), value, np.uint8), size) - value).max() < 1e-3


def test_the_mean_stays():
    array = noise(128, 128)
    assert abs(resize(array, 32).mean() - array.mean()) < 0.5


@pytest.mark.parametrize("axis", [0, 1])
def test_fine_stripes_become_grey_and_not_other_stripes(axis):
    stripes = np.zeros((64, 64), np.uint8)
    np.swapaxes(stripes, 0, axis)[::2] = 255
    inside = resize(stripes, 16)[2:-2, 2:-2]
    assert np.abs(inside - 127.5).max() < 1
    tensor = torch.from_numpy(stripes)[None, None].float()
    aliased = torch.nn.functional.interpolate(tensor, size=13, mode="bicubic")
    assert aliased.std() > 20  # as a resizer without a low-pass filter does it


def test_nothing_is_rounded():
    assert np.abs(resize(noise(32, 32), 16) % 1 - 0.5).min() < 0.1


def test_what_overshoots_is_clipped():
    edge = np.zeros((16, 16), np.uint8)
    edge[:, 8:] = 255
    got = resize(edge, 64)
    assert got.min() == 0 and got.max() == 255


def test_its_own_size_changes_nothing():
    array = noise(24, 24)
    assert (resize(array, 24) == array).all()


def test_greyscale_keeps_one_channel():
    assert resize(make_image().convert("L"), 8).shape == (8, 8, 1)
    assert resize(np.zeros((16, 16, 1), np.uint8), 8).shape == (8, 8, 1)


def test_bytes_are_the_nearest():
    assert to_uint8(np.array([-3, 0.4, 0.6, 254.6, 300], np.float32)).tolist() == [0, 0, 1, 255, 255]


@pytest.mark.parametrize(
    ("wrong", "size", "error"),
    [
        (np.zeros((8, 8, 3), np.float32), 4, TypeError),
        (np.zeros((8, 8, 2), np.uint8), 4, ValueError),
        (np.zeros(8, np.uint8), 4, ValueError),
        (Image.new("CMYK", (8, 8)), 4, ValueError),
        (Image.new("RGB", (8, 8)), 0, ValueError),
    ],
)
def test_what_cannot_be_resized_is_refused(wrong, size, error):
    with pytest.raises(error):
        resize(wrong, size)


def test_records_name_the_resizer():
    assert RESIZER == "pillow-bicubic-antialias-float"


def test_colours_that_cannot_be_seen_do_not_bleed_into_those_that_can():
    array = np.zeros((8, 8, 4), np.uint8)  # clear black …
    array[:, 4:] = (200, 100, 50, 255)  # … beside an opaque colour
    got = resize(array, 4)
    seen = got[..., 3] > 0.5
    assert np.abs(got[seen][:, :3] - (200, 100, 50)).max() < 1e-3
    assert got[0, 0].tolist() == [0, 0, 0, 0] and got[0, 3, 3] == 255


@pytest.mark.parametrize("size", [16, 9])
def test_opaque_images_are_resized_as_those_without_alpha(size):
    opaque = np.concatenate([noise(16, 16), np.full((16, 16, 1), 255, np.uint8)], axis=-1)
    got = resize(opaque, size)
    assert np.abs(got[..., :3] - resize(opaque[..., :3], size)).max() < 1e-3 and (got[..., 3] == 255).all()


def test_a_image_with_alpha_of_its_own_size_stays_what_it_is():
    array = np.random.RandomState(0).randint(0, 256, (16, 16, 4)).astype(np.uint8)
    assert (to_uint8(resize(array, 16)) == array).all()
