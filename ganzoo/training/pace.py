"""How fast long work goes and when it ends, for a bar, and in lines where nobody sees a bar."""

import sys
import time
from collections.abc import Callable

_EVERY = 60.0  # seconds between two lines, at first; later a fiftieth of the time that has passed
_UNITS = (("day", 86400), ("h", 3600), ("min", 60), ("s", 1))


def duration(seconds: float) -> str:
    """Seconds as a person says them: `79 days`, `5 h 20 min`, `40 s`."""
    whole = max(1, round(seconds))
    if whole >= 10 * 86400:
        return f"{round(whole / 86400):,} days"
    index = next(i for i, (_, size) in enumerate(_UNITS) if whole >= size)
    name, size = _UNITS[index]
    most, rest = divmod(whole, size)
    parts = [f"{most} {name}{'s' if name == 'day' and most > 1 else ''}"]
    if index + 1 < len(_UNITS):
        name, size = _UNITS[index + 1]
        parts += [f"{rest // size} {name}"] if rest // size else []
    return " ".join(parts)


def speed(per_second: float) -> str:
    """Images a second in three digits."""
    return f"{per_second:.3g} images/s" if per_second < 1000 else f"{per_second / 1000:.3g} kimg/s"


class Pace:
    """Time that is left, from the mean speed so far; before the first step from a speed that was measured.

    Args:
        total: Images of the whole work.
        done: Images that were done before.
        per_second: Speed that was measured beforehand.
        lines: Whether to print lines on stderr.
        clock: Seconds.
    """

    def __init__(
        self,
        total: int,
        *,
        done: int = 0,
        per_second: float | None = None,
        lines: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total, self.start, self.per_second = total, done, per_second
        self.lines, self.clock = lines, clock
        self._began = self._next = clock()

    def left(self, done: int) -> str:
        """`5 h 20 min left`, or nothing where no speed is known yet."""
        rate = self._rate(done)
        return f"{duration((self.total - done) / rate)} left" if rate and done < self.total else ""

    def tell(self, done: int, line: Callable[[], str]) -> None:
        """Print a line if it is time for one: after the first step, then every minute, then more rarely."""
        now = self.clock()
        if not self.lines or now < self._next:
            return
        self._next = now + max(_EVERY, (now - self._began) / 50)
        rate = self._rate(done)
        parts = [line(), speed(rate) if rate else "", self.left(done)]
        print(", ".join(part for part in parts if part), file=sys.stderr, flush=True)

    def _rate(self, done: int) -> float | None:
        passed = self.clock() - self._began
        return (done - self.start) / passed if done > self.start and passed > 0 else self.per_second
