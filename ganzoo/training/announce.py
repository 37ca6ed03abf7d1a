"""What a run will cost, told before it starts: networks, memory, disk, speed and the time to its end."""

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from torch import nn

from ganzoo.charts.text import si
from ganzoo.generators.config import GeneratorConfig
from ganzoo.models.cost import costs
from ganzoo.training.cache import TeacherCache
from ganzoo.training.distillation import DistillationTask
from ganzoo.training.distillation_settings import DistillationSettings
from ganzoo.training.memory import estimate_bytes, memory_line
from ganzoo.training.optimizers import moments
from ganzoo.training.pace import duration, speed
from ganzoo.training.settings import GIB
from ganzoo.training.task import Task
from ganzoo.training.trial import Speed, measure_speed
from ganzoo.training.warm_start import WarmStart, learning_lines

LONG = 2 * 86400  # seconds after which a way to shorten it is told


def announce(
    task: DistillationTask,
    state: Any,
    *,
    kimg: float,
    caches: Sequence[TeacherCache],
    start: WarmStart | None = None,
) -> Speed:
    """Measure the speed on every process, tell all of the cost on the main one, and return the speed.

    Args:
        task: What will be trained.
        state: Accelerate's `PartialState`.
        kimg: Thousands of images that were learnt from before.
        caches: Images of the teacher that may be missing.
        start: What the student took over.
    """
    settings = task.settings
    judged = None if task.discriminator is None else task.discriminator.seen

    def tell(*lines: str) -> None:
        if state.is_main_process:
            print(*lines, sep="\n", file=sys.stderr, flush=True)

    missing = sum(cache.length(k) for cache in caches for k in cache.missing())
    tell(
        *network_lines(settings.student, task.teacher.original.config),
        *(start.lines() if start is not None else []),
        *learning_lines(task.student, settings.freeze, settings.lr_scale),
        memory_line(
            estimate_bytes(settings, state.num_processes, task.network, judged),
            state.device,
            " beside the teacher",
        ),
        disk_line(task, missing),
        "Measuring the speed of a step ...",
    )
    share = settings.batch_size // (state.num_processes * settings.accumulate)
    found = measure_speed(task, settings, share)
    left = settings.steps * settings.batch_size - round(kimg * 1000)
    tell(*time_lines(found, settings, state.num_processes, left=left, missing=missing))
    return found


def per_second(found: Speed, settings: DistillationSettings, num_processes: int) -> float:
    """Images that all processes learn from in a second."""
    made = 0.0 if settings.cache.images else found.teacher
    return num_processes / (found.learning + made)


def network_lines(student: GeneratorConfig, teacher: GeneratorConfig) -> list[str]:
    """What both networks cost, and a warning where the student is the dearer one."""
    both = []
    for config in (student, teacher):
        cost = costs(config)
        parts = [cost["mapping"], cost["deployed synthesis"]]
        both.append((sum(part.parameters for part in parts), sum(part.macs for part in parts)))
    (parameters, macs), (theirs, their_macs) = both
    told = [
        f"{name} of {config.resolution} x {config.resolution}: {si(p)} parameters, {si(m)} MACs."
        for name, config, (p, m) in zip(("Student", "Teacher"), (student, teacher), both, strict=True)
    ]
    if parameters > theirs or macs > their_macs:
        told.append(
            f"Warning: the student is dearer than its teacher: {si(parameters)} parameters and {si(macs)} "
            f"MACs, not {si(theirs)} and {si(their_macs)}. channel_base or channel_max make it smaller."
        )
    return told


def disk_line(task: DistillationTask, missing: int) -> str:
    """What a checkpoint, the result and the teacher's images take on the disk."""
    settings, kept = task.settings, task.settings.keep_checkpoints
    parts = [
        f"a checkpoint {size_text(checkpoint_bytes(task))} ({kept} {'is' if kept == 1 else 'are'} kept)",
        f"the student {size_text(bytes_of(task.student))}",
    ]
    if missing:
        image = 2 * settings.student.img_channels * settings.student.resolution**2
        parts.append(f"images of the teacher {size_text(missing * image)}")
    return f"Disk: {', '.join(parts)}."


def checkpoint_bytes(task: Task) -> int:
    """Bytes of a checkpoint: weights, their average, and what the optimizers keep of every weight."""
    total = bytes_of(task.modules[task.averaged])
    for name, module in task.modules.items():
        trained = sum(p.nbytes for p in module.parameters() if p.requires_grad)
        total += bytes_of(module) + round(moments(task.optimizers[name]) * trained)
    return total


def time_lines(
    found: Speed,
    settings: DistillationSettings,
    num_processes: int,
    *,
    left: int,
    missing: int,
    now: datetime | None = None,
) -> list[str]:
    """Speed and time: of the teacher's images, of learning, of measuring; and when all of it ends."""
    rate = per_second(found, settings, num_processes)
    measurements = 1 + (int(left / 1000 / settings.eval_every) if settings.eval_every else 0)
    parts = [
        ("the teacher's images", missing * found.teacher / num_processes),
        ("learning", left / rate),
        ("measuring", measurements * settings.held_out.num * found.student / num_processes),
    ]
    total = sum(seconds for _, seconds in parts)
    end = (now or datetime.now().astimezone()) + timedelta(seconds=min(total, 1e10))
    told = ", ".join(f"{name} {duration(seconds)}" for name, seconds in parts if seconds >= 1)
    lines = [
        f"Speed: {speed(rate)}. {left / 1000:g} kimg end in about {duration(total)}, {end:%Y-%m-%d %H:%M}"
        + (f": {told}." if told else ".")
    ]
    if total > LONG:
        shorter = ["a smaller resolution", "a smaller kimg"]
        if settings.uses_gan:
            shorter.append("loss.gan.weight=0")
        if not settings.cache.images:
            shorter.append("cache.images=8192")
        lines.append(f"That is long. Shorter: {', '.join(shorter)}. Ctrl-C stops.")
    return lines


def bytes_of(module: nn.Module) -> int:
    """Bytes of a module's tensors."""
    return sum(x.nbytes for x in module.state_dict().values())


def size_text(count: int) -> str:
    """Bytes as people say them."""
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / 2**20:.3g} MiB"
