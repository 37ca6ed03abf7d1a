"""Names of runs, which are names of folders too: the recipe, the resolution and what was changed."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

MISSING = "???"  # OmegaConf's mark of a value that has to be given
TASK = "task"  # the key that names a task
DEFAULT_TASK = DEFAULT_TRAINING = "distillation"  # of a record that names none, and its settings
_LONGEST = 120  # characters; file systems allow 255 bytes


@dataclass(frozen=True)
class Choice:
    """A setting of one job.

    Attributes:
        key: Dotted name; a kind of block, "recipe", "task" and "training" are keys as well.
        value: What it is set to.
        override: How Hydra is told.
    """

    key: str
    value: Any
    override: str = ""

    @property
    def part(self) -> str:
        """What a name tells of it: `conv-full`, `optimizer.lr-0.001`."""
        value = _words(self.value)
        return value if self.key in ("recipe", TASK, "training") else f"{self.key}-{value}"


def run_name(choices: Sequence[Choice], data: Mapping[str, Any], untold: Collection[str]) -> str:
    """Name of a single run: `mobilestylegan-256+conv-full`.

    Args:
        choices: Choices, the recipe or task first.
        data: What they were composed to.
        untold: Settings that change little, or stand in front.
    """
    first, *others = choices
    head = [_head(first, data), *([_words(data["resolution"])] if "resolution" in data else [])]
    return _short("+".join(["-".join(head), *_changed(others, untold)]))


def sweep_name(
    choices: Sequence[Choice],
    varied: Sequence[str],
    data: Sequence[Mapping[str, Any]],
    untold: Collection[str],
) -> str:
    """Name of a sweep's folder: `sweep-mobilestylegan-256+seed-1+conv`, where `conv` varies.

    Args:
        choices: Choices of any of its jobs.
        varied: Keys whose values vary.
        data: What the jobs are told.
        untold: As for a run.
    """
    first, *others = choices
    head = ["sweep", "recipes" if "recipe" in varied else _head(first, data[0])]
    if len(sizes := {_words(job["resolution"]) for job in data if "resolution" in job}) == 1:
        head += sizes
    fixed = _changed((choice for choice in others if choice.key not in varied), untold)
    return _short("+".join(["-".join(head), *fixed, *(key for key in varied if key != "recipe")]))


def job_names(rows: Iterable[Sequence[Choice]]) -> list[str]:
    """Names of a sweep's jobs, each of its own: what varies, `conv-full+upsampler-idwt`.

    Args:
        rows: Choices that vary, for each job.
    """
    names: list[str] = []
    taken: set[str] = set()
    for row in rows:
        plain = name = _short("+".join(choice.part for choice in row))
        number = 1
        while name.lower() in taken:  # lower: not all file systems tell A from a
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.lower())
        names.append(name)
    return names


def _head(first: Choice, data: Mapping[str, Any]) -> str:
    """What a name begins with: the recipe, after the task where that is not distillation."""
    task = data.get(TASK, DEFAULT_TASK)
    return first.part if first.key == TASK or task == DEFAULT_TASK else f"{_words(task)}-{first.part}"


def _changed(choices: Iterable[Choice], untold: Collection[str]) -> list[str]:
    """Parts of a name for all choices that it should tell of."""
    return [
        choice.part
        for choice in choices
        if choice.key.split(".")[0] not in untold
        and (choice.key, choice.value) != ("training", DEFAULT_TRAINING)
    ]


def _words(value: object) -> str:
    """A value in characters that need quotes neither in a shell nor in Hydra's grammar."""
    if isinstance(value, list | tuple):
        return "_".join(map(_words, value))
    if isinstance(value, bool) or value is None:
        return str(value).lower().replace("none", "null")
    text = f"{value:.12g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", text).strip("_.") or "_"


def _short(name: str) -> str:
    """The name, or its start and a hash of it where it is too long."""
    return (
        name if len(name) <= _LONGEST else f"{name[: _LONGEST - 9]}-{sha256(name.encode()).hexdigest()[:8]}"
    )
