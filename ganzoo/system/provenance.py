"""Where a measured number comes from: the command, the date, the machine and the versions."""

import importlib.metadata
import os
import platform
import shlex
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import torch

from ganzoo.system.version import __version__

_PACKAGES = ("torch", "torch-fidelity", "accelerate", "timm", "numpy", "pillow")
# In /proc/cpuinfo, what decides how fast networks run there: bfloat16 pays with the first four alone.
_INSTRUCTIONS = {
    "amx_bf16": "AMX", "avx512_bf16": "AVX-512 BF16", "bf16": "BF16", "sve": "SVE", "avx512f": "AVX-512",
    "avx2": "AVX2",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What is needed to repeat a measurement.

    Attributes:
        command: Line that started this process.
        date: Now, in UTC, to the second.
        hardware: See `hardware`.
        versions: See `versions`.
    """

    command: str
    date: str
    hardware: str
    versions: dict[str, str]


def provenance(device: str = "cpu", processes: int = 1) -> Provenance:
    """Command, date, hardware and versions of what is measured here and now.

    Args:
        device: Type of the device that computed.
        processes: Number of processes that shared the work.
    """
    return Provenance(
        command=command_line(), date=now(), hardware=hardware(device, processes), versions=versions()
    )


def command_line() -> str:
    """The line that started this process, as a shell takes it."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def now() -> str:
    """Date and time in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def hardware(device: str = "cpu", processes: int = 1) -> str:
    """The processor, the accelerator if it was used, and the number of processes if there were several."""
    parts = [processor(), f"{torch.get_num_threads()} threads"]
    if device != "cpu":
        parts.append(torch.cuda.get_device_name() if device == "cuda" else device)
    if processes > 1:
        parts.append(f"{processes} processes")
    return ", ".join(parts)


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
    found = {"ganzoo": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def load() -> float | None:
    """Processes that wanted a core in the minute before, or None where nobody counts."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
