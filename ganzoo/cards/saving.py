"""A converted checkpoint as a model directory: config, weights, golden images and a card."""

import os
import tempfile
from pathlib import Path

from ganzoo.cards.converted import converted_card
from ganzoo.cards.readme import UNKNOWN
from ganzoo.converters.conversion import Conversion
from ganzoo.generators.generator import Generator
from ganzoo.models.golden import GOLDEN_FILE
from ganzoo.models.hub_pull import CARD_FILE
from ganzoo.models.weights import CONFIG_FILE, WEIGHTS_FILE, load, save, weights_digest
from ganzoo.system.files import move_together, refuse_unwritable
from ganzoo.system.paths import user_path

_FILES = (CARD_FILE, CONFIG_FILE, GOLDEN_FILE, WEIGHTS_FILE)
_LICENSE_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.-"


def save_conversion(
    conversion: Conversion,
    out: str | os.PathLike[str],
    *,
    license: str = UNKNOWN,
    overwrite: bool = False,
) -> list[str]:
    """Write a converted network as a model directory with a card, and give the names of its files.

    `save_conversion(convert_with_account("my.pkl"), "teacher")` is `ganzoo convert my.pkl teacher`. What was
    written is read back and compared; the files appear together, or the directory is as it was.

    Args:
        conversion: Network with its account, as `ganzoo.converters.conversion.convert_with_account` gives it.
        out: Directory, made if need be; files of other names in it stay.
        license: Identifier of the weights' license as the Hub spells it, for the card.
        overwrite: Whether to replace the model that the directory holds.

    Raises:
        ValueError: for a license that is no identifier, or a directory that holds a model already.
        OSError: if the directory cannot be written, or what was written differs from what was read.
    """
    model = place_for_model(out, license=license, overwrite=overwrite)
    try:
        model.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=model.parent, prefix=f".{model.name}.")
    except OSError as error:
        raise OSError(f"OUT cannot be made in {str(model.parent)!r}: {error.strerror}.") from error
    with temporary as folder:
        written, module = Path(folder), conversion.module
        save(module, written, golden=isinstance(module, Generator))
        card = converted_card(conversion, title=model.absolute().name, license=license.lower())
        (written / CARD_FILE).write_text(card, encoding="utf-8")
        again = load(written)
        if again.config != module.config or weights_digest(again) != weights_digest(module):
            raise OSError(f"{model}: what was written differs from what was read: is the disk sound?")
        move_together(_FILES, written, model)
    return [name for name in _FILES if (model / name).exists()]


def place_for_model(out: str | os.PathLike[str], *, license: str, overwrite: bool) -> Path:
    """The directory for a converted model, checked before anything is read; arguments and errors as above."""
    if not license or set(license.lower()) - set(_LICENSE_CHARACTERS):
        raise ValueError(f"--license is an identifier such as apache-2.0 or other; got {license!r}.")
    model = user_path(out)
    refuse_unwritable(model, "OUT")
    there = [name for name in _FILES if (model / name).exists()]
    if there and not overwrite:
        raise ValueError(f"{model} holds {', '.join(there)}: choose another folder, or add --overwrite.")
    return model
