"""`info`: what a model is made of, what it costs, where it comes from."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ganzoo.cards.readme import told_by_card
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import DiscriminatorConfig
from ganzoo.generators.empty import empty
from ganzoo.metrics.record import Record, published_records
from ganzoo.models.catalogue import CONVENTION, family
from ganzoo.models.cost import Cost, costs
from ganzoo.models.delta import Parts
from ganzoo.models.entries import ModelEntry
from ganzoo.models.hub_pull import CARD_FILE
from ganzoo.models.published import cached_weights, parts_of_member
from ganzoo.models.reference import Folder, Name, reference


@dataclass(frozen=True)
class Info:
    """What is known of a model without its weights.

    Attributes:
        name: Name as it was given.
        config: Config of the network.
        parameters: Number of parameters of the whole network.
        cost: Costs of a generator by its parts; empty for a discriminator.
        entry: Entry in the registry, of a published model.
        weights: File of a published model's weights in the cache, or where it would lie.
        card: License and lineage from a folder's card.
        records: Published measurements.
        parts: Parts of a published model that are its base's, trained further or new.
        family: Published models of the same family, by size, as `ganzoo.models.catalogue.models` has them.
    """

    name: str
    config: GeneratorConfig | DiscriminatorConfig
    parameters: int
    cost: Mapping[str, Cost] = field(default_factory=dict)
    entry: ModelEntry | None = None
    weights: Path | None = None
    card: Mapping[str, str] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    parts: Parts | None = None
    family: tuple[Mapping[str, Any], ...] = ()

    @property
    def cached(self) -> bool:
        """Whether a published model's weights lie in the cache."""
        return self.weights is not None and self.weights.is_file()

    def to_dict(self) -> dict[str, Any]:
        """As plain values, as `ganzoo info --json` prints them."""
        if isinstance(self.config, DiscriminatorConfig):
            return {"name": self.name, "config": self.config.to_dict(), "parameters": self.parameters}
        data: dict[str, Any] = {
            "name": self.name,
            "config": self.config.to_dict(),
            "num_ws": self.config.num_ws,
            "cost": {part: asdict(cost) for part, cost in self.cost.items()},
            "macs_convention": CONVENTION,
        }
        if self.entry is not None:
            parts = None if self.parts is None else asdict(self.parts)
            names = [model["name"] for model in self.family]
            data["model"] = {**asdict(self.entry), "cached": self.cached, "parts": parts, "family": names}
        if self.card:
            data["card"] = dict(self.card)
        return data


def info(name: Name, *, cache_dir: str | os.PathLike[str] | None = None) -> Info:
    """What a model is made of, what it costs, where it comes from; no weights are fetched.

    Args:
        name: Name as `ganzoo.create` takes it, or the folder of a discriminator.
        cache_dir: Folder for the config of a model on the Hub, and for weights.

    Raises:
        ValueError: for an unknown name.
        OSError: if the config cannot be had.
    """
    model = reference(name, cache_dir)
    card: Mapping[str, str] = {}
    if isinstance(model, Folder):
        if isinstance(model.module_config, DiscriminatorConfig):
            return Info(model.name, model.module_config, _parameters(model.module_config))
        card = _card(model.folder)
    entry, config = model.entry, model.config()
    return Info(
        name=model.name,
        config=config,
        parameters=_parameters(config),
        cost=costs(config),
        entry=entry,
        weights=None if entry is None else cached_weights(entry, model.cache_dir),
        card=card,
        records=() if entry is None else tuple(published_records(entry.name)),
        parts=None if entry is None else parts_of_member(entry, config),
        family=() if entry is None else tuple(family(entry.name)),
    )


def _card(folder: Path) -> Mapping[str, str]:
    """License and lineage of a folder's card, or that there is none."""
    path = folder / CARD_FILE
    if not path.is_file():
        return {"license": "unknown: the folder has no card; `ganzoo card` drafts one"}
    return told_by_card(path)


def _parameters(config: GeneratorConfig | DiscriminatorConfig) -> int:
    return sum(parameter.numel() for parameter in empty(config).parameters())
