"""Jobs of a command line, composed by `compose`: checked, named, each with a folder of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.models.factory import config_of, resolve
from ganzoo.models.recipes import RECIPES, list_recipes, read_yaml
from ganzoo.system.validation import unknown
from ganzoo.training.distillation_settings import DistillationSettings
from ganzoo.training.names import DEFAULT_TRAINING, Choice, job_names, run_name, sweep_name
from ganzoo.training.presets import fit_cache, preset, recorded, sets_resolution

RUNS = Path("runs")
MISSING = "???"  # OmegaConf's mark of a value that has to be given
OF_TEACHER = ("img_channels",)  # settings of the student that are its teacher's where they are not given
Row = tuple[Choice, ...]  # of one job, the recipe first


@dataclass(frozen=True)
class Job:
    """One run: its name, and what `ganzoo.training.run.distill` is told."""

    name: str
    data: dict[str, Any]
    told: str = ""  # where its settings come from


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


def single_run(row: Row, data: Mapping[str, Any]) -> Plan:
    """The plan of one run, which has the folder for itself."""
    name = run_name(row, data)
    folder = Path(data["out"] or RUNS / name)
    return Plan((_job(row, data, name, folder),), folder)


def sweep_runs(
    rows: Sequence[Row], composed: Sequence[Mapping[str, Any]], varied: Sequence[str], launcher: Sequence[str]
) -> Plan:
    """The plan of a sweep, whose jobs are named after the keys that vary."""
    folder = Path(composed[0]["out"] or RUNS / sweep_name(rows[0], varied, composed))
    names = job_names([choice for choice in row if choice.key in varied] or row[:1] for row in rows)
    jobs = [
        _job(row, data, name, folder / name, launcher)
        for row, data, name in zip(rows, composed, names, strict=True)
    ]
    return Plan(tuple(jobs), folder, tuple(launcher))


def leaves(launcher: Sequence[str]) -> bool:
    """Whether a launcher takes jobs to other machines."""
    return any(name in told for told in launcher for name in ("slurm", "ray"))


def preset_of(row: Row, launcher: Sequence[str]) -> tuple[str, str]:
    """The preset of a job that names none, and what is said of it; see `ganzoo.training.presets`."""
    device = next((choice.value for choice in row if choice.key == "device"), "auto")
    return preset(str(device), elsewhere=leaves(launcher))


def completed(row: Row, data: Mapping[str, Any], complete: bool) -> dict[str, Any]:
    """Settings of a job with what depends on its teacher.

    Args:
        row: What is given on the command line.
        data: Composed settings.
        complete: Whether a teacher has to be given.

    Raises:
        ValueError: for settings that no run can have.
    """
    given = {choice.key: choice.value for choice in row}
    found = dict(data)
    teacher = data["teacher"]
    if complete and teacher == MISSING:
        raise ValueError(
            "teacher is missing: teacher=NAME with a model of `ganzoo list`, or teacher=FOLDER with what "
            "`ganzoo convert` wrote."
        )
    if complete and teacher in list_recipes():
        raise ValueError(f"teacher={teacher} is a recipe: it has no weights to learn from.")
    sized = "resolution" in given or sets_resolution(given.get("training", DEFAULT_TRAINING))
    if isinstance(teacher, str) and teacher != MISSING:
        try:
            config = config_of(resolve(teacher))  # a typo is found before a folder is made for it
        except (ValueError, OSError):
            if complete:
                raise
        else:
            found["resolution"] = found["resolution"] if sized else config.resolution
            found |= {key: getattr(config, key) for key in OF_TEACHER if key not in given}
    DistillationSettings.from_dict({**found, "out": found["out"] or "later"})
    return found if {"cache", "cache.images"} & {*given} else fit_cache(found)


def setting_names() -> set[str]:
    """Names of the settings of a run, its student's among them."""
    return DistillationSettings.keys()


def unknown_setting(key: str) -> str:
    """Message for a key that no run has."""
    shipped = read_yaml(RECIPES / "training" / f"{DEFAULT_TRAINING}.yaml")
    within = [f"{top}.{key}" for top, held in shipped.items() if isinstance(held, dict) and key in held]
    if within:
        return f"Unknown setting: {key!r}. Did you mean {' or '.join(within)}?"
    return unknown("setting", key, {*setting_names(), "training", "launcher"})


def _job(row: Row, data: Mapping[str, Any], name: str, folder: Path, launcher: Sequence[str] = ()) -> Job:
    """A job, whose settings are those of the run that its folder holds, but for those that are given."""
    own = {"name": data["name"] or name, "out": str(folder), "recipe": row[0].value}
    given = {choice.key for choice in row}
    if "training" in given:
        return Job(name, {**data, **own})
    if (kept := recorded(data, folder, given)) is not None:
        told = f"Settings that are not given are those of the run in {folder}."
        return Job(name, {**kept, **own}, told)
    return Job(name, {**data, **own}, preset_of(row, launcher)[1])
