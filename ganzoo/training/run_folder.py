"""The folder of a run: whose it is, whether the run is finished, and the record of its result."""

import dataclasses
import json
import os
import platform
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ganzoo.generators.config import generator_keys
from ganzoo.metrics.figures import Figure
from ganzoo.models.folders import RUN_FILE as SETTINGS
from ganzoo.system.files import replacing
from ganzoo.system.version import __version__
from ganzoo.training.checkpoint import CHECKPOINTS, checkpoints
from ganzoo.training.earlier import settings_now
from ganzoo.training.results import RESULT
from ganzoo.training.task import Task
from ganzoo.training.task_settings import TaskSettings
from ganzoo.training.tasks import recorded

SAMPLES = "samples"
_OF_THE_COMMAND = ("task", "out", "name", "resume", "device", "recipe")


def claim(folder: Path, settings: TaskSettings) -> None:
    """Make the run's folder, or make sure that it is this run's.

    Raises:
        ValueError: if it is another run's.
    """
    path = folder / SETTINGS
    new, free = recorded(settings), settings.free()
    if path.is_file():
        if settings.resume == "never" and checkpoints(folder / CHECKPOINTS):
            raise ValueError(f"{folder} holds a run already: give another out=, or resume=auto.")
        try:
            old = settings_now(json.loads(path.read_text(encoding="utf-8")))
            changed = [key for key in new if key not in free and _differs(old.get(key), new[key])]
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError(f"{path} is damaged: give another out=, or delete {folder}.") from error
        if changed:
            key = changed[0]
            raise ValueError(
                f"{folder} holds a run with another {key}: {_short(old.get(key), new[key])}. Give another "
                "out=, or the settings of that run."
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty and holds no run: give another out=.")
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(new, indent=2) + "\n", encoding="utf-8")


def kept_settings(
    data: Mapping[str, Any], folder: Path, given: Collection[str], options: type[TaskSettings]
) -> dict[str, Any] | None:
    """Settings of the run that the folder holds, but for those that are given; None if it holds none.

    Args:
        data: Composed settings.
        folder: Folder of the run.
        given: Dotted keys of the command line.
        options: Class of the task's settings.
    """
    field, of_the_command = options.generator_field(), {*_OF_THE_COMMAND, *options.sources}
    try:
        old = settings_now(json.loads((folder / SETTINGS).read_text(encoding="utf-8")))
        size = {}
        if field is not None and "resolution" not in given:
            size = {"resolution": old[field]["resolution"]}
    except (OSError, ValueError, AttributeError, TypeError, KeyError):  # what is damaged is told later
        return None
    own = generator_keys() if field is not None else set()
    found = {
        key: value
        if key in own or key in of_the_command or key not in old
        else _merged(old[key], value, key, given)
        for key, value in data.items()
    }
    return {**found, **size}


def _merged(old: Any, new: Any, key: str, given: Collection[str]) -> Any:
    if key in given:
        return new
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        # The options of a block and the parts of `lr_scale` stand in the record alone.
        keys = {**new, **old} if "name" in new or not new else new
        return {k: _merged(old.get(k, new.get(k)), new.get(k), f"{key}.{k}", given) for k in keys}
    return old


def finished(folder: Path, settings: TaskSettings) -> bool:
    """Whether the folder holds the result of these settings."""
    try:
        old = settings_now(json.loads((folder / RESULT).read_text(encoding="utf-8"))["settings"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    new = recorded(settings)
    same = ("kimg", *settings.measured, *(key for key in new if key not in settings.free()))
    return not any(_differs(old.get(key), new[key]) for key in same)


def write_result(
    folder: Path,
    settings: TaskSettings,
    task: Task,
    averaged: nn.Module,
    measured: Mapping[str, Any],
    *,
    recipe: str | None,
) -> None:
    """Write the averaged module, its card and, last, result.json.

    Args:
        folder: Folder of the run.
        settings: Settings that were asked for.
        task: What was trained.
        averaged: Result.
        measured: What was measured of the run; see `measured_of`.
        recipe: Recipe of the generator.
    """
    result = {
        "name": settings.name or folder.name,
        "recipe": recipe,
        **measured,
        **task.describe(averaged),
        "versions": {"ganzoo": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "date": datetime.now(timezone.utc).date().isoformat(),
        "settings": recorded(settings),
    }
    task.save(averaged, folder / task.result, recipe)
    if (card := task.card(result)) is not None:
        with replacing(folder / task.result / "README.md") as temporary:
            temporary.write_text(card, encoding="utf-8")
    with replacing(folder / RESULT) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def measured_of(
    kimg: float, facts: Mapping[str, Any], figures: Mapping[str, Figure], state: Any, best: str | None
) -> dict[str, Any]:
    """What is measured of every run: its length, time and speed, its figures, and on what hardware."""
    seconds = float(facts.get("seconds", 0.0))
    device = torch.cuda.get_device_name(state.device) if state.device.type == "cuda" else platform.processor()
    return {
        "kimg": kimg,
        "seconds": round(seconds, 1),
        "kimg_per_hour": round(kimg / max(seconds, 1e-9) * 3600, 3),
        "figures": {name: dataclasses.asdict(figure) for name, figure in figures.items()},
        "best": {"figure": best, "value": facts.get("best"), "kimg": facts.get("best_kimg")},
        "hardware": f"{device or platform.machine()}, {os.cpu_count()} CPUs, {state.num_processes} processes",
    }


def _differs(old: Any, new: Any) -> bool:
    return bool(json.loads(json.dumps(old)) != json.loads(json.dumps(new)))


def _short(old: Any, new: Any) -> str:
    """Two values, of mappings only the keys that differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [k for k in new if _differs(old.get(k), new[k])]
        return ", ".join(f"{k} is {old.get(k)}, not {new[k]}" for k in keys)
    return f"{old}, not {new}"
