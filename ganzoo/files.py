"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well.

    When the block fails, the temporary file is gone and `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    # Opened by the mode that a plain open() would ask for, so that the user's umask decides.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    mode = temporary.stat().st_mode
    try:
        yield temporary
        temporary.chmod(mode)  # a writer may have put a file of its own there
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
