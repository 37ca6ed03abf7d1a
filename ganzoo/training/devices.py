"""Where a run computes: the device that it asks for, or an error before anything is made."""

import re
from typing import Any

import torch

from ganzoo.system.validation import unknown

KINDS = ("auto", "cpu", "cuda", "mps", "xpu")
_DEVICE = re.compile(r"(cuda|xpu):\d+")


def check_device(asked: str) -> None:
    """Raise ValueError for what is no name of a device."""
    if asked not in KINDS and not _DEVICE.fullmatch(asked):
        raise ValueError(unknown("device", asked, [*KINDS, "cuda:1"]))


def found_accelerator() -> str | None:
    """The kind of accelerator that PyTorch finds here, such as cuda."""
    found = torch.accelerator.current_accelerator(check_available=True)
    return None if found is None else found.type


def refuse_absent(asked: str) -> None:
    """Raise ValueError for a device that is not here."""
    check_device(asked)
    kind, _, number = asked.partition(":")
    if kind in ("auto", "cpu"):
        return
    if (found := found_accelerator()) != kind:
        there = "a CPU only" if found is None else f"{found} and a CPU"
        raise ValueError(
            f"device={asked}: PyTorch finds no {kind} here, {there}. Give device=auto, or device=cpu."
        )
    count = torch.accelerator.device_count()
    if number and int(number) >= count:
        raise ValueError(f"device={asked}: the last one here is {kind}:{count - 1}.")


def start(asked: str) -> Any:
    """Accelerate's `PartialState`, on the device that is asked for.

    Raises:
        ValueError: for a device that is not here, or one GPU for several processes.
        ImportError: without accelerate.
    """
    from accelerate import PartialState

    refuse_absent(asked)
    # Without cpu=True, processes on a machine without an accelerator would not know of each other.
    state = PartialState(cpu=asked == "cpu" or found_accelerator() is None)
    number = asked.partition(":")[2]
    if state.num_processes > 1:
        if number:
            raise ValueError(
                f"device={asked} is one GPU for {state.num_processes} processes: leave out its number."
            )
    else:  # the state is one for the whole process, also for the jobs of a sweep
        wanted = torch.device((found_accelerator() or "cpu") if asked == "auto" else asked)
        if number or state.device.type != wanted.type:
            state.device = wanted
        if number:
            torch.accelerator.set_device_index(int(number))
    return state
