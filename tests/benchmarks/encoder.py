"""How near an encoder comes in one pass and refined, and what it saves a projection, as Markdown.

    python tests/benchmarks/encoder.py mobilestylegan_ffhq_encoder mobilestylegan_ffhq_64 --num 64 --steps 60

Targets are the generator's own images of seeds that no training sees, psi 0.7. PSNR: range 2, unclipped, mean
over images. Projections are in W, of the first --projected targets, by `ganzoo.projection.projecting`;
their table holds the first step at which the median of PSNR reaches so many dB. With --out, a sheet is made:
target, mean w, linear map alone, encoder, refined.
"""

import argparse
from pathlib import Path

import torch

import ganzoo
from ganzoo.features.networks import load_features
from ganzoo.metrics.distances import perceptual, psnr
from ganzoo.metrics.seeds import HELD_OUT_SEED
from ganzoo.projection.distance import FEATURES
from ganzoo.projection.encoder import load_encoder
from ganzoo.projection.projecting import project
from ganzoo.projection.statistics import w_statistics
from ganzoo.system.images import contact_sheet, save_png, to_images

JUDGE, PSI, PART, SHOWN, LEVELS = "efficientnet_lite1", 0.7, 8, 12, (18, 20, 22, 24, 26)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("encoder")
    parser.add_argument("model")
    parser.add_argument("--num", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--projected", type=int, default=8)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    generator, encoder = ganzoo.create(options.model).requires_grad_(False), load_encoder(options.encoder)
    with torch.inference_mode():
        z = generator.sample_z([HELD_OUT_SEED + i for i in range(options.num)])
        targets = drawn(generator, generator.mapping(z, truncation_psi=PSI))
        ways = starts(generator, encoder, targets, options.rounds)
        print_distances(generator, ways, targets, options.out)
    if options.steps:
        kept = {name: ways[name] for name in ("mean w", "one pass", "refined 1")}
        print_steps(generator, kept, targets[: options.projected], options.steps)


def drawn(generator, w):
    return torch.cat([generator.synthesis(part).image for part in w.split(PART)])


def starts(generator, encoder, targets, rounds):
    """The w of every way, by its name."""
    parts = targets.split(PART)
    ways = {"mean w": generator.mapping.w_avg.expand(len(targets), generator.num_ws, -1)}
    inner, encoder.inner = encoder.inner, None
    ways["linear map"] = torch.cat([encoder.refined(part, generator, 0) for part in parts])
    encoder.inner = inner
    ways["one pass"] = torch.cat([encoder.refined(part, generator, 0) for part in parts])
    for n in range(1, rounds + 1):
        ways[f"refined {n}"] = torch.cat([encoder.refined(part, generator, n) for part in parts])
    return ways


def print_distances(generator, ways, targets, out):
    judge, sheets = load_features(JUDGE), [targets[:SHOWN]]
    print(f"| w | PSNR | perceptual ({JUDGE}) |\n|---|---|---|")
    for name, w in ways.items():
        images = drawn(generator, w)
        pairs = zip(images.split(PART), targets.split(PART), strict=True)
        far = torch.cat([perceptual(judge, a, b) for a, b in pairs]).mean().item()
        print(f"| {name} | {psnr(images, targets).mean():.2f} | {far:.3f} |", flush=True)
        if name in ("mean w", "linear map", "one pass", "refined 1"):
            sheets.append(images[:SHOWN])
    if out is not None:
        rows = [to_images(torch.cat(list(row), dim=2)[None])[0] for row in torch.stack(sheets, dim=1)]
        save_png(contact_sheet(rows), out, {"order": "target, mean, linear, one pass, refined 1"})


def print_steps(generator, ways, targets, steps):
    known = {"features": load_features(FEATURES), "statistics": w_statistics(generator)}
    print(f"\n| start | {' | '.join(f'{level} dB' for level in LEVELS)} | at the end |")
    print("|---" * (2 + len(LEVELS)) + "|")
    for name, w in ways.items():
        medians = []

        def report(step, medians=medians):
            medians.append(psnr(step.images, targets).median().item())

        start = None if name == "mean w" else w[: len(targets)].clone()
        found = project(generator, targets.clone(), steps=steps, start=start, report=report, **known)
        first = [next((i for i, value in enumerate(medians) if value >= level), None) for level in LEVELS]
        told = " | ".join("-" if n is None else str(n) for n in first)
        print(f"| {name} | {told} | {psnr(found.images, targets).median():.2f} |", flush=True)


if __name__ == "__main__":
    main()
