"""Results of the runs below a folder: a table and a plot of quality against cost."""

import csv
import io
import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganzoo.charts.drawing import WIDTH, file
from ganzoo.charts.scatter import Point, scatter
from ganzoo.charts.text import si
from ganzoo.compare.records import higher_is_better
from ganzoo.models.folders import RUN_FILE as SETTINGS
from ganzoo.system.files import replacing
from ganzoo.system.validation import unknown
from ganzoo.training.earlier import figures_now
from ganzoo.training.names import DEFAULT_TASK, TASK

RESULT = "result.json"
TABLE_CSV, TABLE_MD, PLOT = "table.csv", "table.md", "plot.svg"
SPREAD = "± is the standard deviation over seeds; in a row of one run, the standard error over images."
_PANEL = 400  # pixels of height of each plot
PLOTTED = ("perceptual", "lpips", "fd", "psnr", "l1")  # the first that the runs have
# Settings without which figures are not of the same images.
SEED = "seed"
_OWN = (SEED, "name", "out")  # settings that runs of other seeds do not share
SHARED = (
    *("task", "teacher", "student.resolution", "held_out.num", "truncation_psi", "noise", "style_mixing"),
    *("data", "generator.resolution", "quality.num"),
)
_OF_STUDENTS = ("noise", "style_mixing")  # others are not measured with what they learn with


@dataclass(frozen=True)
class Figure:
    """A measured value.

    Args:
        uncertainty: Its standard error over images; of a mean over seeds, the standard deviation over them;
            or None.
    """

    value: float
    uncertainty: float | None = None

    def __str__(self) -> str:
        spread = "" if self.uncertainty is None else f" ± {self.uncertainty:.2g}"
        return f"{self.value:.4g}{spread}"


@dataclass(frozen=True)
class Result:
    """What a finished run has measured, or several that differ by their seed alone.

    Attributes:
        settings: Settings of its result.json.
        runs: Number of runs; the folder, the length and the settings are those of the first.
    """

    name: str
    folder: Path
    recipe: str
    parameters: int
    macs: int | None
    kimg: float
    seconds: float
    figures: Mapping[str, Figure]
    settings: Mapping[str, Any]
    runs: int = 1

    @property
    def hours(self) -> float:
        """Of training."""
        return self.seconds / 3600


@dataclass(frozen=True)
class Written:
    """What was written: rows of the table, the figure of the plot, notes on what is missing or differs."""

    results: tuple[Result, ...]
    figure: str
    notes: tuple[str, ...]

    @property
    def runs(self) -> int:
        """Number of runs in all rows."""
        return sum(result.runs for result in self.results)


def write_results(folder: Path, figure: str | None = None) -> Written:
    """Write table.csv, table.md and plot.svg of the runs below a folder into it.

    Runs that differ by their seed alone are one row of table.md and one point of the plot: the mean, and the
    standard deviation over the seeds. table.csv holds every run.

    Args:
        folder: Folder that holds runs, at any depth, or a run itself.
        figure: Figure of the plot (default: the perceptual distance, or what there is).

    Raises:
        ValueError: if there is no finished run, or no such figure.
        OSError: if the files cannot be written.
    """
    results, notes = read_results(folder)
    if not results:
        raise ValueError(" ".join([f"No finished run lies below {folder}.", *notes]))
    names = _figures(results)
    if figure is None:
        figure = next((name for kind in PLOTTED for name in names if name.split("_")[0] == kind), names[0])
    elif figure not in names:
        raise ValueError(unknown("figure", figure, names))
    notes += (differing := _differences(results))
    rows = _told_apart(over_seeds(results), folder)
    if any(row.runs > 1 for row in rows):
        notes.append(SPREAD)
    texts = {
        TABLE_CSV: _csv(_told_apart(results, folder), names, folder),
        TABLE_MD: _markdown(rows, names, notes, marked=not differing),
        PLOT: plot(rows, figure),
    }
    for name, text in texts.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    return Written(tuple(rows), figure, tuple(notes))


