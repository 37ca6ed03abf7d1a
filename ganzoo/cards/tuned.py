"""A generator that was tuned around images, as a model directory with a card that says from what."""

import os
from pathlib import Path

from ganzoo.cards.facts import CODE_LICENSE, Facts, render
from ganzoo.cards.readme import UNKNOWN
from ganzoo.cards.student import base_model
from ganzoo.generators.generator import Generator
from ganzoo.models.hub_pull import CARD_FILE
from ganzoo.models.reference import Name, reference
from ganzoo.models.weights import save
from ganzoo.system.files import replacing
from ganzoo.system.paths import user_path
from ganzoo.system.version import __version__

_UNSAID = f"{UNKNOWN}: at most as free as the model's and the images'; say what it is before you pass it on"


def save_tuned(
    generator: Generator,
    directory: str | os.PathLike[str],
    *,
    base: Name,
    images: int,
    steps: int,
) -> Path:
    """Write a generator of `ganzoo.projection.tune` as a model directory with a card. Returns its path.

    Args:
        generator: Generator to write.
        directory: Folder for it, made if it does not exist.
        base: Model that it was tuned from.
        images: Number of images that it was tuned to.
        steps: Steps that were taken.

    Raises:
        OSError: if it cannot be written.
    """
    folder, model = user_path(directory), reference(base)
    save(generator, folder)
    size, count = generator.resolution, "1 image" if images == 1 else f"{images} images"
    published = model.entry is not None and dict(model.entry.license)
    card = render(
        Facts(
            title=folder.absolute().name,
            text=f"A generator of {size} x {size} images, tuned by ganzoo {__version__} until it drew "
            f"{count} of given w; what it draws of other w is nearly what it was.",
            config=generator.config,
            create=f"ganzoo.load({folder.name!r})  # this folder",
            lineage=[
                f"Tuned from `{model.name}`, weights sha256 `{model.identity().hash}`.",
                f"Pivotal tuning (Roich et al. 2021): {count}, {steps} steps.",
            ],
            licenses={**(published or {"weights": _UNSAID}), "images": UNKNOWN, "code": CODE_LICENSE},
            metadata={
                "license": "other" if published else UNKNOWN,
                "base_model": base_model(model.name),
            },
            tags=["tuned"],
        )
    )
    with replacing(folder / CARD_FILE) as temporary:
        temporary.write_text(card, encoding="utf-8")
    return folder
