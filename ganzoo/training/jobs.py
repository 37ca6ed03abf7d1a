"""Jobs of a command line: composed settings, checked, named, each with a folder of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.training.devices import refuse_absent
from ganzoo.training.names import MISSING, TASK, Choice, job_names, run_name, sweep_name
from ganzoo.training.run_folder import kept_settings
from ganzoo.training.task_settings import TaskSettings
from ganzoo.training.tasks import options_of

RUNS = Path("runs")
Row = tuple[Choice, ...]  # of one job, the recipe first, or the task where it takes none


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        name: Name within a sweep.
        data: Composed settings, as they are printed.
        settings: The same, checked; None where some are missing.
        recipe: Recipe of the generator, if the task has one.
        told: Line on where its settings come from.
    """

    name: str
    data: dict[str, Any]
    settings: TaskSettings | None
    recipe: str | None = None
    told: str = ""


@dataclass(frozen=True)
class Plan:
    """Runs, the folder that they share, and what Hydra is told about launching them."""

    jobs: tuple[Job, ...]
    folder: Path
    launcher: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a job ended: well, or with an error."""

    name: str
    error: str | None = None


def single_run(row: Row, data: Mapping[str, Any], *, whole: bool) -> Plan:
    """The plan of one run, which has the folder for itself.

    Args:
        row: What is given on the command line.
        data: Composed settings.
        whole: Whether it can begin; else its settings are to be shown.

    Raises:
        ValueError: for settings that no run can have.
    """
    options = options_of(data[TASK])
    with _named(row, data):
        found = options.completed(dict(data), _given(row), whole=whole)
        name = run_name(row, found, options.untold())
        folder = Path(found["out"] or RUNS / name)
        return Plan((_job(row, found, name, folder, whole=whole),), folder)


def sweep_runs(
    rows: Sequence[Row],
    composed: Sequence[Mapping[str, Any]],
    varied: Sequence[str],
    launcher: Sequence[str],
    *,
    whole: bool,
) -> Plan:
    """The plan of a sweep, whose jobs are named after the keys that vary; raises the same."""
    options = options_of(composed[0][TASK])
    found = []
    for row, data in zip(rows, composed, strict=True):
        with _named(row, data, varied):
            found.append(options.completed(dict(data), _given(row), whole=whole))
    folder = Path(found[0]["out"] or RUNS / sweep_name(rows[0], varied, found, options.untold()))
    names = job_names([choice for choice in row if choice.key in varied] or row[:1] for row in rows)
    jobs = []
    for row, data, name in zip(rows, found, names, strict=True):
        with _named(row, data, varied):
            jobs.append(_job(row, data, name, folder / name, launcher, whole=whole))
    return Plan(tuple(jobs), folder, tuple(launcher))


def leaves(launcher: Sequence[str]) -> bool:
    """Whether a launcher takes jobs to other machines."""
    return any(name in told for told in launcher for name in ("slurm", "ray"))


def preset_of(row: Row, task: str, launcher: Sequence[str]) -> tuple[str | None, str]:
    """The preset of a job that names none, and what is said of it."""
    device = next((choice.value for choice in row if choice.key == "device"), "auto")
    return options_of(task).preset(str(device), elsewhere=leaves(launcher))


@contextmanager
def _named(row: Row, data: Mapping[str, Any], varied: Sequence[str] = ()) -> Iterator[None]:
    """In its block, what is wrong with a job is a ValueError, with its name where there are several."""
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        name = run_name(row, data, options_of(data[TASK]).untold())
        raise ValueError(f"{name}: {error}" if varied else str(error)) from error


def _given(row: Row) -> dict[str, Any]:
    return {choice.key: choice.value for choice in row}


def _job(
    row: Row, data: Mapping[str, Any], name: str, folder: Path, launcher: Sequence[str] = (), *, whole: bool
) -> Job:
    """A job, whose settings are those of the run that its folder holds, but for those that are given."""
    recipe = row[0].value if row[0].key == "recipe" else None
    own = {"name": data["name"] or name, "out": str(folder), **({"recipe": recipe} if recipe else {})}
    given, options, told = _given(row), options_of(data[TASK]), ""
    found = {**data, **own}
    if "training" not in given:
        told = preset_of(row, data[TASK], launcher)[1]
        if (kept := kept_settings(data, folder, given, options)) is not None:
            told = f"Settings that are not given are those of the run in {folder}."
            found = {**kept, **own}
    missing = [key for key, value in found.items() if value == MISSING]
    if missing and whole:
        raise ValueError(f"{missing[0]} is missing: give {missing[0]}=….")
    if not options.texts().issuperset(missing):
        return Job(name, found, None, recipe, told)
    settings = options.from_dict({key: value for key, value in found.items() if key != "recipe"})
    if whole and not leaves(launcher):
        refuse_absent(settings.device)
    return Job(name, found, None if missing else settings, recipe, told)
