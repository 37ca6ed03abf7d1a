"""The card of a distilled student: what it was made from, how, and how near it comes."""

from collections.abc import Mapping
from typing import Any

from ganzoo.cards.facts import CODE_LICENSE, Facts, render
from ganzoo.cards.readme import UNKNOWN
from ganzoo.cards.results import of_run
from ganzoo.generators.config import GeneratorConfig
from ganzoo.models.factory import list_models, model_entry
from ganzoo.models.hub_names import is_hub_name, parse_hub_name
from ganzoo.system.images import FOURTH_CHANNEL, OVER_WHITE
from ganzoo.system.version import __version__

_UNSAID = f"{UNKNOWN}: it is at most as free as the teacher's; say what it is before you pass the weights on"


def student_card(result: Mapping[str, Any], teacher_sha256: str) -> str:
    """A card in Markdown from the contents of result.json; no number in it is typed by hand."""
    settings, teacher = result["settings"], result["teacher"]
    config = GeneratorConfig.from_dict(settings["student"])
    licenses: Mapping[str, str] = {"weights": _UNSAID}
    if published := teacher in list_models():
        licenses = model_entry(teacher).license
    size = config.resolution
    hours, versions = result["seconds"] / 3600, result["versions"].items()
    return render(
        Facts(
            title=result["name"],
            text=f"A generator of {size} x {size} images, distilled from `{teacher}` by ganzoo "
            f"{__version__}.",
            config=config,
            create='ganzoo.load("student")  # this folder',
            lineage=[
                f"Teacher: `{teacher}`, weights sha256 `{teacher_sha256}`.",
                f"Recipe: `{result['recipe']}`; {result['kimg']:g} kimg in steps of "
                f"{settings['batch_size']}, {hours:.2f} h on {result['hardware']}, {result['date']}.",
                f"Versions: {', '.join(f'{name} {version}' for name, version in versions)}.",
            ],
            licenses={**licenses, "code": CODE_LICENSE},
            metadata={"license": "other" if published else UNKNOWN, "base_model": base_model(teacher)},
            tags=["distillation"],
            results=of_run(result, teacher_sha256),
        ),
        "student.md.j2",
        result=result,
        definitions=result.get("definitions", {}),
        alpha=config.img_channels == 4,
        fourth_channel=FOURTH_CHANNEL,
        over_white=OVER_WHITE,
    )


def base_model(teacher: str) -> str | None:
    """A model of the Hub as a card's lineage names it, or None for any other."""
    return parse_hub_name(teacher).repo if is_hub_name(teacher) else None
