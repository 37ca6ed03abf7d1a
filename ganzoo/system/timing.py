"""Times of several calls, in turns, so that a machine that slows down slows all of them."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch


def in_turns(
    calls: Sequence[Callable[[], Any]],
    rounds: int,
    *,
    device: str | torch.device = "cpu",
    warm_up: int = 1,
    pause: float = 0.0,
) -> Iterator[tuple[float, ...]]:
    """Seconds of every call, a tuple a round: A B A B.

    Args:
        calls: Calls to time.
        rounds: Number of rounds that count; 0 calls nothing.
        device: Device that computes; before the clock is read it has done what it was given.
        warm_up: Number of rounds before, which do not count.
        pause: Seconds in front of every call; threads of another engine spin on for a while.
    """
    for i in range(warm_up + rounds if rounds else 0):
        times = []
        for call in calls:
            time.sleep(pause)
            _finish(device)
            began = time.perf_counter()
            call()
            _finish(device)
            times.append(time.perf_counter() - began)
        if i >= warm_up:
            yield tuple(times)


def _finish(device: str | torch.device) -> None:
    """Wait until the device has done what it was given."""
    if torch.device(device).type != "cpu":
        torch.accelerator.synchronize(device)
