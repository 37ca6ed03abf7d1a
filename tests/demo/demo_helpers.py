"""A tiny model with directions, and its page."""

import numpy as np
import torch
from helpers import tiny, trained
from PIL import Image

import ganzoo
from ganzoo.latent.directions import Direction, Directions, write_directions
from ganzoo.latent.saved import fingerprint


def saved_model(folder, **settings):
    """A trained-looking MobileStyleGAN of 16 x 16 with the directions `turn` and `wave`."""
    generator = trained(tiny("wavelet", **settings))
    ganzoo.save(generator, folder)
    found = (Direction("turn", torch.eye(8)[0], 1.0), Direction("wave", torch.eye(8)[3], 0.5, (2, 4)))
    write_directions(folder, Directions(found, fingerprint(generator)))
    return folder


def pixels(file):
    """An image file as an array."""
    with Image.open(file) as image:
        return np.array(image)


def expected(generator, w):
    """The array of the image of a w."""
    with torch.inference_mode():
        [image] = generator.to_pil(generator.draw(w))
    return np.array(image)
