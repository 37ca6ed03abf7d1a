"""What a run of adversarial training will cost, told before it starts."""

import sys
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from ganzoo.charts.text import si
from ganzoo.models.cost import costs
from ganzoo.training.adversarial import AdversarialTask
from ganzoo.training.announce import LONG, bytes_of, checkpoint_bytes, size_text
from ganzoo.training.memory import adversarial_bytes, memory_line
from ganzoo.training.pace import duration, speed
from ganzoo.training.trial import ENOUGH, gradients, timed, unchanged

_FEW = 4  # images of the first trial: as many as share a deviation


def announce(task: AdversarialTask, state: Any, *, kimg: float) -> float:
    """Measure the speed of a step on every process, tell the cost on the main one; images a second.

    Args:
        task: What will be trained.
        state: Accelerate's `PartialState`.
        kimg: Thousands of images that were learnt from before.
    """
    settings = task.settings

    def tell(*lines: str) -> None:
        if state.is_main_process:
            print(*lines, sep="\n", file=sys.stderr, flush=True)

    cost = costs(settings.generator)
    parts = [cost["mapping"], cost["deployed synthesis"]]
    side = settings.generator.resolution
    judge = sum(p.numel() for p in task.discriminator.parameters())
    tell(
        f"Generator of {side} x {side}: {si(sum(part.parameters for part in parts))} parameters, "
        f"{si(sum(part.macs for part in parts))} MACs. Discriminator: {si(judge)} parameters.",
        memory_line(adversarial_bytes(settings, state.num_processes, task.discriminator.seen), state.device),
        f"Disk: a checkpoint {size_text(checkpoint_bytes(task))} ({settings.keep_checkpoints} kept), the "
        f"generator {size_text(bytes_of(task.generator))}.",
        "Measuring the speed of a step ...",
    )
    share = settings.batch_size // (state.num_processes * settings.accumulate)
    rate: float = state.num_processes / _seconds(task, share)
    left = settings.steps * settings.batch_size / 1000 - kimg
    total = 1000 * left / rate
    end = datetime.now().astimezone() + timedelta(seconds=min(total, 1e10))
    tell(
        f"Speed: {speed(rate)}, {duration(1000 / rate)} a kimg. {left:g} kimg end in about "
        f"{duration(total)}, {end:%Y-%m-%d %H:%M}, and measuring."
    )
    if total > LONG:
        ways = "a smaller resolution, narrower networks (channel_base=2048) or a smaller kimg"
        tell(f"That is long. Shorter: {ways}. Ctrl-C stops, and the same command goes on.")
    return rate


def _seconds(task: AdversarialTask, share: int) -> float:
    """Seconds to learn from an image, all phases by how often they come; nothing that learns changes."""
    count = share if task.settings.compile else min(share, _FEW)
    with unchanged(task.modules.values()):
        found, passed = _learning(task, count)
        if (fitting := min(share, int(ENOUGH * count / passed))) > count:
            found, _ = _learning(task, fitting - fitting % min(share, _FEW))
    for module in task.modules.values():
        module.zero_grad(set_to_none=True)
    return found


def _learning(task: AdversarialTask, count: int) -> tuple[float, float]:
    """Seconds to learn from an image in a batch of so many, and all that have passed."""
    batch, learning = timed(lambda: task.batch(range(count)), task.device)
    total = learning
    for phase in task.phases(0.0):
        _, seconds = timed(partial(gradients, task, phase, batch, 0.0), task.device)
        learning += seconds / phase.interval
        total += seconds
    return learning / count, total
