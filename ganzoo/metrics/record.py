"""Records: a figure together with everything that is needed to repeat it, one JSON line each."""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import torch

from ganzoo.metrics.distances import DEFINITIONS, OLD_PSNR, OLD_PSNR_DEFINITION
from ganzoo.system.paths import DATA, missing, user_path
from ganzoo.system.validation import from_mapping, plain
from ganzoo.system.version import __version__

SCHEMA_VERSION = 2  # 1 had no definition, and clipped images for psnr


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What two figures must have in common to be compared; all of it is known before they are measured.

    Attributes:
        metric: its full name; a Frechet distance is called FID on Inception's features alone.
        num_fake, num_real: images on either side.
        features: feature network: name, sha256 of its weights, size and normalisation of its input.
        resizer: what brought the images to that size.
        sampling: how the fakes were made: seeds, truncation, noise, resolution.
        real: what they are compared with: kind, sha256, and how it was made.
        definition: of a distance between pairs, as `ganzoo.metrics.distances` has it.
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
        value: the figure.
        uncertainty: standard deviation over bootstrap resamples, or None.
        fake: what is judged: name, sha256, form.
        seconds: that it took.
        command, date, hardware, versions: of the measurement.
        warnings: what a reader of the figure should know.
    """

    value: float
    uncertainty: float | None
    fake: Mapping[str, Any]
    seconds: float
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


def published_records(name: str) -> list[Record]:
    """What `ganzoo eval` measured of a published model: `registry/measured/<name>.jsonl`, if there is one."""
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


def hardware(device: str = "cpu", processes: int = 1) -> str:
    """The processor, the accelerator if it was used, and the number of processes if there were several."""
    parts = [processor(), f"{torch.get_num_threads()} threads"]
    if device != "cpu":
        parts.append(torch.cuda.get_device_name() if device == "cuda" else device)
    if processes > 1:
        parts.append(f"{processes} processes")
    return ", ".join(parts)


# In /proc/cpuinfo, what decides how fast networks run there: bfloat16 pays with the first four alone.
_INSTRUCTIONS = {
    "amx_bf16": "AMX", "avx512_bf16": "AVX-512 BF16", "bf16": "BF16", "sve": "SVE", "avx512f": "AVX-512",
    "avx2": "AVX2",
}  # fmt: skip


def processor() -> str:
    """The processor's name and the widest of its instructions, of which cloud machines hide the model."""
    name, flags = platform.processor() or platform.machine(), set[str]()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            if key.strip() in ("flags", "Features"):
                flags = set(value.split())
                break
    except OSError:
        pass
    has = [told for flag, told in _INSTRUCTIONS.items() if flag in flags]
    return f"{name} ({' and '.join(has[:2]) if has[0] == 'AMX' else has[0]})" if has else name


def versions() -> dict[str, str]:
    """Versions of what computes the figures."""
    import importlib.metadata

    names = ["torch", "torch-fidelity", "accelerate", "timm", "numpy", "pillow"]
    found = {"ganzoo": __version__, "python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _differences(key: str, a: Any, b: Any) -> list[str]:
    """Leaves in which two values differ."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return [line for k in sorted({*a, *b}) for line in _differences(f"{key}.{k}", a.get(k), b.get(k))]
    return [] if a == b else [f"{key}: {a!r} and {b!r}"]
