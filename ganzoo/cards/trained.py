"""The card of a generator that learnt from images: which, how, and how near it comes."""

from collections.abc import Mapping
from typing import Any

from ganzoo.cards.facts import CODE_LICENSE, Facts, render
from ganzoo.cards.readme import UNKNOWN
from ganzoo.cards.results import of_images
from ganzoo.generators.config import GeneratorConfig
from ganzoo.system.version import __version__


def generator_card(result: Mapping[str, Any]) -> str:
    """A card in Markdown from the contents of result.json; no number in it is typed by hand."""
    settings, images = result["settings"], result["images"]
    config = GeneratorConfig.from_dict(settings["generator"])
    size = config.resolution
    hours, versions = result["seconds"] / 3600, result["versions"].items()
    mirrored = ", each also mirrored" if settings["mirror"] else ""
    lineage = [
        f"Images: {images['count']:,} of `{images['source']}`, sha256 `{images['sha256']}`{mirrored}.",
        f"Recipe: `{result['recipe']}`; {result['kimg']:g} kimg in steps of {settings['batch_size']}, "
        f"{hours:.2f} h on {result['hardware']}, {result['date']}.",
        _adversary(result),
        f"Versions: {', '.join(f'{name} {version}' for name, version in versions)}.",
    ]
    if (start := result.get("init")) is not None:
        lineage.insert(1, f"Began with `{start['source']}`, weights sha256 `{start['sha256']}`.")
    return render(
        Facts(
            title=result["name"],
            text=f"A generator of {size} x {size} images, trained by ganzoo {__version__}.",
            config=config,
            create='ganzoo.load("generator")  # this folder',
            lineage=lineage,
            licenses={
                "weights": f"{UNKNOWN}: the images decide; say what it is before you pass the weights on",
                "code": CODE_LICENSE,
            },
            metadata={"license": UNKNOWN},
            tags=["adversarial"],
            results=of_images(result),
        ),
        "trained.md.j2",
        result=result,
        definitions=result.get("definitions", {}),
        classes=images.get("classes", []),
    )


def _adversary(result: Mapping[str, Any]) -> str:
    """What the generator learnt against: what decides most about a run, and is asked for first."""
    settings, strength = result["settings"], result.get("augment_p")
    penalties = [
        f"{name} {settings['penalty'][name]:g}" for name in ("r1", "r2") if settings["penalty"][name]
    ]
    ended = "" if strength is None else f", p {strength:.3g} at the end"
    return (
        f"Discriminator `{settings['discriminator']['name']}`, penalty {' and '.join(penalties) or 'none'}; "
        f"augmentation `{settings['augment']['name']}`{ended}."
    )
