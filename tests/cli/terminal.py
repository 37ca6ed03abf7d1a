"""The command line in a terminal of a certain width."""

import fcntl
import importlib
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

from processes import started

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def in_terminal(command: list[str], columns: int, **environment: str) -> str:
    """Everything that a command writes to a terminal of so many columns, with its escapes."""
    master, slave = _opened(columns)
    own = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env={**own, "TERM": "xterm", **environment}
    )
    os.close(slave)
    written = _written(master)
    process.wait(timeout=120)
    return written


def forked_in_terminal(folder: Path, main: Callable[[], None], columns: int) -> str:
    """The same of a function, in a process that starts at once. It writes a screen or two at most."""
    master, slave = _opened(columns)
    with started(folder, _on_terminal, os.ttyname(slave), main.__module__, main.__name__) as process:
        status, _, err = process.finish()
    assert status == 0, err
    os.close(slave)
    return _written(master)


def _on_terminal() -> None:
    """Of a process whose words are a terminal and a function: what it writes goes to that terminal."""
    terminal, module, name = sys.argv[1:]
    for number in range(3):
        os.dup2(os.open(terminal, os.O_RDWR | os.O_NOCTTY), number)
    for key in ("COLUMNS", "LINES", "NO_COLOR"):
        os.environ.pop(key, None)
    os.environ["TERM"] = "xterm"
    getattr(importlib.import_module(module), name)()


def _opened(columns: int) -> tuple[int, int]:
    """Both ends of a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    return master, slave


def _written(master: int) -> str:
    """All that was written to a terminal, which is closed."""
    written = b""
    try:
        while block := os.read(master, 65536):
            written += block
    except OSError:  # how Linux tells of a terminal that nobody writes to any more
        pass
    os.close(master)
    return written.decode()


def plain(text: str) -> str:
    """What is written without colours and movements."""
    return _ESCAPES.sub("", text).replace("\r\n", "\n")


def screen(text: str) -> list[str]:
    """The lines that are left on the screen, of what moves the cursor as progress bars do."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+", text):
        if token == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif token == "\r":
            column = 0
        elif token.startswith("\x1b["):
            if token.endswith("A"):
                row = max(0, row - int(token[2:-1] or 1))
            elif token.endswith("K"):
                lines[row] = "" if token == "\x1b[2K" else lines[row][:column]
        else:
            lines[row] = lines[row][:column].ljust(column) + token + lines[row][column + len(token) :]
            column += len(token)
    return [line.rstrip() for line in lines]
