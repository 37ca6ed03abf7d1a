"""Prints seconds per kimg of adversarial training on the CPU, by phase and part, and the peak memory.

    python tests/benchmarks/train_step.py [--resolution 64] [--batch 8] [--p 0.2] [--rounds 5] [--threads 2]
        [--json FILE] [key=value …]

The steps are those of the training loop on `ganzoo train stylegan2`, with the settings of `training=auto`,
augmentation at a strength that stays, and made-up images. In every round all four phases come once; in kimg
they count as often as they come. CPU seconds are those of all threads in user mode: more or less true on a
machine that others use. More settings may follow, such as `channel_base=32768` or `augment=none`.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.provenance import provenance
from ganzoo.training.adversarial import AdversarialTask
from ganzoo.training.adversarial_run import AdversarialRun
from ganzoo.training.compose import plan
from ganzoo.training.devices import start
from ganzoo.training.loop import Trainer

IMAGES = 64  # of the made-up set
EVERY = "every step"
Seconds = tuple[float, float]  # wall, CPU in user mode
Part = tuple[str, str]  # phase, what


class Clock:
    """Seconds of parts since `take`; time in an inner part is not that of the outer one."""

    def __init__(self) -> None:
        self.phase, self.parts, self.inner = EVERY, dict[Part, Seconds](), [(0.0, 0.0)]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block as this part of the phase."""
        began, phase = _now(), self.phase
        self.inner.append((0.0, 0.0))
        yield
        passed = _add(_now(), began, -1)
        own = _add(passed, self.inner.pop(), -1)
        self.inner[-1] = _add(self.inner[-1], passed)
        self.parts[phase, name] = _add(self.parts.get((phase, name), (0.0, 0.0)), own)

    def wrap(self, owner: Any, method: str, name: str) -> None:
        """Count every call of a method as this part."""
        original: Callable[..., Any] = getattr(owner, method)

        def timed(*arguments: Any, **options: Any) -> Any:
            with self.part(name):
                return original(*arguments, **options)

        setattr(owner, method, timed)

    def take(self) -> dict[Part, Seconds]:
        """Seconds of all parts; counting starts again."""
        found, self.parts = self.parts, {}
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--p", type=float, default=0.2, help="strength of the augmentation")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    parser.add_argument("settings", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()  # as the commands do
    imported = _peak()
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"resolution={arguments.resolution}", f"batch_size={arguments.batch}"]
        settings += [f"ada.fixed={arguments.p}", *arguments.settings]
        trainer = trainer_of(settings, Path(folder))
        rounds = measured(trainer, arguments.rounds)
    intervals = {EVERY: 1} | {phase.name: phase.interval for phase in trainer.task.phases(0.0)}
    found = {
        "resolution": arguments.resolution, "batch": arguments.batch, "p": arguments.p,
        "threads": arguments.threads, "settings": arguments.settings, "rounds": arguments.rounds,
        "hardware": provenance().hardware, "date": provenance().date, "torch": torch.__version__,
        "parts": [
            {"phase": phase, "part": part, "interval": intervals[phase], "wall": wall, "cpu": cpu}
            for (phase, part), (wall, cpu) in medians(rounds).items()
        ],
        "peak_gib": _peak(), "imports_gib": imported,
    }  # fmt: skip
    tell(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


def trainer_of(settings: Sequence[str], folder: Path, device: str = "cpu") -> Trainer:
    """The loop of a run on made-up images.

    Args:
        settings: Settings of the command line; the last one of a name counts.
        folder: Folder for images and what is decoded.
        device: Device to train on.
    """
    given = {text.partition("=")[0]: text for text in settings}
    side, random = int(given["resolution"].partition("=")[2]), np.random.default_rng(0)
    images = folder / "images"
    images.mkdir()
    for number in range(IMAGES):
        coarse = Image.fromarray(random.integers(256, size=(4, 4, 3), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(images / f"{number}.png")
    own = [f"data={images}", f"out={folder / 'run'}", f"cache.folder={folder / 'decoded'}"]
    own += [f"device={device}", "quality.metrics=[]"]
    [job] = plan("stylegan2", [*own, *given.values()], task="adversarial").jobs
    state = start(device)
    task = AdversarialRun.load(job.settings, state)
    return Trainer(task, job.settings, state, folder / "checkpoints")


def measured(trainer: Trainer, count: int) -> list[dict[Part, Seconds]]:
    """Seconds of the parts of so many steps in which all phases come, after one that warms up."""
    clock, task = Clock(), trainer.task
    assert isinstance(task, AdversarialTask)
    update = trainer._update

    def phased(phase: Any, batches: Any) -> Any:
        clock.phase = phase.name
        found = update(phase, batches)
        clock.phase = EVERY
        return found

    trainer._update = phased  # type: ignore[method-assign]
    clock.wrap(trainer, "_batches", "fetching")
    clock.wrap(task, "loss", "forward")
    clock.wrap(task.augment, "forward", "augmentation, forward")
    clock.wrap(torch.Tensor, "backward", "backward")
    clock.wrap(torch.nn.utils, "clip_grad_norm_", "norm of the gradients")
    for optimizer in trainer.optimizers.values():
        clock.wrap(optimizer, "step", "Adam")
    clock.wrap(trainer.ema, "update", "EMA")
    rounds = []
    every = max(phase.interval for phase in task.phases(0.0))
    for number in range(count + 1):
        trainer.step = number * every
        with clock.part("rest"):
            trainer._step()
        rounds.append(clock.take())
    return rounds[1:]


def medians(rounds: list[dict[Part, Seconds]]) -> dict[Part, Seconds]:
    """Median seconds of every part."""
    return {
        part: tuple(statistics.median(found[part][i] for found in rounds) for i in range(2))
        for part in rounds[0]
    }  # type: ignore[misc]


def tell(found: dict[str, Any]) -> None:
    """A table of parts, of phases, and of a thousand images."""
    side, batch = found["resolution"], found["batch"]
    print(
        f"{side} x {side}, batch {batch}, p {found['p']:g}, {found['threads']} threads, torch "
        f"{found['torch']}, {found['hardware']}, median of {found['rounds']}"
    )
    print(f"{'s':38}{'wall':>9}{'CPU':>9}{'a kimg, wall':>14}{'CPU':>9}")
    for phase in dict.fromkeys(part["phase"] for part in found["parts"]):
        own = [part for part in found["parts"] if part["phase"] == phase]
        if phase != EVERY:
            whole = {key: sum(part[key] for part in own) for key in ("wall", "cpu")}
            print(_row(phase, {**whole, "interval": own[0]["interval"]}, batch))
        for part in own:
            print(_row(part["part"] if phase == EVERY else f"  {part['part']}", part, batch))
    total = {key: sum(part[key] / part["interval"] for part in found["parts"]) for key in ("wall", "cpu")}
    print(_row("mean step", {**total, "interval": 1}, batch))
    print(f"peak memory {found['peak_gib']:.2f} GiB ({found['imports_gib']:.2f} GiB after the imports)")


def _row(name: str, part: dict[str, Any], batch: int) -> str:
    share = 1000 / batch / part["interval"]
    figures = f"{part['wall']:9.3f}{part['cpu']:9.3f}{share * part['wall']:14.1f}{share * part['cpu']:9.1f}"
    return f"{name:38}{figures}"


def _now() -> Seconds:
    return time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime


def _add(a: Seconds, b: Seconds, sign: int = 1) -> Seconds:
    return a[0] + sign * b[0], a[1] + sign * b[1]


def _peak() -> float:
    """GiB at the high-water mark. Linux: `getrusage` would tell of the parent process, too."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**20


if __name__ == "__main__":
    main()