def read_results(folder: Path) -> tuple[list[Result], list[str]]:
    """Finished runs below a folder, by their path, and a note on every other run.

    Raises:
        ValueError: if there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder.")
    results, notes = [], []
    for run in sorted({path.parent for name in (RESULT, SETTINGS) for path in folder.rglob(name)}):
        where = run.relative_to(folder).as_posix()
        if not (run / RESULT).is_file():
            notes.append(f"{where} is left out: it is not finished.")
            continue
        try:
            found = read_result(run)
        except ValueError as error:
            notes.append(f"{where} is left out: {error}")
            continue
        if found.figures:
            results.append(found)
        else:
            notes.append(f"{where} is left out: {RESULT} holds no figures.")
    return results, notes


def read_result(run: Path) -> Result:
    """The result of a run's folder.

    Raises:
        ValueError: if it is damaged.
    """
    path = run / RESULT
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        figures = {
            str(name): Figure(_number(held["value"]), _spread(held["uncertainty"]))
            for name, held in figures_now(data).items()
        }
        return Result(
            name=str(data["name"]),
            folder=run,
            recipe=str(data["recipe"] or ""),
            parameters=int(_positive(data["parameters"])),
            macs=None if data["macs"] is None else int(_positive(data["macs"])),
            kimg=_number(data["kimg"]),
            seconds=_number(data["seconds"]),
            figures=figures,
            settings={TASK: DEFAULT_TASK, **data["settings"]},
        )
    except KeyError as error:
        raise ValueError(f"{RESULT} lacks {error.args[0]}.") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{RESULT} is damaged: {str(error).splitlines()[0]}.") from error


def over_seeds(results: Iterable[Result]) -> list[Result]:
    """Results of which those that differ by their seed alone are one: means, with their spread over seeds."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        shared = {key: value for key, value in result.settings.items() if key not in _OWN}
        key = json.dumps([result.recipe, shared], sort_keys=True, default=str)
        while any(_seed(other) == _seed(result) for other in groups.get(key, [])):
            key += "+"  # a seed that was run twice is a row of its own
        groups.setdefault(key, []).append(result)
    return [_mean(group) if len(group) > 1 else group[0] for group in groups.values()]


def summary(result: Result) -> str:
    """A line about a run."""
    figures = ", ".join(f"{name} {figure}" for name, figure in result.figures.items()) or "no figures"
    cost = "" if result.macs is None else f", {si(result.macs)} MACs"
    return f"{result.kimg:g} kimg in {result.hours:.2f} h{cost}; {figures}."


def plot(results: Sequence[Result], figure: str) -> str:
    """An SVG file: a figure against operations and against parameters, a point for every run."""
    shown = [r for r in results if figure in r.figures and math.isfinite(r.figures[figure].value)]
    axes: list[tuple[str, Callable[[Result], int | None]]] = [
        ("MACs", lambda r: r.macs),
        ("parameters", lambda r: r.parameters),
    ]
    panels = []
    for label, of in axes:
        points = [
            Point(r.name, x, r.figures[figure].value, _finite(r.figures[figure].uncertainty))
            for r in shown
            if (x := of(r)) is not None
        ]
        panels.append(scatter(points, x_label=label, width=WIDTH, height=_PANEL))
    return file(panels, title=f"{figure}, {_direction(figure)} is better")


def _seed(result: Result) -> Any:
    return result.settings.get(SEED)


def _mean(group: Sequence[Result]) -> Result:
    """One result of runs of several seeds."""
    figures = {}
    for name in _figures(group):
        values = [r.figures[name].value for r in group if name in r.figures]
        several = len(values) > 1 and all(map(math.isfinite, values))
        figures[name] = Figure(sum(values) / len(values), statistics.stdev(values) if several else None)
    first = group[0]
    names = ["+".join(p for p in r.name.split("+") if p != f"{SEED}-{_seed(r)}") for r in group]
    return replace(
        first,
        name=names[0] or first.recipe or first.name,
        seconds=sum(r.seconds for r in group) / len(group),
        figures=figures,
        runs=len(group),
    )


