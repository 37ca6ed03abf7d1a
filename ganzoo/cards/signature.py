"""Cards that nobody touched: a line at the end holds the hash of the rest, so that an edit by hand shows."""

import hashlib
import re

_MARK = re.compile(r"\n*<!-- Written by ganzoo; an edit above shows: ([0-9a-f]{64}) -->\s*\Z")


def signed(card: str) -> str:
    """The card with the line that tells that it is as ganzoo wrote it."""
    text = unsigned(card)
    return f"{text}\n<!-- Written by ganzoo; an edit above shows: {_hash(text)} -->\n"


def unsigned(card: str) -> str:
    """The card without that line."""
    return _MARK.sub("", card.replace("\r\n", "\n")).rstrip("\n") + "\n"


def is_untouched(card: str) -> bool:
    """Whether nobody edited the card since ganzoo wrote it."""
    mark = _MARK.search(card)
    return mark is not None and mark[1] == _hash(unsigned(card))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
