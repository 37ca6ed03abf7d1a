"""Prints how long the importance of a model's channels takes, by which a narrower student begins.

python tests/benchmarks/channel_scores.py [--model NAME] [--kind response] [--samples 50] [--levels 6]
"""

import argparse
import time

import torch

import ganzoo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mobilestylegan_ffhq")
    parser.add_argument("--kind", default="response")
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--levels", type=int, help="levels of the student (default: all)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = ganzoo.create(options.model)
    start, used = time.perf_counter(), time.process_time()
    scores = generator.config.channel_scores(
        generator, options.kind, samples=options.samples, levels=options.levels
    )
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    print(f"{len(scores)} places, {sum(map(len, scores.values()))} channels: {options.kind}")
    print(f"{seconds:.1f} s, {processor:.1f} s of one core")


if __name__ == "__main__":
    main()
