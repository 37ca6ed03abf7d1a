"""README.md and the pages of docs/, cut into text and blocks."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
BOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.md"))  # tests/test_notebooks.py runs their notebooks
RUN = ("sh", "python")  # what a test runs, unless a comment in front of the block says why not
_BLOCK = re.compile(r"(?:<!-- not run: (.*?) -->\n)?^```(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and why it is not run, if so."""

    language: str
    text: str
    reason: str | None

    def lines(self) -> list[str]:
        """The commands of a shell block, a continued one in one line, without comments."""
        joined = re.sub(r" \\\n +", " ", self.text)
        lines = [re.sub(r"\s+#.*", "", line).strip() for line in joined.splitlines()]
        return [part.strip() for line in lines if line for part in line.split("&&")]


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page."""
    return [Block(language, code, reason or None) for reason, language, code in _BLOCK.findall(text)]


def prose(text: str) -> str:
    """A page without its blocks."""
    return _BLOCK.sub("", text)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as the site and GitHub make them."""
    headings = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}
