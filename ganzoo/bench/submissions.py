"""Times that people send: the layout of a file, read as a stranger's, and the table of them all.

A file names the processor, never the machine or its user: no host name, no path, no serial number. No
string of it can be more than words on a page.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from ganzoo.charts.text import duration
from ganzoo.models.published import list_models
from ganzoo.runtimes import PRECISIONS, RUNTIMES
from ganzoo.system.files import replacing
from ganzoo.system.paths import DATA, missing, user_path
from ganzoo.system.validation import check_fields, from_mapping, in_range, plain, unknown

SCHEMA_VERSION = 1
FOLDER = DATA / "registry" / "submitted"
MAX_BYTES = 64 * 1024  # a hundred times of a hundred rounds would fit ten times
_MOST_TIMES, _MOST_VERSIONS, _LONGEST_COMMAND, _LONGEST_MESSAGE = 100, 20, 500, 300
LONGEST = 80  # letters of a name or version
_LONGEST_CALL = 86_400.0  # seconds
_COLUMNS = ("model", "processor", "engine", "threads", "p50", "p25 to p75", "load", "date")
SIGNS = r"A-Za-z0-9 .,;()+@/_-"  # nothing that HTML or Markdown takes for more, but for _ and links
_WORDS = re.compile(rf"[A-Za-z0-9][{SIGNS}]*")
_LINK = re.compile(r"www\.|\S@\S|//", re.IGNORECASE)  # what GitHub makes a link of without being told
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What decides how fast a network runs there, and nothing that tells whose machine it is.

    Attributes:
        processor: Name, and the widest of its instructions.
        cores: Cores that the process may use.
        memory_gb: Memory in whole GB; None where nobody tells.
        system: Name of the operating system.
        architecture: Name of the processor's architecture.
        accelerator: Device of PyTorch; None for the processor.
    """

    processor: str
    cores: int
    memory_gb: int | None
    system: str
    architecture: str
    accelerator: str | None

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("processor", "system", "architecture", "accelerator"):
            if getattr(self, name) is not None:
                _check_words(name, getattr(self, name))
        in_range("cores", self.cores, 1, 4096)
        if self.memory_gb is not None:
            in_range("memory_gb", self.memory_gb, 0, 1 << 20)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Times of one model in one runtime.

    Attributes:
        model: Name of a published model.
        weights_sha256: Digest of its weights.
        runtime, precision, batch: See `ganzoo.bench.BenchRequest`.
        resolution: Side of the images.
        p25, p50, p75: Quartiles of the seconds of a call, from w to `batch` images.
    """

    model: str
    weights_sha256: str
    runtime: str
    precision: str
    batch: int
    resolution: int
    p25: float
    p50: float
    p75: float

    def __post_init__(self) -> None:
        check_fields(self)
        accepted = {"model": list_models(), "runtime": {*RUNTIMES} - {"auto"}, "precision": PRECISIONS}
        for name, known in accepted.items():
            if (value := getattr(self, name)) not in known:
                raise ValueError(unknown(name, value, known))
        if not _SHA256.fullmatch(self.weights_sha256):
            raise ValueError(f"weights_sha256 is 64 hexadecimal digits; got {self.weights_sha256!r}.")
        in_range("batch", self.batch, 1, 4096)
        in_range("resolution", self.resolution, 4, 8192)
        if not 0 < self.p25 <= self.p50 <= self.p75 <= _LONGEST_CALL:
            raise ValueError(
                f"p25, p50 and p75 are seconds in that order, above 0 and up to {_LONGEST_CALL:.0f}; "
                f"got {self.p25!r}, {self.p50!r} and {self.p75!r}."
            )


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Times of one machine on one day, in turns.

    Attributes:
        machine: See `Machine`.
        times: One a row of the benchmark.
        threads: Threads of the engines.
        rounds: Number of timed calls of each.
        load: Processes that wanted a core in the minute before; None where nobody counts.
        versions: Versions of Python, PyTorch and the engines.
        ganzoo_version: Version of ganzoo.
        date: Day in UTC.
        command: Line that measures the same again.
        schema_version: Version of this layout.
    """

    machine: Machine
    times: tuple[Timing, ...]
    threads: int
    rounds: int
    load: float | None
    versions: Mapping[str, str] = field(hash=False)
    ganzoo_version: str
    date: str
    command: str
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        check_fields(self)
        in_range("schema_version", self.schema_version, SCHEMA_VERSION, SCHEMA_VERSION)
        in_range("The number of times", len(self.times), 1, _MOST_TIMES)
        in_range("The number of versions", len(self.versions), 1, _MOST_VERSIONS)
        in_range("threads", self.threads, 1, 4096)
        in_range("rounds", self.rounds, 1, 1_000_000)
        if self.load is not None and not 0 <= self.load <= 100_000:
            raise ValueError(f"load is a number from 0 to 100000, or null; got {self.load!r}.")
        for name, version in self.versions.items():
            _check_words("versions", name)
            _check_words(f"versions.{name}", version)
        _check_words("ganzoo_version", self.ganzoo_version)
        _check_words("command", self.command, _LONGEST_COMMAND)
        try:
            known = date.fromisoformat(self.date).isoformat() == self.date
        except ValueError:
            known = False
        if not known:
            raise ValueError(f"date is a day such as 2026-11-28; got {self.date!r}.")