def _si(count: int | None) -> str:
    return "unknown" if count is None else si(count)


def _csv(results: Sequence[Result], names: Sequence[str], folder: Path) -> str:
    """All numbers as they are, and where each run lies below the folder."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    columns = [column for name in names for column in (name, f"{name}_uncertainty")]
    writer.writerow(["name", "recipe", "seed", "folder", "parameters", "macs", "kimg", "hours", *columns])
    for r in results:
        where = r.folder.relative_to(folder).as_posix()
        row: list[Any] = [r.name, r.recipe, _seed(r), where, r.parameters, r.macs, r.kimg, round(r.hours, 4)]
        for name in names:
            held = r.figures.get(name)
            row += ["", ""] if held is None else [held.value, held.uncertainty]
        writer.writerow(row)
    return file.getvalue()


def _markdown(results: Sequence[Result], names: Sequence[str], notes: Sequence[str], *, marked: bool) -> str:
    """An aligned table, the best of a column bold where there are several that may be compared."""
    seeds = any(r.runs > 1 for r in results)
    head = ["name", "parameters", "MACs", "kimg", "hours", *(["seeds"] if seeds else [])]
    head += [f"{name} ({'↑' if higher_is_better(name) else '↓'})" for name in names]
    best: dict[str, float] = {}
    if len(results) > 1 and marked:
        for name in names:
            values = [r.figures[name].value for r in results if name in r.figures]
            best[name] = (max if higher_is_better(name) else min)(v for v in values if not math.isnan(v))
    rows = []
    for r in results:
        row = [r.name.replace("|", r"\|"), si(r.parameters), _si(r.macs), f"{r.kimg:g}", f"{r.hours:.2f}"]
        row += [str(r.runs)] if seeds else []
        for name in names:
            held = r.figures.get(name)
            text = "" if held is None else str(held)
            row.append(f"**{text}**" if held is not None and held.value == best.get(name) else text)
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = [f"{'-' * width}" if i == 0 else f"{'-' * (width - 1)}:" for i, width in enumerate(widths)]
    lines = [_line(row, widths) for row in (head, rule, *rows)]
    return "\n".join([*lines, *([""] if notes else []), *(f"Note: {note}  " for note in notes), ""])


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = [f"{c:>{w}}" if i else f"{c:<{w}}" for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return f"| {' | '.join(padded)} |"


def _figures(results: Sequence[Result]) -> list[str]:
    """Names of all figures, in order of appearance."""
    return list(dict.fromkeys(name for r in results for name in r.figures))


def _direction(figure: str) -> str:
    return "higher" if higher_is_better(figure) else "lower"


def _told_apart(results: list[Result], folder: Path) -> list[Result]:
    """Results whose names are of their own: runs that share a name get their path."""
    names = [r.name for r in results]
    return [
        r
        if names.count(r.name) == 1
        else replace(r, name=f"{r.name} ({r.folder.relative_to(folder).as_posix()})")
        for r in results
    ]


def _differences(results: Sequence[Result]) -> list[str]:
    """Notes on what keeps figures from being compared."""
    notes = []
    for key in SHARED:
        counted = [r for r in results if key not in _OF_STUDENTS or "teacher" in r.settings]
        values = sorted({str(_setting(r.settings, key)) for r in counted})
        if len(values) > 1:
            told = f"{key} differs ({', '.join(values)})"
            notes.append(f"{told}: figures of such runs are not to be compared, and no best one is marked.")
    return notes


def _setting(settings: Mapping[str, Any], key: str) -> Any:
    value: Any = settings
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _positive(value: Any) -> float:
    if not 0 < _number(value) < math.inf:
        raise ValueError(f"{value!r} is not positive")
    return float(value)


def _spread(value: Any) -> float | None:
    return None if value is None else _number(value)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
