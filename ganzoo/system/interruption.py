"""Ctrl-C and SIGTERM: how a command ends by them, and as a request that a loop answers between two steps."""

import signal
import threading
from types import FrameType, TracebackType


class Interrupted(Exception):
    """The user pressed Ctrl-C; the message says what was kept."""


class StopRequest:
    """In its block, the first SIGINT or SIGTERM sets `requested`; a second SIGINT interrupts at once."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in self.SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            if handler is not None:  # of another language, which Python can neither call nor put back
                signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
