"""Prints the time of a discriminator's training on the CPU, the share of its filters, and the peak memory.

    python tests/benchmarks/discriminator_step.py [--resolution 256] [--batch 2] [--rounds 5] [--threads 2]
        [--autocast] [--keep-memory]

The phase of D is the logistic loss of `batch` real and `batch` fake images and its backward; the step with
the gradient penalty is a forward of the real ones, the gradient of the images, and the backward of its
square. CPU seconds are of all threads together: with one thread, they stay true on a machine that others use.
"""

import argparse
import ctypes
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.ops import resample

T = TypeVar("T")

PARTS = ("D forward", "D backward", "R1 forward", "R1 gradient", "R1 backward")
SUMS = {"D phase": PARTS[:2], "R1 step": PARTS[2:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--autocast", action="store_true", help="in bfloat16")
    parser.add_argument(
        "--keep-memory", action="store_true", help="have glibc keep freed memory: no page is cleared twice"
    )
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.keep_memory:
        keep_memory()
    if arguments.memory:
        imports = _peak()
        rounds(arguments, 2)
        print(json.dumps({"imports": imports, "peak": _peak()}))
        return

    figures = rounds(arguments, arguments.rounds + 1)[1:]  # the first one warms up
    precision = "bfloat16" if arguments.autocast else "float32"
    print(
        f"{arguments.batch} images of {arguments.resolution} x {arguments.resolution}, {precision}, "
        f"{arguments.threads} threads, torch {torch.__version__}, median of {arguments.rounds}"
    )
    print(f"{'s':12}{'wall':>8}{'min':>8}{'CPU':>8}{'filters, wall':>15}")
    for name, of in {**{part: (part,) for part in PARTS}, **SUMS}.items():
        wall, cpu, filters = ([sum(figure[part][i] for part in of) for figure in figures] for i in range(3))
        share = statistics.median(filters) / statistics.median(wall)
        medians = f"{statistics.median(wall):8.2f}{min(wall):8.2f}{statistics.median(cpu):8.2f}"
        print(f"{name:12}{medians}{statistics.median(filters):9.2f}{share:6.0%}")
    command = [sys.executable, __file__, *sys.argv[1:], "--memory"]
    memory = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"peak memory {memory['peak']:.2f} GiB ({memory['imports']:.2f} GiB after the imports)")


def rounds(arguments: argparse.Namespace, count: int) -> list[dict[str, tuple[float, float, float]]]:
    """Wall seconds, CPU seconds and wall seconds of the filters of each of `PARTS`, in every round."""
    torch.manual_seed(0)
    settings = {"resolution": arguments.resolution, "channel_base": 32768, "channel_max": 512}
    network = Discriminator(DiscriminatorConfig.from_dict(settings))
    shape = [arguments.batch, 3, arguments.resolution, arguments.resolution]
    random = torch.Generator().manual_seed(1)
    real, fake = (torch.randn(shape, generator=random) for _ in range(2))
    filters = FilterClock()

    def judge(images: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=arguments.autocast):
            return network(images).float()

    result = []
    for _ in range(count):
        seconds: list[tuple[float, float, float]] = []

        def timed(run: Callable[[], T], seconds: list[tuple[float, float, float]] = seconds) -> T:
            filters.seconds, wall, cpu = 0.0, time.perf_counter(), time.process_time()
            value = run()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            seconds.append((wall, cpu, filters.seconds))
            return value

        network.zero_grad()
        loss = timed(lambda: F.softplus(-judge(real)).mean() + F.softplus(judge(fake)).mean())
        timed(loss.backward)
        network.zero_grad()
        images = real.clone().requires_grad_()
        logits = timed(lambda images=images: judge(images).sum())
        slope = timed(lambda y=logits, x=images: torch.autograd.grad(y, x, create_graph=True)[0])
        penalty = slope.square().sum(dim=(1, 2, 3)).mean()
        del logits, slope
        timed(penalty.backward)
        result.append(dict(zip(PARTS, seconds, strict=True)))
    return result


class FilterClock:
    """Seconds spent in filters, forward and backward, since `seconds` was last set."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.plain = resample._resample_plain
        resample._resample_plain = self

    def __call__(self, *arguments: object) -> Tensor:
        start = time.perf_counter()
        result = self.plain(*arguments)
        self.seconds += time.perf_counter() - start
        return result


def keep_memory() -> None:
    """Have glibc take large blocks from the heap, too, and never give it back.

    It maps blocks over 32 MiB anew each time, and the system clears their pages: to double 64 MiB of features
    takes 32 ms so, and 11 in kept memory.
    """
    libc = ctypes.CDLL(None)
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # malloc.h
    for setting, value in ((mmap_threshold, 2**30), (trim_threshold, 2**31 - 1), (top_pad, 2**28)):
        if not libc.mallopt(setting, value):
            raise OSError("This C library does not take mallopt's settings.")


def _peak() -> float:
    """GiB at the high-water mark. Linux: `getrusage` would tell of the parent process, too."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**20


if __name__ == "__main__":
    main()
