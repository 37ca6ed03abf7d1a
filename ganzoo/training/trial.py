"""How fast a run will be: gradients of real images, measured before it starts, which change nothing.

No weight, moment, average or random stream moves, so a run gives the same bits with and without it.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ganzoo.training.distillation import Batch, DistillationTask
from ganzoo.training.distillation_settings import DistillationSettings
from ganzoo.training.latents import Latents
from ganzoo.training.task import Phase, Task

T = TypeVar("T")

ENOUGH = 3.0  # seconds of a measurement
SLOW = 10.0  # seconds of an image, after which it is not made again for the measurement alone


@dataclass(frozen=True)
class Speed:
    """Seconds that an image takes on one process.

    Attributes:
        teacher: To make it, w and noise included.
        learning: To learn from it, all phases by how often they come.
        student: For the student to make it, without gradients.
    """

    teacher: float
    learning: float
    student: float


def measure_speed(task: DistillationTask, settings: DistillationSettings, share: int) -> Speed:
    """Speed of a run's steps.

    One image warms up, is measured, and tells how many fit into `ENOUGH` seconds, at most a process's share
    of a step; so many copies of it are the measurement. Where it is very slow, the first time counts.

    Args:
        task: What will be trained.
        settings: Settings of the run.
        share: Images that a process learns from at once.
    """
    with unchanged(task.modules.values()):
        return _measured(task, settings, share)


def _measured(task: DistillationTask, settings: DistillationSettings, share: int) -> Speed:
    device = task.teacher.device
    count = share if settings.compile else 1  # what is compiled is compiled for a size
    batch, made = timed(lambda: task.batch([0], cached=False), device)
    learning, student, passed = _learning(task, settings, batch, count)
    if made < SLOW:
        batch, made = timed(lambda: task.batch([0], cached=False), device)
    if passed < SLOW or settings.compile:
        learning, student, passed = _learning(task, settings, batch, count)
        if (fitting := min(share, int(ENOUGH * count / passed))) > count:
            learning, student, _ = _learning(task, settings, batch, fitting)
    for module in task.modules.values():
        module.zero_grad(set_to_none=True)
    return Speed(made, learning, student)


def _learning(
    task: DistillationTask, settings: DistillationSettings, one: Batch, count: int
) -> tuple[float, float, float]:
    """Seconds to learn from an image and to make it, in a batch of so many, and all that have passed."""
    device, kimg = task.teacher.device, settings.kimg  # when every phase has set in
    batch = _copies(one, count)
    learning = total = 0.0
    for phase in task.phases(kimg):
        _, seconds = timed(partial(gradients, task, phase, batch, kimg), device)
        learning += seconds / phase.interval
        total += seconds
    with torch.inference_mode():
        w = task.teacher.w_of_student(task.student, batch)
        noise = task.student.synthesis.borrowed(batch.noise)
        _, seconds = timed(lambda: task.student.synthesis(w, noise), device)
    return learning / count, seconds / count, total + seconds


def _copies(one: Batch, count: int) -> Batch:
    """A batch of one image, so many times."""
    own = one.latents
    latents = Latents(
        z=_repeated(own.z, count),
        label=None if own.label is None else _repeated(own.label, count),
        z2=_repeated(own.z2, count),
        crossover=_repeated(own.crossover, count),
    )
    noise = [n if count == 1 else _repeated(n, count) for n in one.noise]
    w, target = _repeated(one.w, count), _repeated(one.target, count)
    return Batch(positions=list(range(count)), latents=latents, w=w, noise=noise, target=target)


def _repeated(x: Tensor, count: int) -> Tensor:
    return torch.cat([x] * count)


@contextmanager
def unchanged(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Behind its block, all buffers hold what they held before it: train mode moves statistics."""
    kept = [(buffer, buffer.clone()) for module in modules for buffer in module.buffers()]
    try:
        yield
    finally:
        for buffer, before in kept:
            buffer.copy_(before)


def gradients(task: Task, phase: Phase, batch: Any, kimg: float) -> None:
    """Loss of a phase, and its gradients in the modules."""
    loss, _ = task.loss(phase, batch, kimg)
    loss.backward()  # type: ignore[no-untyped-call]


def timed(work: Callable[[], T], device: torch.device) -> tuple[T, float]:
    """What a function gives, and the seconds that it took."""
    began = time.perf_counter()
    found = work()
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return found, time.perf_counter() - began
