"""Cards: the template of `hub_cards` filled from the registry, from a model's folder and from its records."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo.generators.config import GeneratorConfig
from ganzoo.hub.readme import UNKNOWN, card_text, check_license, read_card, set_license
from ganzoo.hub.results import entry_table, merged, of_entry, of_records, table
from ganzoo.hub.signature import is_untouched, signed, unsigned
from ganzoo.metrics.record import Record, published_records
from ganzoo.models.cost import CONVENTION, costs
from ganzoo.models.entries import BundledSource, ModelEntry, WheelSource
from ganzoo.models.factory import config_of, model_entry, source_name
from ganzoo.models.hub_names import SCHEME, is_hub_name, parse_hub_name
from ganzoo.models.hub_pull import CARD_FILE, file_sha256
from ganzoo.models.weights import CONFIG_FILE, WEIGHTS_FILE, read_config, stored_digest
from ganzoo.system.paths import DATA, user_path

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

CARDS = DATA / "hub_cards"
CODE_LICENSE = "Apache-2.0"
SHEET_FILE = "samples.jpg"
# Licenses of our registry that the Hub knows by an identifier; all others are "other" there, with a name.
_KNOWN = ("apache-2.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-sa-4.0", "cc0-1.0", "mit")
_MEASURED = re.compile(r"^## Measured[^\n]*\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def published_card(name: str, repo: str | None = None) -> str:
    """The card of a published model; every number in it is the registry's, or counted here.

    Args:
        name: of the model.
        repo: owner and name on the Hub, where it is pushed.

    Raises:
        ValueError: for an unknown name.
    """
    entry, config, records = model_entry(name), config_of(name), published_records(name)
    prose = CARDS / f"{name}.md"
    hub_license = _hub_license(entry.license["weights"], entry.external.page if entry.external else None)
    called = name if repo is None else f"{SCHEME}{repo}"
    create = f'ganzoo.create("{called}")'
    getting = f"`ganzoo verify {called}` proves your copy: its hash, and its images on your machine."
    if (external := entry.external) is not None:
        create = f'ganzoo.create("dir:{external.folder(name)}")'
        getting = f"Download {external.url} ({external.page}), then `{external.command(name)}`."
    return _render(
        config,
        metadata=hub_license,
        results=[*of_entry(entry, config.resolution), *of_records(records, config.resolution)],
        title=name,
        summary=f"{entry.summary}.",
        prose=prose.read_text(encoding="utf-8").strip() if prose.is_file() else "",
        create=create,
        getting=getting,
        lineage=_published_lineage(entry),
        licenses={**entry.license, "code": CODE_LICENSE},
        measured="\n\n".join(
            [*([entry_table(entry)] if entry.measured else []), *([table(records)] if records else [])]
        ),
    )


def folder_card(
    folder: str | os.PathLike[str],
    *,
    license: str | None = None,
    lineage: str | None = None,
    records: Sequence[Record] = (),
    sheet: str | None = None,
) -> str:
    """The card of a model's folder: the one that lies there with what is given here, or a new one.

    Args:
        folder: of the model.
        license: of the weights, an identifier of the Hub.
        lineage: what the weights were made from, by whom.
        records: figures of `ganzoo eval`.
        sheet: caption of the images in the folder's `samples.jpg`.

    Raises:
        ValueError: if the folder holds no generator, its card cannot be read, the license is no identifier,
            or a record is one of other weights.
    """
    folder = user_path(folder)
    config = read_config(folder / CONFIG_FILE)
    if not isinstance(config, GeneratorConfig):
        raise ValueError(f"{folder} holds a discriminator: only generators have cards.")
    if license is not None:
        check_license(license)
    _, others = told_apart(folder, records)
    if others:
        raise ValueError(
            f"{others[0].metric} was measured on {others[0].fake.get('name')}, whose weights are not those "
            f"in {folder}."
        )
    results = of_records(records, config.resolution)
    path = folder / CARD_FILE
    if not path.is_file():
        sha256 = file_sha256(folder / WEIGHTS_FILE)
        told = [lineage or "Not written yet.", f"`{WEIGHTS_FILE}`: sha256 `{sha256}`."]
        return _render(
            config,
            metadata={"license": license or UNKNOWN},
            results=results,
            title=folder.absolute().name,
            summary=f"A style-based generator of {config.resolution} x {config.resolution} images.",
            prose="",
            create=f"ganzoo.load({folder.absolute().name!r})",
            getting="`ganzoo verify` proves a copy: its hash, and its images on your machine.",
            lineage=told,
            licenses={"weights": license or UNKNOWN, "code": CODE_LICENSE},
            measured=table(records) if records else "",
            sheet=sheet,
        )
    if lineage is not None:
        raise ValueError(f"{path} exists: write the lineage there, below '## Lineage'.")
    text = card_text(path)
    untouched, card = is_untouched(text), read_card(unsigned(text), str(path))
    if license is not None:
        set_license(card, license)
    if results:
        card.data["model_name"] = card.data.get("model_name") or folder.absolute().name
        card.data["eval_results"] = merged(card.data.get("eval_results") or [], results)
        card.text = _with_section(card.text, _MEASURED, f"## Measured\n\n{table(records)}")
    if sheet is not None and f"]({SHEET_FILE})" not in card.text:
        card.text = f"{card.text.rstrip()}\n\n![Samples]({SHEET_FILE})\n\n{sheet}\n"
    return signed(card.content) if untouched else card.content


def told_apart(folder: Path, records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Records of the weights in a model's folder, and those of others."""
    digest = stored_digest(folder / WEIGHTS_FILE)
    own = [record for record in records if record.fake.get("sha256") == digest]
    return own, [record for record in records if record not in own]


