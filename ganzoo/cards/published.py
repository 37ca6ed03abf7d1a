"""The cards of published models, from the registry and the prose of `hub_cards`."""

import re
import shutil
from pathlib import Path
from typing import Any

from ganzoo.cards.facts import CARDS, CODE_LICENSE, Facts, render, setting
from ganzoo.cards.readme import images_of
from ganzoo.cards.results import of_records, table
from ganzoo.generators.config import GeneratorConfig
from ganzoo.metrics.record import published_records
from ganzoo.models.entries import BundledSource, ModelEntry, WheelSource
from ganzoo.models.factory import config_of, model_entry, source_name
from ganzoo.models.hub_names import SCHEME
from ganzoo.models.published import parts_of_member

# Licenses of our registry that the Hub knows by an identifier; all others are "other" there, with a name.
_KNOWN = ("apache-2.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-sa-4.0", "cc0-1.0", "mit")


def published_card(name: str, repo: str | None = None) -> str:
    """The card of a published model; every number in it is the registry's, or counted here.

    Args:
        name: Name of the model.
        repo: Owner and name on the Hub, where it is pushed.

    Raises:
        ValueError: for an unknown name.
    """
    entry, config, records = model_entry(name), config_of(name), published_records(name)
    prose = CARDS / f"{name}.md"
    called = name if repo is None else f"{SCHEME}{repo}"
    create = f'ganzoo.create("{called}")'
    getting = f"`ganzoo verify {called}` proves your copy: its hash, and its images on your machine."
    if (external := entry.external) is not None:
        create = f'ganzoo.create("dir:{external.folder(name)}")'
        getting = f"Download {external.url} ({external.page}), then `{external.command(name)}`."
    text = prose.read_text(encoding="utf-8").strip() if prose.is_file() else ""
    return render(
        Facts(
            title=name,
            text=text or f"{entry.summary}.",
            config=config,
            create=create,
            getting=getting,
            lineage=_lineage(entry, config),
            licenses={**entry.license, "code": CODE_LICENSE},
            metadata=_hub_license(entry.license["weights"], external.page if external else None),
            results=of_records(records, config.resolution),
            measured=table(records) if records else "",
            unwritten=None if text else Facts.unwritten,
        )
    )


def copy_images(card: str, folder: Path) -> None:
    """Copy the images that a published model's card shows into a folder."""
    for image in images_of(card, CARDS):
        shutil.copyfile(CARDS / image, folder / image)


def _lineage(entry: ModelEntry, config: GeneratorConfig) -> list[str]:
    """Where a published model's weights come from, with the hash of every file."""
    lines = [f"{entry.origin}."]
    for source in entry.sources:
        lines.append(f"Source: {source_name(source)}, sha256 `{source.sha256}`.")
        if isinstance(source, WheelSource):
            lines += [f"`{path}`: sha256 `{sha256}`." for path, sha256 in source.files.items()]
        if isinstance(source, BundledSource):
            packed = "is packed: float16, the matrices in 8 bits."
            if entry.base is not None:
                packed = f"holds what differs from `{entry.base}`: float16, the matrices in 8 bits, or in 4."
            lines.append(f"`{source.file}` {packed}")
    if entry.base is not None:
        base = model_entry(entry.base)
        where = source_name(base.sources[0])
        lines.append(f"Base: `{base.name}`, from {where}, its tensors sha256 `{base.weights_sha256}`.")
    if (parts := parts_of_member(entry, config)) is not None:
        for what, names in parts.told().items():
            lines.append(f"{what.capitalize()}: {', '.join(f'`{name}`' for name in names)}.")
    if entry.external is not None:
        lines.append(f"Published by {entry.external.owner}: {entry.external.url}.")
    if entry.weights_sha256 is not None:
        when = "after conversion" if entry.base is None else "assembled"
        lines.append(f"Tensors {when}, without the mean w: sha256 `{entry.weights_sha256}`.")
    changes = setting(dict(entry.overrides))
    lines.append(f"Recipe: `{entry.recipe}`" + (f", with {changes}." if changes else "."))
    return lines


def _hub_license(license: str, link: str | None) -> dict[str, Any]:
    """A license of the registry in the Hub's metadata."""
    if license.lower() in _KNOWN:
        return {"license": license.lower()}
    name = re.sub(r"[^a-z0-9]+", "-", license.partition("(")[0].lower()).strip("-")
    return {"license": "other", "license_name": name, "license_link": link}
