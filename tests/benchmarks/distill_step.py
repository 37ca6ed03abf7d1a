"""Prints seconds per step of distillation, with a breakdown, kimg per hour and peak memory.

    python tests/benchmarks/distill_step.py [--resolution 256] [--batch 2] [--rounds 5] [--device cpu]
        [--precision fp32] [--threads 2] [key=value …]

By default the step of the reference: a StyleGAN2 teacher of 256 x 256, a MobileStyleGAN student and a
StyleGAN2 discriminator of default widths, pixels and sub-bands, half a GAN term, no perceptual one, then the
discriminator. Networks have random weights: the time does not depend on them. More settings of
`recipes/training/distillation.yaml` may follow, such as `loss.gan.weight=0`.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from omegaconf import OmegaConf

from ganzoo.models.factory import create
from ganzoo.models.recipes import compose
from ganzoo.training.distillation import DistillationTask
from ganzoo.training.distillation_settings import DistillationSettings
from ganzoo.training.loading import networks
from ganzoo.training.teacher import Teacher


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("settings", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = settings_of(arguments)
    task = task_of(settings, arguments.device)

    parts: dict[str, list[float]] = {}
    for i in range(arguments.rounds + 1):
        found = step(task, list(range(i * arguments.batch, (i + 1) * arguments.batch)), arguments.device)
        if i:  # the first one allocates
            for name, seconds in found.items():
                parts.setdefault(name, []).append(seconds)
    medians = {name: statistics.median(times) for name, times in parts.items()}
    interval = settings.loss.r1.interval
    whole = sum(seconds for name, seconds in medians.items() if not name.startswith("r1"))
    penalty = sum(seconds for name, seconds in medians.items() if name.startswith("r1"))
    mean = whole + penalty / interval
    print(f"{arguments.resolution} x {arguments.resolution}, batch {arguments.batch}, {arguments.device}, ")
    print(f"{arguments.precision}, {arguments.threads} threads, torch {torch.__version__}")
    for name, seconds in medians.items():
        share = seconds / interval if name.startswith("r1") else seconds
        spread = f"{min(parts[name]):.3f} to {max(parts[name]):.3f}"
        print(f"  {name:26}{seconds:8.3f} s  ({spread}){100 * share / mean:6.1f} % of a step")
    print(f"step without the penalty: {whole:.3f} s; penalty: {penalty:.3f} s, every {interval} steps")
    print(f"mean step: {mean:.3f} s, {3.6 * arguments.batch / mean:.2f} kimg/h")
    if arguments.device == "cpu":
        print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    else:
        print(f"peak memory: {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")


def settings_of(arguments: argparse.Namespace) -> DistillationSettings:
    """The reference's losses, and what was asked for."""
    student = compose("mobilestylegan", {"resolution": arguments.resolution})
    data: dict[str, Any] = {
        "teacher": "stylegan2",
        "out": "",
        "batch_size": arguments.batch,
        "precision": arguments.precision,
        "loss": {"feature_l1": {"weight": 0.0}},
    }
    changes = OmegaConf.from_dotlist(arguments.settings)
    data = OmegaConf.to_container(OmegaConf.merge(data, changes))  # type: ignore[assignment]
    return DistillationSettings.from_dict({**student, **data})


def task_of(settings: DistillationSettings, device: str) -> DistillationTask:
    """The task, as a run makes it."""
    original = create("stylegan2", resolution=settings.student.resolution, device=device)
    teacher = Teacher(original, settings)
    student, discriminator = networks(settings, teacher, torch.device(device))
    network = None
    if settings.uses_features:
        from ganzoo.features.networks import load_features

        network = load_features(settings.features.name).to(device)
    return DistillationTask(settings, teacher, None, student, discriminator, network)


def step(task: DistillationTask, numbers: list[int], device: str) -> dict[str, float]:
    """Seconds of the parts of a step; the optimisers' are left out, they take a few hundredths."""
    found: dict[str, float] = {}

    def timed(name: str, run: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = run()
        if device != "cpu":
            torch.cuda.synchronize()
        found[name] = time.perf_counter() - began
        return result

    batch = timed("teacher", lambda: task.batch(numbers))
    for phase in task.phases(kimg=1e9):
        loss, _ = timed(f"{phase.name}, forward", lambda p=phase: task.loss(p, batch, 1e9))
        timed(f"{phase.name}, backward", loss.backward)
        for name in phase.modules:
            task.modules[name].zero_grad(set_to_none=True)
    return found


if __name__ == "__main__":
    main()
