import io

import numpy as np
import pytest
from PIL import Image

from ganzoo.compare.images import COLOURS, amplification, colour_map, encode


def test_a_small_image_is_kept_to_the_pixel():
    image = Image.fromarray(np.random.RandomState(0).randint(0, 256, (32, 32, 3), np.uint8))
    found = encode(image)
    assert found.media_type == "image/png" and found.uri.startswith("data:image/png;base64,")
    assert (np.array(Image.open(io.BytesIO(found.data))) == np.array(image)).all()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_large_image_is_shrunk(mode):
    found = encode(Image.new(mode, (1024, 1024), "white"))
    assert (found.media_type, found.side) == ("image/jpeg", 512)
    assert Image.open(io.BytesIO(found.data)).size == (512, 512)


@pytest.mark.parametrize(("top", "factor"), [(1.0, 1), (0.3, 2), (0.25, 4), (1e-4, 64), (0.0, 64)])
def test_differences_are_amplified_until_they_fill_the_scale(top, factor):
    assert amplification([np.full((4, 4), top), np.zeros((4, 4))]) == factor


def test_a_difference_is_coloured_from_dark_to_bright():
    image = np.array(colour_map(np.array([[0.0, 0.125, 0.25, 1.0]]), 4))[0]
    assert ["#" + bytes(pixel).hex() for pixel in image[[0, 2, 3]]] == [COLOURS[0], *[COLOURS[-1]] * 2]
    assert image.sum(axis=-1)[0] < image.sum(axis=-1)[1] < image.sum(axis=-1)[2]
