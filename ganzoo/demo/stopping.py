"""Long work that ends when its visitor stops it, or is gone."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")
Report = Callable[[int, int], None]


class Stopped(Exception):
    """The work was stopped."""


class Visits:
    """The long work of each visitor."""

    def __init__(self) -> None:
        self._running: dict[str, set[threading.Event]] = {}

    async def run(self, visitor: str, work: Callable[[Report], Result], report: Report) -> Result:
        """What some work returns, done in a thread; it ends at its next report once nobody waits for it.

        Whoever is cancelled waits for that end: what the work used is free when this returns.

        Args:
            visitor: Key of the visitor.
            work: Function that is given a report, and calls it often.
            report: Function that is told what the work reports.
        """
        stop = threading.Event()

        def heard(done: int, total: int) -> None:
            if stop.is_set():
                raise Stopped
            report(done, total)

        mine = self._running.setdefault(visitor, set())
        mine.add(stop)
        done = asyncio.ensure_future(asyncio.to_thread(work, heard))
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([done])
            with suppress(Exception):  # such as Stopped: nobody is there to be told
                done.result()
            raise
        finally:
            stop.set()
            mine.discard(stop)
            if not mine:
                self._running.pop(visitor, None)

    def end(self, visitor: str) -> None:
        """End all work of a visitor."""
        for stop in list(self._running.get(visitor, ())):
            stop.set()
