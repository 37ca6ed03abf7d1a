"""Prints the members of a published family beside their teacher: cost, time, size and quality, as Markdown.

    python tests/benchmarks/family.py [--num 500] [--features efficientnet_lite1] [--rounds 9] [--threads 2]

Quality is measured on latents that training never sees, against the teacher's image scaled down by area.
PSNR: range 2, unclipped, mean over images. Frechet distance: from the teacher's images of other latents; its
floor is that of the teacher itself. The teacher's images are made once, and kept where training keeps them.
Times are medians of rounds in which all members take turns; `--rounds 0` leaves them out.
"""

import argparse
import statistics as medians
import sys
from functools import partial

import numpy as np
import torch

import ganzoo
from ganzoo import runtimes
from ganzoo.features.networks import load_features
from ganzoo.metrics.distances import distance
from ganzoo.metrics.figures import frechet_distance, statistics
from ganzoo.models.cost import costs
from ganzoo.models.factory import config_of
from ganzoo.models.published import model_entry
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.timing import in_turns
from ganzoo.training.cache import TeacherCache
from ganzoo.training.distillation_settings import DistillationSettings
from ganzoo.training.held_out import features_of
from ganzoo.training.latents import HELD_OUT
from ganzoo.training.teacher import Teacher

TEACHER, ENGINES, PART = "mobilestylegan_ffhq", ("openvino", "onnxruntime"), 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="by default all that are published")
    parser.add_argument("--num", type=int, default=500)
    parser.add_argument("--features", default="efficientnet_lite1")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    models = options.models or ganzoo.list_models(f"{TEACHER}_*")
    models.sort(key=lambda name: (-config_of(name).resolution, name.endswith("lite")))
    times = timed([TEACHER, *models], options.rounds, options.threads)
    network = load_features(options.features)
    print(f"| model | image | MACs | {' | '.join(ENGINES)} | file | PSNR | perceptual | Frechet | floor |")
    print("|---" * (8 + len(ENGINES)) + "|")
    print(row(TEACHER, times, []))
    for name in models:
        print(row(name, times, quality(name, network, options.num)), flush=True)


def row(name: str, times: dict[str, list[float]], figures: list[str]) -> str:
    """A line of the table."""
    config, entry = config_of(name), model_entry(name)
    macs = costs(config)["deployed synthesis"].macs
    milliseconds = [
        f"{1e3 * t:.0f} ms ({t / first:.2f})" for t, first in zip(times[name], times[TEACHER], strict=True)
    ]
    size = sum(source.bytes for source in entry.sources[:1]) / 1e6
    cells = [name, str(config.resolution), f"{macs / 1e9:.2f} G", *(milliseconds or [""] * len(ENGINES))]
    return f"| {' | '.join([*cells, f'{size:.1f} MB', *(figures or [''] * 4)])} |"


@torch.inference_mode()
def timed(models: list[str], rounds: int, threads: int) -> dict[str, list[float]]:
    """Median seconds of an image by every engine, all models in turns."""
    found: dict[str, list[float]] = {name: [] for name in models}
    for engine in ENGINES if rounds else ():
        opened = [runtimes.load(name, engine, threads=threads) for name in models]
        ws = [g.mapping(g.sample_z(1, seed=0)) for g in opened]
        calls = [partial(g.synthesis, w) for g, w in zip(opened, ws, strict=True)]
        for name, seconds in zip(models, zip(*in_turns(calls, rounds), strict=True), strict=True):
            found[name].append(medians.median(seconds))
    return found


@torch.inference_mode()
def quality(name: str, network, num: int) -> list[str]:
    """PSNR, perceptual distance, Frechet distance and its floor."""
    student = ganzoo.create(name)
    teacher, held, real, floor = of_teacher(student.config, network, num)
    psnr, perceptual, own = [], [], []
    for first in range(0, num, PART):
        numbers = [HELD_OUT + k for k in range(first, min(first + PART, num))]
        drawn = teacher.drawn(numbers)
        image = student.synthesis(drawn.w[:, : student.num_ws], drawn.noise).image
        target = held.images(numbers)
        psnr += distance("psnr", image, target, None).tolist()
        perceptual += distance("perceptual", image, target, network).tolist()
        own.append(features_of(network, image))
        print(f"{name}: {first + len(numbers)} of {num}", end="\r", file=sys.stderr)
    distances = frechet_distance(statistics(np.concatenate(own)), real), floor
    return [f"{np.mean(psnr):.2f} dB", f"{np.mean(perceptual):.3f}", *(f"{d:.2f}" for d in distances)]


_SEEN: dict[int, tuple] = {}  # by resolution


def of_teacher(config, network, num: int) -> tuple:
    """The teacher of a student, its held-out images, statistics of others, and their distance."""
    if config.resolution not in _SEEN:
        settings = DistillationSettings(teacher=TEACHER, student=config, out="none")
        teacher = Teacher(ganzoo.create(TEACHER), settings)
        held, others = (TeacherCache(teacher, num, first=first, limit_gib=100.0) for first in (HELD_OUT, 0))
        found = []
        for images in held, others:
            images.fill(images.missing())
            parts = range(images.first, images.first + num, PART)
            numbers = [range(k, min(k + PART, images.first + num)) for k in parts]
            found.append(
                statistics(np.concatenate([features_of(network, images.images(n)) for n in numbers]))
            )
        _SEEN[config.resolution] = teacher, held, found[1], frechet_distance(*found)
    return _SEEN[config.resolution]


if __name__ == "__main__":
    main()
