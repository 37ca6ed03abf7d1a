"""The card of a model's folder: a new one, or the one that lies there with what is added to it."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganzoo.cards.facts import CODE_LICENSE, SHEET_FILE, Facts, render
from ganzoo.cards.readme import (
    NOT_WRITTEN,
    UNKNOWN,
    card_text,
    check_license,
    check_lineage,
    completed,
    read_card,
)
from ganzoo.cards.results import merged, of_records, table
from ganzoo.cards.signature import is_untouched, signed, unsigned
from ganzoo.generators.config import GeneratorConfig
from ganzoo.metrics.record import Record
from ganzoo.models.hub_pull import CARD_FILE
from ganzoo.models.weights import CONFIG_FILE, WEIGHTS_FILE, read_config, stored_digest
from ganzoo.system.files import sha256
from ganzoo.system.paths import user_path

_MEASURED = re.compile(r"^## Measured[^\n]*\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Additions:
    """What the owner of a model adds to its card.

    Attributes:
        license: License of the weights, an identifier of the Hub.
        lineage: What the weights were made from, by whom.
        records: Figures of `ganzoo eval`.
        sheet: Caption of the images in the folder's `samples.jpg`.

    Raises:
        ValueError: if the license is no identifier, or the lineage says nothing.
    """

    license: str | None = None
    lineage: str | None = None
    records: Sequence[Record] = ()
    sheet: str | None = None

    def __post_init__(self) -> None:
        if self.license is not None:
            check_license(self.license)
        if self.lineage is not None:
            check_lineage(self.lineage)


def folder_card(folder: str | os.PathLike[str], added: Additions | None = None) -> str:
    """The card of a model's folder: the one that lies there with what is added, or a new one.

    Raises:
        ValueError: if the folder holds no generator, its card cannot be read, or a record is one of other
            weights.
    """
    folder, added = user_path(folder), added or Additions()
    config = read_config(folder / CONFIG_FILE)
    if not isinstance(config, GeneratorConfig):
        raise ValueError(f"{folder} holds a discriminator: only generators have cards.")
    _, others = told_apart(folder, added.records)
    if others:
        raise ValueError(
            f"{others[0].metric} was measured on {others[0].fake.get('name')}, whose weights are not those "
            f"in {folder}."
        )
    path = folder / CARD_FILE
    return _extended(path, added, config) if path.is_file() else _drafted(folder, added, config)


def told_apart(folder: Path, records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Records of the weights in a model's folder, and those of others."""
    digest = stored_digest(folder / WEIGHTS_FILE)
    own = [record for record in records if record.fake.get("sha256") == digest]
    return own, [record for record in records if record not in own]


def _drafted(folder: Path, added: Additions, config: GeneratorConfig) -> str:
    """A new card, which leaves to its owner what only they know."""
    title, license = folder.absolute().name, added.license or UNKNOWN
    digest = sha256(folder / WEIGHTS_FILE)
    return render(
        Facts(
            title=title,
            text=f"A style-based generator of {config.resolution} x {config.resolution} images.",
            config=config,
            create=f"ganzoo.load({title!r})",
            getting="`ganzoo verify` proves a copy: its hash, and its images on your machine.",
            lineage=[added.lineage or NOT_WRITTEN, f"`{WEIGHTS_FILE}`: sha256 `{digest}`."],
            licenses={"weights": license, "code": CODE_LICENSE},
            metadata={"license": license},
            results=of_records(added.records, config.resolution),
            measured=table(added.records) if added.records else "",
            sheet=added.sheet,
        )
    )


def _extended(path: Path, added: Additions, config: GeneratorConfig) -> str:
    """The card that lies there, with what is added."""
    before = card_text(path)
    text = completed(before, str(path), license=added.license, lineage=added.lineage)
    card = read_card(unsigned(text), str(path))
    if added.records:
        card.data["model_name"] = card.data.get("model_name") or path.absolute().parent.name
        results = of_records(added.records, config.resolution)
        card.data["eval_results"] = merged(card.data.get("eval_results") or [], results)
        card.text = _with_section(card.text, _MEASURED, f"## Measured\n\n{table(added.records)}")
    if added.sheet is not None and f"]({SHEET_FILE})" not in card.text:
        card.text = f"{card.text.rstrip()}\n\n![Samples]({SHEET_FILE})\n\n{added.sheet}\n"
    return signed(card.content) if is_untouched(before) else card.content


def _with_section(text: str, pattern: re.Pattern[str], section: str) -> str:
    """A card's text with a section in the place of the one that it has, or at the end."""
    if pattern.search(text):
        return pattern.sub(lambda _: f"{section}\n\n", text, count=1).rstrip() + "\n"
    return f"{text.rstrip()}\n\n{section}\n"
