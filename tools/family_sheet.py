"""Draws a family beside its teacher: a row per model, a column per seed, all scaled to one size.

    python tools/family_sheet.py docs/images/family.jpg [--psi 0.7] [--tile 192] [--crop]

`--crop` shows the middle of each face enlarged four times, where blur, grids and wrong colors would be seen.
"""

import argparse
from pathlib import Path

import torch
from torch.nn.functional import interpolate

import ganzoo
from ganzoo.models.factory import config_of
from ganzoo.system.images import shrink, to_images

TEACHER, SEEDS = "mobilestylegan_ffhq", range(8)
EYES = (0.38, 0.36)  # left and top of the crop, as shares of the image
SHARE = 0.25


@torch.inference_mode()
def draw(path: Path, psi: float, tile: int, crop: bool) -> None:
    """Write the sheet."""
    models = sorted(
        ganzoo.list_models(f"{TEACHER}*"),
        key=lambda name: (-config_of(name).resolution, name.endswith("lite")),
    )
    rows = []
    for name in models:
        generator = ganzoo.deploy(ganzoo.create(name))
        images = [generator(generator.sample_z(1, seed), truncation_psi=psi) for seed in SEEDS]
        rows.append(torch.cat([scaled(cut(x) if crop else x, tile) for x in images], dim=3))
    [sheet] = to_images(torch.cat(rows, dim=2))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=88)
    print(f"{path}: {', '.join(models)} from top to bottom")


def cut(image: torch.Tensor) -> torch.Tensor:
    """A quarter of the image's side, around the eyes and the nose."""
    side = image.shape[-1]
    left, top = (int(share * side) for share in EYES)
    return image[:, :, top : top + int(SHARE * side), left : left + int(SHARE * side)]


def scaled(image: torch.Tensor, side: int) -> torch.Tensor:
    """An image of that side: means over areas, or enlarged smoothly."""
    if image.shape[-1] >= side:
        return shrink(image, side)
    return interpolate(image, size=(side, side), mode="bicubic")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--psi", type=float, default=0.7)
    parser.add_argument("--tile", type=int, default=192)
    parser.add_argument("--crop", action="store_true")
    draw(**vars(parser.parse_args()))
