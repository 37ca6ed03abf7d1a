"""The sheet of images that a card shows."""

from pathlib import Path

import torch
from PIL import Image

from ganzoo.generators.deploy import deploy
from ganzoo.models.factory import create
from ganzoo.system.images import check_channels, contact_sheet, tile_side, to_images

_SEEDS, _PSI = range(24), 0.7
CAPTION = f"Seeds {_SEEDS[0]} to {_SEEDS[-1]}, truncation psi {_PSI}, constant noise."


def draw_samples(folder: Path) -> Image.Image:
    """A sheet of images by the model in a folder.

    Raises:
        ValueError: for a number of channels that no image file has.
    """
    generator = deploy(create(f"dir:{folder}"))
    check_channels(generator.img_channels, str(folder))
    side = tile_side(len(_SEEDS), generator.resolution)
    label = torch.eye(1, generator.label_dim) if generator.label_dim else None
    with torch.inference_mode():
        tiles = [
            to_images(generator(generator.sample_z(1, seed), label, _PSI))[0].resize((side, side))
            for seed in _SEEDS
        ]
    return contact_sheet(tiles)
