"""Records: a figure together with everything that is needed to repeat it, one JSON line each."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from ganzoo.metrics.distances import DEFINITIONS, OLD_PSNR, OLD_PSNR_DEFINITION
from ganzoo.system.paths import DATA, missing, user_path
from ganzoo.system.validation import from_mapping, plain

SCHEMA_VERSION = 2  # 1 had no definition, and clipped images for psnr


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What two figures must have in common to be compared; all of it is known before they are measured.

    Attributes:
        metric: Full name of the metric; a Frechet distance is called FID on Inception's features alone.
        num_fake, num_real: Numbers of images on either side.
        features: Feature network: name, sha256 of its weights, size and normalisation of its input.
        resizer: Method that brought the images to that size.
        sampling: Settings of the fakes: seeds, truncation, noise, resolution.
        real: Images that they are compared with: kind, sha256, and how they were made.
        definition: Definition of a distance between pairs, as `ganzoo.metrics.distances` has it.
    """

    metric: str
    num_fake: int
    num_real: int | None
    features: Mapping[str, Any] | None
    resizer: str | None
    sampling: Mapping[str, Any] | None
    real: Mapping[str, Any] | None
    definition: str | None = None


PROTOCOL = tuple(f.name for f in fields(Protocol))
AnyProtocol = TypeVar("AnyProtocol", bound=Protocol)


@dataclass(frozen=True, kw_only=True)
class Record(Protocol):
    """A figure and its protocol.

    Attributes:
        value: Value of the metric.
        uncertainty: Standard deviation over bootstrap resamples, or None.
        fake: Model or images that are judged: name, sha256, form.
        seconds: Seconds that the measurement took; None where nobody noted it.
        command, date, hardware, versions: Facts of the measurement.
        warnings: Warnings for a reader of the value.
    """

    value: float
    uncertainty: float | None
    fake: Mapping[str, Any]
    seconds: float | None
    command: str
    date: str
    hardware: str
    versions: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    schema_version: int = field(default=SCHEMA_VERSION)

    def to_json(self) -> str:
        """One line; `from_json` takes it back."""
        return json.dumps(plain(self), allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> "Record":
        """The record of a line.

        Raises:
            ValueError: if it is no record of this version.
        """
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"This is no record: {error}") from error
        names = {f.name for f in fields(cls)}
        if isinstance(data, dict) and data.get("schema_version") == 1:
            data = {**data, **_since_version_1(str(data.get("metric")))}
        if not isinstance(data, dict) or set(data) != names or data["schema_version"] != SCHEMA_VERSION:
            raise ValueError(
                f"This is no record of version {SCHEMA_VERSION}, whose keys are {', '.join(sorted(names))}."
            )
        try:
            return from_mapping(cls, data, "a record")
        except ValueError as error:
            raise ValueError(f"This is no record: {error}") from error


def _since_version_1(metric: str) -> dict[str, Any]:
    """What a record of version 1 lacks, and the name that its metric has now."""
    definition = DEFINITIONS.get(metric.split("_")[0])
    found = {"metric": metric, "definition": definition, "schema_version": SCHEMA_VERSION}
    return found if metric != "psnr" else {**found, "metric": OLD_PSNR, "definition": OLD_PSNR_DEFINITION}


def read_records(path: str | os.PathLike[str]) -> list[Record]:
    """Records of a file, one a line.

    Raises:
        ValueError: if a line is no record, with its number, or there is none.
        FileNotFoundError: if there is no such file.
    """
    path = user_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is a folder." if path.exists() else missing(path))
    records = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} holds no records: it is no text.") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                records.append(Record.from_json(line))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
    if not records:
        raise ValueError(f"{path} holds no record.")
    return records


def append_records(path: str | os.PathLike[str], records: Iterable[Record]) -> None:
    """Append records to a file, one a line; its folder is made if need be.

    Raises:
        OSError: if the file cannot be written.
    """
    path = user_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(record.to_json() + "\n" for record in records)


def published_records(name: str) -> list[Record]:
    """Every published number of a model: `registry/measured/<name>.jsonl`, if there is one.

    Most are of `ganzoo eval`. Speed and memory stand beside them, with their unit in the definition.
    """
    path = DATA / "registry" / "measured" / f"{name}.jsonl"
    return read_records(path) if path.is_file() else []


def differences(a: Protocol, b: Protocol) -> list[str]:
    """Fields of the protocol in which two figures differ, with both values; empty if they are comparable."""
    first, second = asdict(a), asdict(b)
    return [line for key in PROTOCOL for line in _differences(key, first[key], second[key])]


def compared(protocols: Iterable[AnyProtocol], records: Iterable[Record]) -> list[tuple[AnyProtocol, Record]]:
    """Every protocol, or record, that has its metric among the records, with the last that agrees with it.

    Raises:
        ValueError: if none have a metric in common, or none of that metric the same protocol: with the
            fields.
    """
    by_metric: dict[str, list[Record]] = {}
    for record in records:
        by_metric.setdefault(record.metric, []).insert(0, record)
    pairs = []
    for protocol in protocols:
        if candidates := by_metric.get(protocol.metric):
            same = [record for record in candidates if not differences(protocol, record)]
            if not same:
                found = "; ".join(differences(protocol, candidates[0]))
                raise ValueError(
                    f"{protocol.metric} cannot be compared with its earlier record; now and then: {found}."
                )
            pairs.append((protocol, same[0]))
    if not pairs:
        there = ", ".join(sorted(by_metric)) or "none"
        raise ValueError(f"The records have no metric in common; there: {there}.")
    return pairs


def _differences(key: str, a: Any, b: Any) -> list[str]:
    """Leaves in which two values differ."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return [line for k in sorted({*a, *b}) for line in _differences(f"{key}.{k}", a.get(k), b.get(k))]
    return [] if a == b else [f"{key}: {a!r} and {b!r}"]
