"""Processes that start at once: forks of one that has imported what is slow, and that has no threads."""

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["torch", "scipy.linalg", "ganzoo.cli", "ganzoo.converters", "ganzoo.metrics"])


class Started:
    """A process that runs `main(*words)` as a command line does, with what it says in files.

    main: Function of a module that can be imported there.
    environment: Variables beside this process's own.
    """

    def __init__(
        self, folder: Path, main: Callable[..., None], *words: object, **environment: object
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.out, self.err = folder / "stdout", folder / "stderr"
        variables = {**os.environ, **{name: str(value) for name, value in environment.items()}}
        arguments = (main, list(map(str, words)), variables, (self.out, self.err))
        self.process = SERVER.Process(target=_carry_out, args=arguments)
        self.process.start()

    def send_signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def finish(self, timeout: float = 60) -> tuple[int | None, str, str]:
        """Status, stdout and stderr; None if it does not end in time."""
        self.process.join(timeout)
        return self.process.exitcode, self.out.read_text(), self.err.read_text()

    def end(self) -> None:
        self.process.kill()
        self.process.join()


@contextmanager
def started(folder: Path, main: Callable[..., None], *words: object) -> Iterator[Started]:
    """A process that ends with the block."""
    process = Started(folder, main, *words)
    try:
        yield process
    finally:
        process.end()


def in_two(folder: Path, main: Callable[..., None], *words: object) -> list[tuple[int | None, str, str]]:
    """Status, stdout and stderr of two processes that find each other as those of torchrun do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free.getsockname()[1]}
    sizes = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, **place}
    pair = [Started(folder / str(i), main, *words, RANK=i, LOCAL_RANK=i, **sizes) for i in range(2)]
    try:
        return [process.finish(300) for process in pair]
    finally:
        for process in pair:
            process.end()


def _carry_out(
    main: Callable[..., None], words: list[str], variables: dict[str, str], files: tuple[Path, Path]
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    os.environ.clear()
    os.environ.update(variables)
    for number, path in enumerate(files, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    sys.argv = ["ganzoo", *words]
    main()