def base_model(teacher: str) -> str | None:
    """A model of the Hub as a card's lineage names it, or None for any other."""
    return parse_hub_name(teacher).repo if is_hub_name(teacher) else None


def _render(
    config: GeneratorConfig,
    *,
    metadata: Mapping[str, Any],
    results: "list[EvalResult]",
    title: str,
    sheet: str | None = None,
    **fields: Any,
) -> str:
    """The template with metadata as the client writes them."""
    from huggingface_hub import ModelCard, ModelCardData

    data = ModelCardData(
        library_name="ganzoo",
        pipeline_tag="unconditional-image-generation",
        tags=["ganzoo", "generator", config.family],
        model_name=title if results else None,
        eval_results=results or None,
        **metadata,
    )
    card = ModelCard.from_template(
        data,
        template_path=str(CARDS / "template.md"),
        title=title,
        config=config,
        costs=costs(config),
        convention=CONVENTION,
        settings={key: _setting(value) for key, value in config.to_dict().items()},
        sheet=SHEET_FILE if sheet else None,
        sheet_caption=sheet,
        unwritten=not fields["prose"],
        **fields,
    )
    return signed(str(card))


def _published_lineage(entry: ModelEntry) -> list[str]:
    """Where a published model's weights come from, with the hash of every file."""
    lines = [f"{entry.origin}."]
    for source in entry.sources:
        lines.append(f"Source: {source_name(source)}, sha256 `{source.sha256}`.")
        if isinstance(source, WheelSource):
            lines += [f"`{path}`: sha256 `{sha256}`." for path, sha256 in source.files.items()]
        if isinstance(source, BundledSource):
            lines.append(f"`{source.file}` is packed: float16, the matrices in 8 bits.")
    if entry.external is not None:
        lines.append(f"Published by {entry.external.owner}: {entry.external.url}.")
    if entry.weights_sha256 is not None:
        lines.append(f"Tensors after conversion, without the mean style: sha256 `{entry.weights_sha256}`.")
    changes = _setting(dict(entry.overrides))
    lines.append(f"Recipe: `{entry.recipe}`" + (f", with {changes}." if changes else "."))
    return lines


def _hub_license(license: str, link: str | None) -> dict[str, Any]:
    """A license of the registry in the Hub's metadata."""
    if license.lower() in _KNOWN:
        return {"license": license.lower()}
    name = re.sub(r"[^a-z0-9]+", "-", license.partition("(")[0].lower()).strip("-")
    return {"license": "other", "license_name": name, "license_link": link}


def _with_section(text: str, pattern: re.Pattern[str], section: str) -> str:
    """A card's text with a section in the place of the one that it has, or at the end."""
    if pattern.search(text):
        return pattern.sub(lambda _: f"{section}\n\n", text, count=1).rstrip() + "\n"
    return f"{text.rstrip()}\n\n{section}\n"


def _setting(value: Any) -> str:
    """A block as `name (option=value)`, anything else as it prints."""
    if isinstance(value, Mapping) and "name" in value:
        options = ", ".join(f"{k}={v}" for k, v in value.items() if k != "name" and v is not None)
        return f"{value['name']} ({options})" if options else str(value["name"])
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_setting(v)}" for k, v in value.items())
    return str(value)
