"""Weights in float16: half the size, and what that does to the images."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from ganzoo.generators.generator import Generator
from ganzoo.models.golden import GOLDEN_FILE, write_golden
from ganzoo.models.weights import WEIGHTS_FILE, load_weights, weights_digest, write_weights
from ganzoo.system.differences import psnr

SEEDS = range(4)
PSI = 0.7


@dataclass(frozen=True)
class Rounding:
    """Images of rounded weights against those of the original ones, of a range of 2.

    Attributes:
        largest: Largest difference of any value.
        psnr: PSNR as `ganzoo.system.differences` defines it; infinite where nothing differs.
    """

    largest: float
    psnr: float

    def __str__(self) -> str:
        return (
            f"largest difference {self.largest:.2g} of a range of 2, PSNR {self.psnr:.1f} dB, mean over "
            f"{len(SEEDS)} images (seeds {SEEDS[0]} to {SEEDS[-1]}, truncation psi {PSI}, constant noise)"
        )


def write_rounded(generator: Generator, folder: Path, metadata: Mapping[str, str]) -> Rounding:
    """Write a generator's weights in float16, and their golden file; what the rounding costs.

    Raises:
        ValueError: if a weight is too large for float16.
    """
    weights = folder / WEIGHTS_FILE
    write_weights(generator, weights, metadata, torch.float16)
    rounded: Generator = load_weights(generator.config, weights)
    for name, tensor in rounded.state_dict().items():
        if not tensor.isfinite().all():
            raise ValueError(f"float16 is too small for {name!r}: push these weights as they are.")
    write_golden(rounded, folder / GOLDEN_FILE, weights_digest(rounded))
    differences, ratios = [], []
    label = torch.eye(1, generator.label_dim) if generator.label_dim else None
    with torch.inference_mode():
        for seed in SEEDS:
            z = generator.sample_z(1, seed)
            image, expected = rounded(z, label, PSI), generator(z, label, PSI)
            differences.append((image - expected).abs().max().item())
            ratios.append(psnr(image, expected).item())
    largest = max(differences)
    return Rounding(largest, statistics.fmean(ratios) if largest else math.inf)
