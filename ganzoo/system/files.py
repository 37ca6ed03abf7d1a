"""Files that appear whole or not at all, several of them together; folders that take none; hashes, sizes."""

import errno
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tokenize import TokenError

# What numpy raises for a file that is not there, or not whole, or whose header is damaged.
UNREADABLE_ARRAY = (
    OSError, ValueError, TypeError, EOFError, OverflowError, MemoryError, SyntaxError, TokenError,
)  # fmt: skip
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_BLOCK = 1 << 20


def with_advice(error: Exception) -> str:
    """An error's message; of a full disk, of which the system says no more than that, with what to do."""
    if not isinstance(error, OSError) or error.errno not in DISK_FULL:
        return str(error)
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror}{where}: make room and run the same command again. What is whole is kept."


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well.

    When the block fails, the temporary file is gone and `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:  # from here on: an interruption may follow the opening itself
        # Opened by the mode that a plain open() would ask for, so that the user's umask decides.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # a writer may have put a file of its own there
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder for new files within `out`; where the block fails, folders that were made for it are gone."""
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=out, prefix=".new-") as folder:
            yield Path(folder)
    except BaseException:
        with suppress(OSError):  # somebody else may have put something there
            for empty in made:
                empty.rmdir()
        raise


def move_together(names: Iterable[str], source: Path, target: Path) -> None:
    """Move files into a folder, which is made if need be, in the place of those that it has.

    If it fails or is interrupted, the folder is as it was.
    """
    made = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    old = source / "replaced"
    old.mkdir()
    moves: list[tuple[Path, Path]] = []
    try:
        for name in names:
            for here, there in ((target / name, old / name), (source / name, target / name)):
                if here.exists():
                    moves.append((here, there))  # noted first: an interruption may follow the move itself
                    here.replace(there)
    except BaseException:
        for here, there in reversed(moves):
            if there.exists() and not here.exists():
                there.replace(here)
        if made:
            target.rmdir()
        raise


def facts_digest(facts: object) -> str:
    """sha256 of plain values as JSON, whatever the order of their keys: a name for what depends on them."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def refuse_unwritable(out: Path, what: str) -> None:
    """Raise OSError if the folder cannot be made or written, before anything is downloaded or computed."""
    existing = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise OSError(f"{what} {str(out)!r} cannot be written: {existing} is no writable folder.")
    if existing == out:
        try:
            with tempfile.TemporaryFile(dir=out):  # rights alone do not tell: the disk may be read-only
                pass
        except OSError as error:
            raise OSError(f"{what} {str(out)!r} cannot be written: {error.strerror}.") from error


def sha256(path: Path) -> str:
    """sha256 of a file's bytes; of a folder, such as a package of Core ML, of its files' paths and hashes."""
    digest = hashlib.sha256()
    if path.is_dir():
        for part in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{part.relative_to(path).as_posix()} {sha256(part)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return path.stat().st_size
