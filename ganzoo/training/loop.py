"""The loop: phases, updates, averages and everything that happens every so many images.

Processes share each step's images and average their gradients once per update, in one message. That is
what DistributedDataParallel does, too, but phases that share a forward pass and a second derivative need no
exceptions here.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganzoo.system.interruption import StopRequest
from ganzoo.training.ahead import Ahead
from ganzoo.training.checkpoint import (
    checkpoints,
    load_checkpoint,
    load_optimizer,
    optimizer_tensors,
    parts_of,
    save_checkpoint,
    save_facts,
)
from ganzoo.training.ema import EMA
from ganzoo.training.optimizers import create_optimizer, schedule
from ganzoo.training.parts import groups
from ganzoo.training.settings import LoopSettings
from ganzoo.training.task import Phase, Task


class TrainingError(ValueError):
    """Training cannot go on; the message says what was kept."""


@dataclass
class Events:
    """What happens at times, on every process.

    Args:
        log: Call every `log_kimg`, with mean terms since the last time and seconds passed.
        sheet: Call every `sample_kimg` and at the end.
        measure: Call every `eval_every`; its result is saved with the checkpoint.
        step: Call after every step, with the image count.
    """

    log: Callable[[float, dict[str, float], float], None] = lambda kimg, terms, seconds: None
    sheet: Callable[[float], None] = lambda kimg: None
    measure: Callable[[float], None] = lambda kimg: None
    step: Callable[[int], None] = lambda images: None


@dataclass
class _Means:
    """Terms summed over steps without waiting for the device."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, terms: dict[str, Tensor]) -> None:
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0) + value.float()
            self.counts[name] = self.counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        found = {name: (total / self.counts[name]).item() for name, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return found


class Trainer:
    """Runs a task.

    Args:
        task: What to train.
        settings: Settings of the run.
        state: Accelerate's `PartialState`.
        folder: Folder of the checkpoints.

    Attributes:
        step: Steps done.
        ema: Average of the task's averaged module.
        facts: What else a checkpoint keeps, as JSON.
        waited: Seconds that steps have waited for their images.

    Raises:
        ValueError: for a batch that cannot be divided among the processes, or an unknown optimiser.
    """

    def __init__(self, task: Task, settings: LoopSettings, state: Any, folder: Path) -> None:
        self.task, self.settings, self.state, self.folder = task, settings, state, folder
        shares = state.num_processes * settings.accumulate
        if settings.batch_size % shares:
            raise ValueError(
                f"batch_size={settings.batch_size} cannot be divided among {state.num_processes} processes "
                f"with accumulate={settings.accumulate}: give a multiple of {shares}."
            )
        if taken := {"ema", "task", "means"} & task.modules.keys():
            raise TypeError(f"A module cannot be called {min(taken)!r}: so is a part of every checkpoint.")
        self.step = 0
        self.waited = 0.0
        self.ema = EMA(task.modules[task.averaged], settings.ema)
        self.facts: dict[str, Any] = {}
        self.optimizers, self.schedules = {}, {}
        for name, module in task.modules.items():
            own, learning = task.optimizers[name], groups(module, task.lr_scales.get(name, {}))
            setting = f"{name}_optimizer" if hasattr(settings, f"{name}_optimizer") else "optimizer"
            self.optimizers[name] = create_optimizer(own, learning, setting)
            self.schedules[name] = schedule(self.optimizers[name], own, settings)
        fp16 = settings.precision == "fp16"
        self.scalers = {n: torch.amp.GradScaler(state.device.type, enabled=fp16) for n in task.modules}
        self._means = _Means()
        self._batches: Callable[[int], list[Any]] = self._made
        self._waiting: list[str] = []  # of the events, after this step
        self._saved: int | None = None  # the last checkpoint's step

    @property
    def kimg(self) -> float:
        """Thousands of images learnt from."""
        return self.step * self.settings.batch_size / 1000

    def run(self, events: Events) -> None:
        """Train to the end, or until it is interrupted, with a checkpoint at either.

        Raises:
            TrainingError: if a loss or gradient is not finite.
            KeyboardInterrupt: after Ctrl-C or SIGTERM, with a checkpoint saved.
            OSError: if a checkpoint cannot be written.
        """
        settings, means, began = self.settings, self._means, time.perf_counter()
        with StopRequest() as stop, self._making():
            self._carry_out(events)
            while self.step < settings.steps:
                means.add(self._step())
                events.step(self.step * settings.batch_size)
                stopping = self._agreed(stop.requested)
                done = self.step == settings.steps
                if self._due(settings.log_kimg) or done or stopping:
                    events.log(self.kimg, means.take(), time.perf_counter() - began)
                if self._due(settings.sample_kimg) or done:
                    self._waiting.append("sheet")
                if settings.eval_every and self._due(settings.eval_every) and not done:
                    self._waiting.append("measure")
                # First of all: what is drawn and measured next may take longer than whoever stops us waits.
                if self._due(settings.checkpoint_kimg) or "measure" in self._waiting or done or stopping:
                    self.save()
                if stopping and not done:
                    raise KeyboardInterrupt
                self._carry_out(events)

    def _carry_out(self, events: Events) -> None:
        """Draw and measure what waits, which a run that was cut off before finds in its checkpoint."""
        if not self._waiting:
            return
        for name in self._waiting:
            getattr(events, name)(self.kimg)
        self._waiting = []
        if self._saved == self.step:
            self.save_facts()

    def _step(self) -> dict[str, Tensor]:
        """One step of all phases; its terms."""
        task = self.task
        asked = time.perf_counter()
        batches = self._batches(self.step)
        self.waited += time.perf_counter() - asked
        terms: dict[str, Tensor] = {}
        for phase in task.phases(self.kimg):
            if self.step % phase.interval == 0:
                terms |= self._update(phase, batches)
        self.step += 1
        task.after_step(terms, self.kimg)
        module = task.modules[task.averaged]
        self.ema.update(module, batch_size=self.settings.batch_size, kimg=self.kimg)
        return {name: value for name, value in terms.items() if value.numel() == 1}

    def _made(self, step: int) -> list[Any]:
        """The parts of a step's images that are this process's share."""
        settings, processes = self.settings, self.state.num_processes
        first, share = step * settings.batch_size, settings.batch_size // (processes * settings.accumulate)
        numbers = list(range(first, first + settings.batch_size))
        parts = [numbers[i : i + share] for i in range(0, len(numbers), share)]
        return [self.task.batch(part) for part in parts[self.state.process_index :: processes]]

    @contextmanager
    def _making(self) -> Iterator[None]:
        """In its block, batches are made ahead of the steps, where the task wants it."""
        if not self.task.ahead:
            yield
            return
        with Ahead(self._made, self.settings.steps, self.state.device) as self._batches:
            try:
                yield
            finally:
                self._batches = self._made

    def _update(self, phase: Phase, batches: Sequence[Any]) -> dict[str, Tensor]:
        """Gradients of a phase over all parts and processes, and the update."""
        modules = [self.task.modules[name] for name in phase.modules]
        scaler = self.scalers[phase.modules[0]]
        totals: dict[str, Tensor] = {}
        for batch in batches:
            loss, terms = self.task.loss(phase, batch, self.kimg)
            scaler.scale(loss / len(batches)).backward()  # type: ignore[no-untyped-call]
            for name, value in terms.items():
                totals[name] = totals.get(name, 0) + value / len(batches)
        parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        totals = self._average(parameters, totals)
        for name in phase.modules:
            scaler.unscale_(self.optimizers[name])
        quick = True if self.state.device.type in ("cpu", "cuda") else None  # others may refuse it
        norm = nn.utils.clip_grad_norm_(parameters, self.settings.clip or math.inf, foreach=quick)
        # Steps of fp16 are skipped while a smaller loss scale may help.
        skips = scaler.is_enabled() and scaler.get_scale() >= 1
        self._refuse_infinite(phase, norm, totals, skips=skips)
        for name in phase.modules:
            self.schedules[name].step_update(self.step)
            scaler.step(self.optimizers[name])
            self.optimizers[name].zero_grad(set_to_none=True)
        scaler.update()
        totals[f"gradient/{phase.name}"] = norm.detach()
        return totals

    def _average(self, parameters: Sequence[nn.Parameter], terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Mean gradients over the processes, in place, and mean terms."""
        for p in parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        if self.state.num_processes == 1:
            return terms
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([x.flatten().float() for x in (*gradients, *terms.values())])
        dist.all_reduce(flat)
        flat /= self.state.num_processes
        sizes = [x.numel() for x in (*gradients, *terms.values())]
        parts = torch.split(flat, sizes)
        for p, part in zip(parameters, parts, strict=False):
            p.grad = part.view(p.shape).clone(memory_format=torch.preserve_format)
        own = zip(terms.items(), parts[len(parameters) :], strict=True)
        return {name: part.view(value.shape) for (name, value), part in own}

    def _refuse_infinite(self, phase: Phase, norm: Tensor, terms: dict[str, Tensor], *, skips: bool) -> None:
        """Raise TrainingError for gradients that are not finite, unless the loss scale takes care of them."""
        if skips or bool(torch.isfinite(norm)):
            return
        bad = [name for name, value in terms.items() if not bool(torch.isfinite(value).all())]
        what = f"the loss {', '.join(bad)}" if bad else "the gradient"
        last = checkpoints(self.folder)
        kept = f"The last good checkpoint is {last[-1]}" if last else "No checkpoint was written yet"
        raise TrainingError(
            f"At {self.kimg:.3f} kimg {what} of phase {phase.name} is not finite. {kept}; a lower "
            "optimizer.lr, clip or precision=fp32 may help."
        )

    def _due(self, every_kimg: float) -> bool:
        """Whether the step that was just done crossed a multiple."""
        size = self.settings.batch_size / 1000
        return math.floor(self.kimg / every_kimg + 1e-9) > math.floor((self.kimg - size) / every_kimg + 1e-9)

    def _agreed(self, requested: bool) -> bool:
        """Whether any process was asked to stop."""
        if self.state.num_processes == 1:
            return requested
        flag = torch.tensor([float(requested)], device=self.state.device)
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        return bool(flag.item())

    def save(self) -> None:
        """A checkpoint of everything that the next step depends on."""
        if self.state.is_main_process:
            save_checkpoint(
                self.folder,
                self.step,
                self._tensors(),
                self._all_facts(),
                self.settings.keep_checkpoints,
            )
        self._saved = self.step
        self.state.wait_for_everyone()

    def save_facts(self) -> None:
        """Keep the facts as they are now in the last checkpoint, which is of this step."""
        if self.state.is_main_process:
            save_facts(checkpoints(self.folder)[-1], self._all_facts())

    def _all_facts(self) -> dict[str, Any]:
        return {"step": self.step, "counts": self._means.counts, "waiting": self._waiting, **self.facts}

    def _tensors(self) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {}
        for name, holder in self._holders().items():
            tensors |= {f"{name}/{key}": value for key, value in holder.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            tensors |= {f"{name}.optimizer/{k}": v for k, v in optimizer_tensors(optimizer).items()}
        for name, scaler in self.scalers.items():
            for key, value in scaler.state_dict().items():
                tensors[f"{name}.scaler/{key}"] = torch.tensor(value, dtype=torch.float64)
        return tensors | {f"means/{name}": value for name, value in self._means.sums.items()}

    def _holders(self) -> "dict[str, nn.Module | Task]":
        """Whatever has a state of its own."""
        return {**self.task.modules, "ema": self.ema.module, "task": self.task}

    @torch.no_grad()
    def begin(self) -> None:
        """Bring all modules, and the average, to where a new run starts: the same on every process."""
        self.task.begin()
        if self.state.num_processes > 1:
            for module in self.task.modules.values():
                tensors = list(module.state_dict().values())
                flat = torch.cat([x.flatten().double() for x in tensors])
                dist.broadcast(flat, src=0)
                for x, own in zip(tensors, torch.split(flat, [x.numel() for x in tensors]), strict=True):
                    x.copy_(own.view(x.shape))
        self.ema = EMA(self.task.modules[self.task.averaged], self.settings.ema)

    def resume(self) -> bool:
        """Go on from the folder's last checkpoint; False if there is none.

        Raises:
            ValueError: if it is damaged, or of other modules.
        """
        found = checkpoints(self.folder)
        if not found:
            return False
        tensors, facts = load_checkpoint(found[-1])
        parts = parts_of(tensors)
        try:
            for name, holder in self._holders().items():
                holder.load_state_dict(parts.get(name, {}))
            for name, optimizer in self.optimizers.items():
                load_optimizer(optimizer, parts.get(f"{name}.optimizer", {}))
            self.step = self._saved = int(facts.pop("step"))
            self._waiting = facts.pop("waiting")
            self._means.counts = facts.pop("counts")
            self._means.sums = {key: parts["means"][key].to(self.state.device) for key in self._means.counts}
        except (KeyError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"The checkpoint {found[-1]} is of another run: {str(error).splitlines()[0]}"
            ) from error
        for name, scaler in self.scalers.items():
            numbers = {k: v.item() for k, v in parts.get(f"{name}.scaler", {}).items()}
            if numbers:
                whole = {key: int(numbers[key]) for key in ("growth_interval", "_growth_tracker")}
                scaler.load_state_dict({**numbers, **whole})
        self.facts = facts
        return True
