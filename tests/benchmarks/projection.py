"""How near projections come to images that the network made itself, in W and from there in W+.

    python tests/benchmarks/projection.py mobilestylegan_ffhq --seeds 8

Prints a row per seed and the medians: PSNR in dB (range 2, unclipped, at the network's own size), steps, and
seconds of the processor, which a busy machine stretches less than the clock. With --out, targets and what was
found are written side by side.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch

import ganzoo
from ganzoo.features.networks import load_features
from ganzoo.metrics.distances import psnr
from ganzoo.projection.distance import FEATURES
from ganzoo.projection.family import smaller_members
from ganzoo.projection.projecting import W_PLUS, W, project
from ganzoo.projection.statistics import w_statistics
from ganzoo.system.images import contact_sheet, save_png, to_images

FIRST_SEED = 1001


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--psi", type=float, default=0.7)
    parser.add_argument("--steps", type=int, nargs=2, default=[100, 50], help="in W, and from there in W+")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = ganzoo.create(options.model).requires_grad_(False)
    coarse = [ganzoo.create(name).requires_grad_(False) for name in smaller_members(options.model)]
    known = {"features": load_features(FEATURES), "statistics": w_statistics(generator)}
    rows = []
    print("seed   W dB  steps  seconds   W+ dB  steps  seconds", flush=True)
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        with torch.no_grad():
            target = generator(generator.sample_z(1, seed=seed), truncation_psi=options.psi)
        began = time.process_time()
        in_w = project(generator, target, space=W, steps=options.steps[0], coarse=coarse, **known)
        between = time.process_time()
        in_w_plus = project(generator, target, space=W_PLUS, steps=options.steps[1], start=in_w.w, **known)
        rows.append(
            (
                psnr(in_w.images, target).item(),
                between - began,
                psnr(in_w_plus.images, target).item(),
                time.process_time() - between,
            )
        )
        near, first, nearer, second = rows[-1]
        steps = options.steps
        print(
            f"{seed} {near:7.2f} {steps[0]:6} {first:8.0f} {nearer:7.2f} {steps[1]:6} {second:8.0f}",
            flush=True,
        )
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            three = [to_images(x)[0] for x in (target, in_w.images, in_w_plus.images)]
            save_png(contact_sheet(three), options.out / f"seed{seed}.png", {"seed": seed})
    medians = [statistics.median(column) for column in zip(*rows, strict=True)]
    print(f"median {medians[0]:.2f} dB in W, {medians[2]:.2f} dB in W+")


if __name__ == "__main__":
    main()
