"""Names of runs, which are names of folders too: the recipe, the resolution and what was changed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ganzoo.training.settings import FREE

TASK = "task"  # the key that names a task
DEFAULT_TASK = DEFAULT_TRAINING = "distillation"  # of a record that names none, and its settings
_UNTOLD = {"teacher", "resolution", *FREE}  # the name starts with the resolution; the rest changes little
_LONGEST = 120  # characters; file systems allow 255 bytes


@dataclass(frozen=True)
class Choice:
    """A setting of one job.

    Attributes:
        key: dotted; a kind of block, "recipe" and "training" are keys as well.
        value: what it is set to.
        override: how Hydra is told.
    """

    key: str
    value: Any
    override: str = ""

    @property
    def part(self) -> str:
        """What a name tells of it: `conv-full`, `optimizer.lr-0.001`."""
        value = _words(self.value)
        return value if self.key in ("recipe", "training") else f"{self.key}-{value}"


def run_name(choices: Sequence[Choice], data: Mapping[str, Any]) -> str:
    """Name of a single run: `mobilestylegan-256+conv-full`.

    Args:
        choices: the recipe first.
        data: what they were composed to.
    """
    return _short("+".join([f"{choices[0].part}-{_words(data['resolution'])}", *_changed(choices[1:])]))


def sweep_name(choices: Sequence[Choice], varied: Sequence[str], data: Sequence[Mapping[str, Any]]) -> str:
    """Name of a sweep's folder: `sweep-mobilestylegan-256+seed-1+conv`, where `conv` varies.

    Args:
        choices: of any of its jobs.
        varied: keys whose values vary.
        data: what the jobs are told.
    """
    first, *others = choices
    head = ["sweep", "recipes" if "recipe" in varied else first.part]
    if len(sizes := {_words(job["resolution"]) for job in data}) == 1:
        head += sizes
    fixed = _changed(choice for choice in others if choice.key not in varied)
    return _short("+".join(["-".join(head), *fixed, *(key for key in varied if key != "recipe")]))


def job_names(rows: Iterable[Sequence[Choice]]) -> list[str]:
    """Names of a sweep's jobs, each of its own: what varies, `conv-full+upsampler-idwt`.

    Args:
        rows: of each job, the choices that vary.
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


def _changed(choices: Iterable[Choice]) -> list[str]:
    """Parts of a name for all choices that it should tell of."""
    return [
        choice.part
        for choice in choices
        if choice.key.split(".")[0] not in _UNTOLD
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
