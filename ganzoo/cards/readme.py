"""A model's README.md before it is pushed: it names license and lineage, or is refused."""

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ganzoo.cards.signature import is_untouched, signed, unsigned
from ganzoo.models.hub_names import SCHEME

if TYPE_CHECKING:
    from huggingface_hub import ModelCard

UNKNOWN = "unknown"
# What the client takes for metadata; of anything else it only warns.
_METADATA = re.compile(r"\s*---[\r\n]+[\S\s]*?[\r\n]+---(\r\n|\n|$)")
NOT_WRITTEN = "Not written yet."
_LINEAGE = re.compile(r"^## Lineage[^\n]*\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
_LICENSE = re.compile(r"^(\| weights \| )unknown[^|\n]*", re.MULTILINE)
_LOAD = re.compile(r"ganzoo\.load\([^)\n]*\)[^\n]*")
_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9.-]*")


def card_text(path: Path) -> str:
    """What a README.md says.

    Raises:
        ValueError: if it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error.reason} at byte {error.start}.") from error


def read_card(text: str, where: str) -> "ModelCard":
    """The card, by the client's own parser.

    Raises:
        ValueError: if its metadata are no YAML, or not what the Hub takes.
    """
    from huggingface_hub import ModelCard

    if not _METADATA.match(text):
        raise ValueError(
            f"{where} has no metadata: it begins with a line ---, license: mit or the like, and another ---."
        )
    try:
        return ModelCard(text)
    except Exception as error:  # the client and its YAML reader raise of everything
        raise ValueError(f"{where}: its metadata cannot be read: {' '.join(str(error).split())}") from error


def told_by_card(path: Path) -> dict[str, str]:
    """What a README.md says of license, base model and lineage, as far as it does.

    Raises:
        ValueError: if it cannot be read.
    """
    card = read_card(unsigned(card_text(path)), str(path))
    lineage = _LINEAGE.search(card.text)
    lines = [line.strip().removeprefix("* ") for line in lineage[1].splitlines()] if lineage else []
    told = {
        "license": card.data.get("license_name") or card.data.get("license"),
        "base model": card.data.get("base_model"),
        "lineage": " ".join(line for line in lines if line),
    }
    return {
        key: ", ".join(value) if isinstance(value, list) else str(value)
        for key, value in told.items()
        if value
    }


def completed(text: str, where: str, *, license: str | None = None, lineage: str | None = None) -> str:
    """A card with the license of the weights named, and a line of lineage told.

    Args:
        text: Text of the README.md.
        where: Its place, for errors.
        license: License of the weights, instead of the card's own.
        lineage: What the weights were made from and by whom, besides what the card tells.

    Raises:
        ValueError: if the card cannot be read, or one of the two is none.
    """
    if license is None and lineage is None:
        return text
    untouched, text = is_untouched(text), unsigned(text)
    if license is not None and not _METADATA.match(text):
        text = f"---\nlibrary_name: ganzoo\nlicense: {check_license(license)}\n---\n\n{text}"
    card = read_card(text, where)
    if license is not None:
        card.data["license"] = check_license(license)
        if license != "other":
            card.data["license_name"] = card.data["license_link"] = None
        card.text = _LICENSE.sub(lambda m: f"{m[1]}{license} ", card.text)
    if lineage is not None:
        card.text = _with_lineage(card.text, check_lineage(lineage))
    return signed(card.content) if untouched else card.content


def card_to_push(
    text: str,
    where: str,
    *,
    repo: str,
    license: str | None = None,
    lineage: str | None = None,
    notes: str = "",
) -> str:
    """The card as it will stand on the Hub.

    Args:
        text: Text of the README.md.
        where: Its place, for errors.
        repo: Owner and name.
        license: As `completed` takes it.
        lineage: As `completed` takes it.
        notes: Sections that come last.

    Raises:
        ValueError: if it cannot be read, or names no license or no lineage; the message tells all that is
            missing, and how to give it.
    """
    untouched = is_untouched(text)
    text = completed(text, where, license=license, lineage=lineage)
    card = read_card(text, where)
    missing = []
    named = card.data.get("license")
    if not isinstance(named, str) or named.lower() in ("", UNKNOWN):
        missing.append(
            f"{where} names no license: add --license, with the identifier that the Hub knows it by. A "
            "student is at most as free as its teacher."
        )
    found = _LINEAGE.search(card.text)
    told = found[1].strip() if found else ""
    if not card.data.get("base_model") and (not told or NOT_WRITTEN in told):
        missing.append(
            f"{'It' if missing else where} tells no lineage: add --lineage, with what the weights were made "
            "from and by whom, or write it below '## Lineage'."
        )
    if missing:
        raise ValueError(" ".join(missing))
    if untouched:
        text = _LOAD.sub(f'ganzoo.create("{SCHEME}{repo}")', text)
    if notes:
        text = f"{unsigned(text)}\n{notes}\n"
    return signed(text) if untouched else text


def check_lineage(lineage: str) -> str:
    """The lineage as one line.

    Raises:
        ValueError: if it says nothing.
    """
    if not (line := " ".join(lineage.split())):
        raise ValueError(
            f"--lineage tells what the weights were made from and by whom, such as 'Trained on my own photos "
            f"by me.'; got {lineage!r}."
        )
    return line


def check_license(license: str) -> str:
    """The identifier as it is.

    Raises:
        ValueError: if the Hub cannot know a license by it.
    """
    if not _IDENTIFIER.fullmatch(license) or license == UNKNOWN:
        raise ValueError(
            f"--license is an identifier of the Hub, such as apache-2.0, cc-by-nc-4.0 or other; got "
            f"{license!r}."
        )
    return license


def images_of(text: str, folder: Path) -> list[str]:
    """Paths of the images that a card shows, relative to its folder.

    Raises:
        ValueError: if one is not there, or lies elsewhere.
    """
    found = []
    for target in dict.fromkeys(_IMAGE.findall(text)):
        if "://" in target:
            continue
        path = PurePosixPath(target)
        if path.is_absolute() or ".." in path.parts or not (folder / path).is_file():
            raise ValueError(f"{folder / 'README.md'} shows {target!r}, which is no image in that folder.")
        found.append(str(path))
    return found


def _with_lineage(text: str, line: str) -> str:
    """A card's text with a line of lineage instead of "Not written yet.", or after what it tells."""
    found = _LINEAGE.search(text)
    if found is None:
        return f"{text.rstrip()}\n\n## Lineage\n\n* {line}\n"
    told = found[1].strip()
    if NOT_WRITTEN in told:
        told = told.replace(f"* {NOT_WRITTEN}", NOT_WRITTEN).replace(NOT_WRITTEN, f"* {line}")
    elif line not in told:
        told = f"{told}\n* {line}".strip()
    return f"{text[: found.start(1)]}\n{told}\n\n{text[found.end(1) :]}".rstrip() + "\n"
