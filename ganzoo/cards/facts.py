"""`render`: a card from the facts that every card tells, by a template of `hub_cards`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganzoo.cards.signature import signed
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import DiscriminatorConfig
from ganzoo.models.cost import CONVENTION, costs
from ganzoo.system.paths import DATA
from ganzoo.system.templates import templates

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

CARDS = DATA / "hub_cards"
CODE_LICENSE = "Apache-2.0"
SHEET_FILE = "samples.jpg"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a card tells; a section without facts is left out.

    Attributes:
        title: Name of the model.
        text: What it is, in Markdown.
        config: What it is made of.
        create: Python that gives the model.
        lineage: What its weights were made from, by whom: a line each.
        licenses: Licenses by part: weights, teacher, data, code.
        metadata: License, base model and whatever else the Hub reads.
        tags: Words to find it by, besides those of every model.
        results: Measured figures for the Hub.
        getting: How to get or to prove a copy.
        measured: The same figures as Markdown.
        sheet: Caption of the images in `samples.jpg`.
        unwritten: Title of what is left for its owner to write.
    """

    title: str
    text: str
    config: GeneratorConfig | DiscriminatorConfig
    create: str
    lineage: Sequence[str]
    licenses: Mapping[str, str]
    metadata: Mapping[str, Any]
    tags: Sequence[str] = ()
    results: "Sequence[EvalResult]" = ()
    getting: str = ""
    measured: str = ""
    sheet: str | None = None
    unwritten: str | None = "Intended use, known faults"


def render(facts: Facts, template: str = "model.md.j2", **more: Any) -> str:
    """A card in Markdown with the Hub's metadata, and the line by which an edit shows.

    Args:
        facts: What it tells.
        template: One of `hub_cards`, which may have sections of its own.
        more: What those sections tell.
    """
    from huggingface_hub import ModelCardData  # imported where it is used: nothing else waits for it

    config = facts.config
    generator = config if isinstance(config, GeneratorConfig) else None
    kind = ["discriminator" if generator is None else "generator", config.family]
    metadata = ModelCardData(
        library_name="ganzoo",
        pipeline_tag=None if generator is None else "unconditional-image-generation",
        tags=["ganzoo", *kind, *facts.tags],
        model_name=facts.title if facts.results else None,
        eval_results=list(facts.results) or None,
        **facts.metadata,
    )
    text = (
        templates(CARDS, markup=False)
        .get_template(template)
        .render(
            facts=facts,
            metadata=metadata.to_yaml(),
            generates=generator is not None,
            labels=config.label_dim,
            costs=None if generator is None else costs(generator),
            convention=CONVENTION,
            settings={key: setting(value) for key, value in config.to_dict().items()},
            sheet_file=SHEET_FILE,
            **more,
        )
    )
    return signed(text)


def setting(value: Any) -> str:
    """A block as `name (option=value)`, anything else as it prints."""
    if isinstance(value, Mapping) and "name" in value:
        options = ", ".join(f"{k}={v}" for k, v in value.items() if k != "name" and v is not None)
        return f"{value['name']} ({options})" if options else str(value["name"])
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {setting(v)}" for k, v in value.items())
    return str(value)
