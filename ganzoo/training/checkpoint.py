"""Checkpoints: whole or not there, in safetensors and JSON, so that resuming runs no code of a file."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from ganzoo.system.files import replacing
from ganzoo.system.kinds import read_tensors

CHECKPOINTS = "checkpoints"  # a folder of a run
STATE, FACTS = "state.safetensors", "state.json"
_NUMBER = ":number"  # ends the name of what is a number of Python in an optimiser's state
_GROUP = "group"  # begins the name of what stands in a group of parameters: some optimisers count steps there


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], keep: int
) -> Path:
    """Write `folder/<step>` and remove all but the last `keep`.

    It is written beside its place and moved there when it is on the disk, so that a run which is killed, or a
    disk that fills up, costs nothing that was there before.

    Raises:
        OSError: if it cannot be written.
    """
    target = folder / f"{step:09d}"
    temporary = folder / f".{step:09d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".[0-9]*"):
            shutil.rmtree(leftover)
        temporary.mkdir()
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, temporary / STATE)
        (temporary / FACTS).write_text(json.dumps(dict(facts)) + "\n", encoding="utf-8")
        for name in (STATE, FACTS):
            _sync(temporary / name)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        last = checkpoints(folder)
        kept = f"the last one, {last[-1]}, is kept" if last else "there is none before it"
        reason = getattr(error, "strerror", None) or str(error)
        raise OSError(f"The checkpoint {target} could not be written ({reason}); {kept}.") from error
    if target.exists():
        shutil.rmtree(target)
    temporary.rename(target)
    _sync(folder)
    for old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def save_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """Give a checkpoint other facts.

    Raises:
        OSError: if they cannot be written.
    """
    with replacing(path / FACTS) as temporary:
        temporary.write_text(json.dumps(dict(facts)) + "\n", encoding="utf-8")


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a checkpoint.

    Raises:
        ValueError: if it is damaged.
    """
    try:
        facts = json.loads((path / FACTS).read_text(encoding="utf-8"))
        if not isinstance(facts, dict):
            raise ValueError(f"{FACTS} holds no facts")
        return read_tensors(path / STATE), facts
    except (OSError, ValueError) as error:
        raise ValueError(
            f"The checkpoint {path} is damaged ({error}): delete it, and the one before it is taken."
        ) from error


def parts_of(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors of a checkpoint by the part of it that they belong to, `part/name`."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        part, _, key = name.partition("/")
        parts.setdefault(part, {})[key] = value
    return parts


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints of a folder, oldest first."""
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """An optimiser's state by parameter number and name, and the numbers of its groups; numbers as tensors.

    Raises:
        ValueError: for a state of anything but tensors and numbers.
    """
    held = optimizer.state_dict()
    rows = {f"{index}": state for index, state in held["state"].items()}
    found = {}
    for name, values in {**rows, **{f"{_GROUP}{i}": g for i, g in enumerate(held["param_groups"])}}.items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                found[f"{name}.{key}"] = value
            elif isinstance(value, bool | int | float):
                kind = torch.float64 if isinstance(value, float) else None
                found[f"{name}.{key}{_NUMBER}"] = torch.tensor(value, dtype=kind)
            elif name in rows and value is not None:
                raise ValueError(f"checkpoints cannot hold its {key!r}")
    return found


def load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser the state that `optimizer_tensors` took from one like it.

    Raises:
        ValueError: if its parameters are others.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    groups = optimizer.state_dict()["param_groups"]
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        row, _, key = name.partition(".")
        own = groups if row.startswith(_GROUP) else parameters
        index = int(row.removeprefix(_GROUP))
        if index >= len(own):
            raise ValueError("The checkpoint's optimiser has other parameters.")
        found = value.item() if key.endswith(_NUMBER) else value
        if own is groups:
            groups[index][key.removesuffix(_NUMBER)] = found
            continue
        if isinstance(found, Tensor) and found.shape == parameters[index].shape:  # in the parameter's layout
            found = torch.empty_like(parameters[index], dtype=found.dtype).copy_(found)
        state.setdefault(index, {})[key.removesuffix(_NUMBER)] = found
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
