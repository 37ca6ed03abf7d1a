"""A run, from its settings to its result: what `ganzoo train` and `ganzoo distill` do."""

import atexit
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ganzoo.system.extras import how
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.interruption import Interrupted
from ganzoo.training.checkpoint import CHECKPOINTS, checkpoints
from ganzoo.training.devices import start
from ganzoo.training.jobs import Job
from ganzoo.training.loop import Trainer
from ganzoo.training.reports import Reports
from ganzoo.training.run_folder import claim, finished, measured_of, write_result
from ganzoo.training.task_settings import TaskSettings
from ganzoo.training.tasks import load_task, read_settings

T = TypeVar("T")

EXTRA = f"Training needs an extra. {how('train')}"


def distill(data: Mapping[str, Any]) -> Path:
    """Train a student, or go on with it, and return the run's folder.

    Args:
        data: A composed recipe: the student's settings and those of `recipes/training/distillation.yaml`;
            `recipe` names it.

    Raises:
        ValueError, OSError, Interrupted, ImportError: as `train`.
    """
    settings = read_settings({key: value for key, value in data.items() if key != "recipe"})
    return train(settings, data.get("recipe"))


def carry_out(job: Job, *, dry: bool = False) -> Path:
    """Train what a job of a command line asks for, and return the run's folder; raises the same."""
    if job.settings is None:
        raise ValueError(f"The settings of {job.name} are not whole.")
    return train(job.settings, job.recipe, dry=dry)


def train(settings: TaskSettings, recipe: str | None = None, *, dry: bool = False) -> Path:
    """Train what a task trains, or go on with it, and return the run's folder.

    The folder holds settings.json, log.jsonl and figures.jsonl, TensorBoard events, samples/ (sheets),
    checkpoints/, best/ and the result, student/ of a distillation and generator/ of others (model folders of
    the averaged generator), and result.json. A run that is finished is not repeated.

    Args:
        settings: Settings of the task.
        recipe: Name of the generator's recipe.
        dry: Whether only to tell what the run would cost; no folder is made.

    Raises:
        ValueError: for settings that do not fit the folder or what is learnt from; if training fails.
        OSError: if something cannot be had, or cannot be written.
        Interrupted: after Ctrl-C or SIGTERM, with a checkpoint saved.
        ImportError: without the extra.
    """
    try:
        import accelerate  # noqa: F401
    except ImportError as error:
        raise ImportError(EXTRA) from error
    folder = Path(settings.out)
    refuse_unwritable(folder, "out")
    state = start(settings.device)
    atexit.register(state.destroy_process_group)  # after the last run of a sweep: no second group can be made
    try:
        if settings.precision == "fp16" and state.device.type == "cpu":
            raise ValueError("precision=fp16 is for GPUs: give bf16 or fp32 on a CPU.")
        if dry:
            task = _first_here(state, lambda: load_task(settings, state))
            task.announce(_learnt(folder, settings))
        elif settings.resume == "never" or not finished(folder, settings):
            _run(settings, recipe, folder, state)
    except KeyboardInterrupt:
        saved = "nothing was learnt yet, what was prepared is kept"
        if checkpoints(folder / CHECKPOINTS):
            saved = "a checkpoint is saved, the same command goes on"
        raise Interrupted(f"Interrupted: {saved}.") from None
    return folder


def _run(settings: TaskSettings, recipe: str | None, folder: Path, state: Any) -> None:
    """Everything between the settings and the result."""
    task = _first_here(state, lambda: load_task(settings, state))
    trainer = Trainer(task, settings, state, folder / CHECKPOINTS)
    # Not before: a wrong teacher, part or optimizer must leave no folder behind.
    _first_here(state, lambda: claim(folder, settings))
    resumed = trainer.resume()
    task.resume(trainer.facts)
    if resumed and state.is_main_process:
        print(f"Going on from {trainer.kimg:g} kimg.", file=sys.stderr)
    per_second = task.announce(trainer.kimg)
    task.prepare()
    if not resumed:
        trainer.begin()  # with what was prepared, and after it was told what a run costs
    with Reports(trainer, folder, recipe, per_second) as reports:
        trainer.run(reports.events)
        reports.measure(trainer.kimg)
        trainer.save_facts()
    if state.is_main_process:
        measured = measured_of(trainer.kimg, trainer.facts, reports.figures, state, task.best)
        write_result(folder, settings, task, trainer.ema.module, measured, recipe=recipe)
    state.wait_for_everyone()


def _learnt(folder: Path, settings: TaskSettings) -> float:
    """Thousands of images that the run in a folder has learnt from, by its last checkpoint."""
    found = checkpoints(folder / CHECKPOINTS)
    return int(found[-1].name) * settings.batch_size / 1000 if found else 0.0


def _first_here(state: Any, work: Callable[[], T]) -> T:
    """What `work` gives, on the main process and then on the others; what fails there fails everywhere."""
    from accelerate.utils import broadcast_object_list

    if not state.is_main_process:
        told: list[str | None] = [None]
        broadcast_object_list(told)
        if told[0] is not None:
            raise ValueError(told[0])
        return work()
    try:
        found = work()
    except (ValueError, OSError, ImportError) as error:
        broadcast_object_list([str(error)])  # not the error itself, which may not survive the way
        raise
    broadcast_object_list([None])
    return found
