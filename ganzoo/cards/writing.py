"""`render` and `write`: what `ganzoo card` does, from Python."""

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ganzoo.cards.facts import SHEET_FILE
from ganzoo.cards.folder import Additions, folder_card, told_apart
from ganzoo.cards.published import copy_images, published_card
from ganzoo.cards.readme import card_text
from ganzoo.cards.samples import CAPTION, draw_samples
from ganzoo.cards.signature import is_untouched
from ganzoo.metrics.record import Record, read_records
from ganzoo.models.factory import folder_of
from ganzoo.models.golden import GOLDEN_FILE
from ganzoo.models.hub_pull import CARD_FILE
from ganzoo.models.reference import Folder, Published, reference
from ganzoo.models.weights import record_golden
from ganzoo.system.files import replacing
from ganzoo.system.paths import user_path

Name = str | os.PathLike[str]


@dataclass(frozen=True)
class Card:
    """A card that was rendered.

    Attributes:
        text: Markdown with the Hub's metadata.
        folder: Folder of its model; None for a published one.
        left_out: Records that are of other weights.
        path: Where it was written, or None.
    """

    text: str
    folder: Path | None = None
    left_out: tuple[Record, ...] = ()
    path: Path | None = None


def render(
    name: Name,
    *,
    license: str | None = None,
    lineage: str | None = None,
    records: Name | None = None,
    samples: bool = False,
) -> Card:
    """The card of a published model, or of a folder with what is added to it; nothing is written.

    Args:
        name: A published model, or the folder of a saved one or of a run.
        license: License of the weights, as the Hub spells it.
        lineage: What the weights were made from and by whom.
        records: A file that `ganzoo eval --out` wrote; figures of other weights in it are left out.
        samples: Whether the card shows a sheet of images, which `write` draws.

    Raises:
        ValueError: if a published model is given additions, or the folder's card cannot be read.
    """
    model = reference(name)
    if isinstance(model, Published):
        if records is not None or license is not None or lineage is not None or samples:
            raise ValueError(f"The card of {name} comes from the registry: leave out the other options.")
        return Card(published_card(model.name))
    folder = folder_of(model)
    own, others = _own(folder, user_path(records)) if records is not None else ([], [])
    added = Additions(license=license, lineage=lineage, records=own, sheet=CAPTION if samples else None)
    return Card(folder_card(folder, added), folder, tuple(others))


def write(
    name: Name,
    out: Name | None = None,
    *,
    license: str | None = None,
    lineage: str | None = None,
    records: Name | None = None,
    samples: bool = False,
) -> Card:
    """Write README.md, with the images that it shows; options as for `render`.

    Args:
        name: A published model, or the folder of a saved one or of a run.
        out: Folder to write into; by default the model's own.
        license: License of the weights.
        lineage: What the weights were made from and by whom.
        records: A file of figures.
        samples: Whether a sheet of 24 images is drawn, too.

    Raises:
        ValueError: as for `render`; for a published model without `out`, or with a card there that was edited
            by hand.
    """
    card = render(name, license=license, lineage=lineage, records=records, samples=samples)
    target = card.folder if out is None or _is_own(name, out) else user_path(out)
    if target is None:
        raise ValueError(f"{name} is a published model: say in which folder its card goes.")
    readme = target / CARD_FILE
    if card.folder is None and readme.is_file() and not is_untouched(card_text(readme)):
        raise ValueError(f"{readme} was edited by hand: choose another folder, or delete it.")
    sheet = draw_samples(card.folder) if samples and card.folder is not None else None
    target.mkdir(parents=True, exist_ok=True)
    if card.folder is None:
        copy_images(card.text, target)
    if sheet is not None:
        with replacing(target / SHEET_FILE) as temporary:
            sheet.save(temporary, format="JPEG", quality=90)
    if target == card.folder and not (target / GOLDEN_FILE).is_file():
        record_golden(target)  # of which the card says that a copy can be proved by it
    with replacing(readme) as temporary:
        temporary.write_text(card.text, encoding="utf-8")
    return Card(card.text, card.folder, card.left_out, readme)


def names(records: Iterable[Record]) -> str:
    """Names of the models that records are of."""
    return ", ".join(dict.fromkeys(str(record.fake.get("name")) for record in records))


def _is_own(name: Name, out: Name) -> bool:
    """Whether the folder to write into is the one that was named: of a run, that means its student's."""
    model = reference(name)
    return isinstance(model, Folder) and user_path(out) == model.path


def _own(folder: Path, path: Path) -> tuple[list[Record], list[Record]]:
    """Records of a file that were measured on a folder's weights, and those of others.

    Raises:
        ValueError: if none was.
    """
    own, others = told_apart(folder, read_records(path))
    if not own:
        raise ValueError(
            f"{path} holds no record of the weights in {folder}, but of {names(others)}. To measure them: "
            f"ganzoo eval {shlex.quote(str(folder))} --real IMAGES --out {shlex.quote(str(path))}."
        )
    return own, others
