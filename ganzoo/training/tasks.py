"""All tasks, by name: those that come with ganzoo, and those of plug-ins."""

from collections.abc import Mapping
from typing import Any

import ganzoo.training.adversarial_run
import ganzoo.training.distillation_run
import ganzoo.training.encoder_run  # noqa: F401 - likewise
from ganzoo.plugins import load_plugins
from ganzoo.training.names import DEFAULT_TASK, TASK
from ganzoo.training.task import TASKS, Task
from ganzoo.training.task_settings import TaskSettings


def options_of(task: str) -> type[TaskSettings]:
    """The class of a task's settings.

    Raises:
        ValueError: for an unknown task.
    """
    load_plugins()
    return TASKS.get(task).options


def task_names() -> list[str]:
    """Names of all tasks, sorted."""
    load_plugins()
    return TASKS.names()


def read_settings(data: Mapping[str, Any]) -> TaskSettings:
    """The settings that a composed recipe or a run's record holds.

    Raises:
        ValueError: for an unknown task or key, or a value that is refused.
    """
    return options_of(data.get(TASK, DEFAULT_TASK)).from_dict(data)


def recorded(settings: TaskSettings) -> dict[str, Any]:
    """What a run's record holds: the settings and the name of their task; `read_settings` takes it back."""
    return {TASK: _name(settings), **settings.to_dict()}


def load_task(settings: TaskSettings, state: Any) -> Task:
    """The task of a run; see `Task.load`."""
    return TASKS.get(_name(settings)).load(settings, state)


def _name(settings: TaskSettings) -> str:
    [name] = [name for name, task in TASKS.classes().items() if task.options is type(settings)]
    return name
