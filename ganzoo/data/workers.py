"""Results in order from processes that work side by side, with few of them in memory at a time."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

_AHEAD = 4  # results to wait for, for each worker: while one large image is decoded, small ones go on

# The function of a worker process, set once when it starts: it may hold a hundred thousand names.
_function: Callable[[Any], Any] | None = None


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(
    function: Callable[[_T], _R], items: Sequence[_T], *, workers: int
) -> Generator[_R, None, None]:
    """`function` of every item, in order; in this process if one worker is enough.

    The processes are fresh interpreters, to which the function is pickled. Ctrl-C reaches this process only,
    and they end with it, even if it is killed. Close the iterator to stop them early.

    Raises:
        OSError: if a worker dies.
    """
    if workers == 1 or len(items) <= 1:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(
        max_workers=min(workers, len(items)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(function,),
    )
    try:
        waiting: deque[Future[_R]] = deque()
        with _without_interrupts():  # the first to be submitted starts all processes
            waiting.append(pool.submit(_call, items[0]))
        for item in items[1:]:
            waiting.append(pool.submit(_call, item))
            if len(waiting) >= _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise OSError(
            "a worker process died: memory ran out (take fewer --workers or lower --max-pixels), or a script "
            "lacks the guard `if __name__ == '__main__':`"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _call(item: Any) -> Any:
    assert _function is not None
    return _function(item)


def _end_with_parent() -> None:
    """End this process when its parent is gone; a pool does not notice that it was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold back Ctrl-C; processes that start here never see it, and this one does when the block ends.

    A terminal sends it to all of them at once, and each would print a traceback of its own.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
