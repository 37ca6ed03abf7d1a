"""What the original drew, as rows of random numbers of ours."""

from pathlib import Path

import numpy as np
import torch

from ganzoo.blocks.ada.block import COLUMNS

FOLDER = Path(__file__).parent / "golden" / "ada"
NORMAL = {"scale", "aniso", "xfrac", "brightness", "contrast", "saturation"} | {f"band{i}" for i in range(4)}


def load(name):
    return {key: torch.from_numpy(value) for key, value in np.load(FOLDER / f"{name}.npz").items()}


INPUTS = load("inputs")


def images_for(expected, case):
    """The images that the original was given, as many as it kept."""
    name = "images" if expected.shape[1] == 3 else "gray" if expected.shape[2] == 16 else "gray_large"
    assert ("gray" in case) == (name != "images")
    return INPUTS[name][: len(expected)]


def percentile_rows(percentile, n):
    """Rows with which every transform is drawn at the original's debug percentile.

    Its normal draws are erfinv(2q - 1), without the root of 2 of a quantile; noise takes erfinv(q). The
    second turn is 0.
    """
    q = torch.tensor(percentile, dtype=torch.float32).double()
    numbers = {name: torch.special.ndtr(torch.erfinv(2 * q - 1)) for name in NORMAL}
    numbers |= {"noise": torch.special.ndtr(torch.erfinv(q)), "rotate_after": torch.tensor(0.5)}
    row = [[numbers.get(name, q)] * count + [torch.tensor(0.0)] for name, count in COLUMNS.items()]
    return torch.tensor([float(x) for columns in row for x in columns], dtype=torch.float64).repeat(n, 1)


def drawn_rows(draws, case):
    """Rows of the numbers that the original drew in that case, and the noise that it drew, if any."""
    numbers = iter([draws[key] for key in sorted(draws) if key.startswith(f"{case}_draw")])
    gray, whole, rows, field = "gray" in case, case.startswith("bgcfnc"), [], None

    def following(normal=False):
        number = next(numbers).double().reshape(4, -1)
        return torch.special.ndtr(number) if normal else number

    for name, count in COLUMNS.items():
        off = (gray and name in ("hue", "saturation")) or (not whole and name in ("noise", "cutout"))
        if off or name == "field" or (not whole and name.startswith("band")):
            rows.append(torch.zeros(4, count + 1, dtype=torch.float64))
        elif name == "cutout":
            gate, center = following(), following()
            rows += [center, gate]
        else:
            rows += [following(normal=name in NORMAL or name == "noise"), following()]
        if name == "noise" and whole:
            field = next(numbers)
    assert next(numbers, None) is None
    return torch.cat(rows, dim=1), field
