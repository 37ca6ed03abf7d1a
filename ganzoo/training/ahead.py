"""The next batch, made in a thread while the step before it goes on."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

import torch

T = TypeVar("T")


class Ahead(Generic[T]):
    """Gives what `make` makes of a step's number, and makes that of the next step in the meantime.

    Nothing but the time depends on the thread: what is made is a function of the number. Leaving the block
    waits for the one that is being made, at most, and drops it.

    Args:
        make: Function of a step's number.
        steps: Number of steps; nothing is made beyond.
        device: Device of this process.
    """

    def __init__(self, make: Callable[[int], T], steps: int, device: torch.device) -> None:
        self._make, self._steps = make, steps
        index = None if device.type == "cpu" else torch.accelerator.current_device_index()
        self._thread = ThreadPoolExecutor(1, "batches", _take_device, (index,))
        self._next: tuple[int, Future[T]] | None = None

    def __call__(self, step: int) -> T:
        """What belongs to a step; raises whatever `make` raised."""
        if self._next is None or self._next[0] != step:
            self._submit(step)
        assert self._next is not None
        found = self._next[1].result()
        self._next = None
        if step + 1 < self._steps:
            self._submit(step + 1)
        return found

    def _submit(self, step: int) -> None:
        self._next = step, self._thread.submit(self._make, step)

    def __enter__(self) -> "Ahead[T]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)


def _take_device(index: int | None) -> None:
    """Use the device of the main thread: each thread begins with the first one."""
    if index is not None:
        torch.accelerator.set_device_index(index)
