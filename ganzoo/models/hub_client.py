"""Calls of the Hub's client, with every fault told in one line that says what to do."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, ENOSPC, EPERM, EROFS
from typing import TYPE_CHECKING

from ganzoo.models.sources import SourceError

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

TIMEOUT = 10.0  # seconds that the Hub may take to answer a question
_DISK = {EACCES, ENOSPC, EPERM, EROFS}
_LONGEST = 300
_TOLD = re.compile(r"HTTP status \w+ error \((\d{3})")  # as the library tells it that transfers by Xet


class HubError(SourceError):
    """Something with the Hub went wrong; the message says what and what to do."""


class Unreachable(HubError):
    """The Hub does not answer, or answers that it is out of order."""


@contextmanager
def hub_call(what: str, endpoint: str | None = None) -> Iterator[None]:
    """A block of calls of the Hub's client, which says nothing itself meanwhile.

    Args:
        what: Action for the message.
        endpoint: Address of the Hub, if it is not the client's own.

    Raises:
        HubError: for whatever the client raises.
    """
    from huggingface_hub.utils import logging as client_log
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    before, bars = client_log.get_verbosity(), not are_progress_bars_disabled()
    client_log.set_verbosity(logging.ERROR)  # it announces every retry
    if bars and not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    except HubError:
        raise
    except Exception as error:
        kind, reason = _reason(error, endpoint)
        raise kind(f"{what}: {reason}.") from error
    finally:
        client_log.set_verbosity(before)
        if bars:
            enable_progress_bars()


def _reason(error: Exception, endpoint: str | None) -> tuple[type[HubError], str]:
    """What an error of the client means, and whether the Hub can be reached at all."""
    from huggingface_hub import constants, errors, get_token

    chain = _chain(error)
    where = endpoint or constants.ENDPOINT
    # httpx's or httpx2's own: which of them it is depends on the client's version.
    transport: type[BaseException] = errors.HfHubHTTPError.__bases__[0]
    for e in chain:
        if isinstance(e, errors.HfHubHTTPError):
            return _answer(e, where, bool(get_token()))
        if isinstance(e, errors.OfflineModeIsEnabled):
            return Unreachable, "HF_HUB_OFFLINE is set, and this is not in the cache"
        if isinstance(e, OSError) and e.errno in _DISK:
            what = e.filename or "the cache"
            return HubError, f"{what} cannot be written: {e.strerror}. Choose another cache: --cache-dir"
        if told := _TOLD.search(str(e)):
            return _status(int(told[1]), "", bool(get_token())) or (HubError, f"the Hub answers {told[1]}")
        # The client closes what its other threads still use when one of them finds the Hub gone.
        if isinstance(e, transport) or (isinstance(e, RuntimeError) and "has been closed" in str(e)):
            return Unreachable, f"{where} cannot be reached, or breaks off: {_first_line(e)}. Try again later"
    if any(isinstance(e, errors.LocalEntryNotFoundError) for e in chain):
        return Unreachable, f"{where} cannot be reached, and this is not, or not whole, in the cache"
    return HubError, ": ".join(dict.fromkeys(map(_first_line, (error, chain[-1]))))


def _answer(error: "HfHubHTTPError", where: str, has_token: bool) -> tuple[type[HubError], str]:
    """What the Hub's own answer means; `error` is the client's for it."""
    from huggingface_hub import errors

    status = error.response.status_code
    said = (error.server_message or "").rstrip(". ")
    said = f" ({_first_line(said)})" if said else ""
    log_in = _log_in(has_token)
    if isinstance(error, errors.GatedRepoError):
        return HubError, f"its owner asks for consent first. Agree on its page at {where}, and {log_in}"
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError, "there is no such branch, tag, pull request or commit"
    if isinstance(error, errors.RepositoryNotFoundError):
        return HubError, f"there is no such repository, or it is private and not for you; if so, {log_in}"
    if isinstance(error, errors.EntryNotFoundError):
        return HubError, f"a file is not there{said}"
    otherwise = HubError, f"the Hub answers {status}{said or f' ({_first_line(error)})'}"
    return _status(status, said, has_token) or otherwise


def _status(status: int, said: str, has_token: bool) -> tuple[type[HubError], str] | None:
    """What a status means wherever it comes from, or None if it says no more than its number."""
    log_in = _log_in(has_token)
    if status == 401:
        return HubError, f"the Hub does not accept your token (401){said}; {log_in}"
    if status == 403:
        return HubError, f"the Hub refuses (403){said}: your token lacks the right; {log_in}"
    if status in (409, 412):
        return HubError, f"somebody changes the repository meanwhile ({status}){said}. Try again"
    if status == 429:
        return Unreachable, f"too many requests (429){said}. Wait some minutes and try again"
    if status >= 500:
        return Unreachable, f"the Hub is out of order ({status}){said}. Try again later"
    return None


def _log_in(has_token: bool) -> str:
    return f"log in{' with another token' if has_token else ''}: hf auth login"


def _chain(error: BaseException) -> list[BaseException]:
    """An error and what it came from, the last first."""
    found: list[BaseException] = []
    seen: BaseException | None = error
    while seen is not None and seen not in found:
        found.append(seen)
        seen = seen.__cause__ or seen.__context__
    return found


def _first_line(text: object) -> str:
    """The first line that says something, cut if it is long."""
    lines = [line.strip().rstrip(".:") for line in str(text).splitlines() if line.strip()]
    return (lines or [type(text).__name__])[0][:_LONGEST]