def write(path: str | os.PathLike[str], submitted: Submission) -> None:
    """Write a submission as JSON; the file appears whole.

    Raises:
        OSError: if it cannot be written.
    """
    with replacing(user_path(path)) as temporary:
        temporary.write_text(json.dumps(plain(submitted), indent=1, allow_nan=False) + "\n")


def read(path: str | os.PathLike[str]) -> Submission:
    """The submission of a file, which anybody may have written.

    Raises:
        ValueError: for what is no submission: too large, no JSON, an unknown or missing key, a value out of
            its range, a character that a page might take for markup.
        OSError: if it cannot be read.
    """
    file = user_path(path)
    if not file.is_file():
        raise FileNotFoundError(missing(file))
    with file.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES} bytes")
        found = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
        if not isinstance(found, dict):
            raise ValueError("no JSON object")
        return from_mapping(Submission, found, "a submission")
    except (ValueError, RecursionError) as error:
        said = re.sub(r"\s+", " ", str(error))
        said = said if len(said) <= _LONGEST_MESSAGE else f"{said[:_LONGEST_MESSAGE]} …"
        raise ValueError(f"{file} is no submission of `ganzoo bench --submit`: {said}") from error


def submitted(folder: Path = FOLDER) -> list[Submission]:
    """All submissions of a folder, by the names of the files.

    Raises:
        ValueError: for a file that is none; see `read`.
    """
    return [read(path) for path in sorted(folder.glob("*.json"))]


def table(submissions: Sequence[Submission]) -> str:
    """A Markdown table: a row for each time, a model's together, the largest images first, quickest first."""
    lines = [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
    rows = [(s, t) for s in submissions for t in s.times]
    for s, t in sorted(rows, key=lambda row: (-row[1].resolution, row[1].model, row[1].batch, row[1].p50)):
        place = s.machine.accelerator or f"{s.machine.processor}, {s.machine.cores} cores"
        version = s.versions.get("torch" if t.runtime == "compiled" else t.runtime, "").partition("+")[0]
        batch = "" if t.batch == 1 else f", batch {t.batch}"
        cells = [
            t.model, place, f"{t.runtime} {version}".strip() + f", {t.precision}{batch}", str(s.threads),
            duration(t.p50), f"{duration(t.p25)} to {duration(t.p75)}",
            "" if s.load is None else f"{s.load:.1f}", s.date,
        ]  # fmt: skip
        lines.append(f"| {' | '.join(map(_escaped, cells))} |")
    return "\n".join(lines) + "\n"


def _check_words(what: str, text: str, longest: int = LONGEST) -> None:
    """Raise ValueError for a text that is long, or holds more than words."""
    if len(text) > longest or not _WORDS.fullmatch(text) or _LINK.search(text):
        raise ValueError(
            f"{what} is up to {longest} letters, digits, spaces and .,;()+@/_-, no link; got {text[:80]!r}."
        )


def _escaped(text: str) -> str:
    """Words as Markdown shows them as they are."""
    return text.replace("_", r"\_")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON whose keys are short and all different."""
    for key, _ in pairs:
        if len(key) > LONGEST:
            raise ValueError(f"a key of {len(key)} letters")
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key that is there twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
