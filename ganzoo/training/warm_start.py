"""A warm start: a network takes over what it shares with another one, and tells what is new."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.blocks import KINDS
from ganzoo.charts.text import si
from ganzoo.generators.config import Scores
from ganzoo.generators.generator import Generator
from ganzoo.models.weights import weights_digest
from ganzoo.training.parts import summary


@dataclass(frozen=True)
class WarmStart:
    """What a network took over, by the names of its tensors.

    Attributes:
        source: Name of the model that they are from.
        sha256: Digest of that model's weights.
        copied: Tensors as they were there.
        narrowed: Tensors of chosen channels.
        new: Tensors that the other one has not, which keep their random values.
        new_parts: The fewest parts that hold all that is new.
        blocks: Blocks of another kind than there, such as "head single, not skip": what they share may mean
            something else.
        kept: Indices of the channels that were chosen, by layer: `GeneratorConfig.kept_channels`.
        judge: Where a discriminator's tensors are from, how many were copied, and how many are new.
    """

    source: str
    sha256: str
    copied: tuple[str, ...]
    narrowed: tuple[str, ...]
    new: tuple[str, ...]
    new_parts: tuple[str, ...]
    blocks: tuple[str, ...] = ()
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    judge: tuple[str, int, int] | None = None

    def with_discriminator(self, source: str, counts: tuple[int, int]) -> "WarmStart":
        """The same with the tensors that a discriminator took over, and those that it did not."""
        return replace(self, judge=(source, *counts))

    def lines(self) -> list[str]:
        """What was taken over and what was not, for people."""
        told = f"Warm start from {self.source}: {len(self.copied)} tensors copied"
        if self.narrowed:
            told += f", {len(self.narrowed)} narrowed"
        told += f", {len(self.new)} new."
        lines = [told]
        if self.new:
            lines.append(f"New, with random weights: {', '.join(self.new_parts)}.")
        if self.blocks:
            lines.append(f"Blocks that differ: {', '.join(self.blocks)}.")
        if self.judge is not None:
            source, copied, new = self.judge
            lines.append(f"The discriminator from {source}: {copied} tensors copied, {new} new.")
        if not self.copied and not self.narrowed:
            lines.append(f"Warning: nothing of {self.source} fits; the run starts with random weights.")
        return lines

    def record(self) -> dict[str, Any]:
        """The same for a run's record: what is new by name, the rest by number."""
        numbers = {"copied": len(self.copied), "narrowed": len(self.narrowed)}
        parts = {"new": list(self.new_parts), "blocks": list(self.blocks)}
        found = {"source": self.source, "sha256": self.sha256, **numbers, **parts}
        if self.judge is not None:
            found["discriminator"] = dict(zip(("source", "copied", "new"), self.judge, strict=True))
        return found


@torch.no_grad()
def warm_start(
    network: nn.Module,
    taken: Mapping[str, Tensor],
    theirs: Mapping[str, Tensor],
    *,
    source: str,
    sha256: str,
    keep: Collection[str] = (),
    blocks: Sequence[str] = (),
) -> WarmStart:
    """Give a network the tensors that it takes over, and return what became of every one of its own.

    Args:
        network: Network, changed in place.
        taken: Tensors for it by name, of its own shapes, as `GeneratorConfig.inherited` gives them.
        theirs: All tensors of the network that they are from, by which the copied ones are told from others.
        source: Name of the model that they are from.
        sha256: Digest of its weights.
        keep: Tensors that the network keeps, and of which nothing is told.
        blocks: Blocks that differ, as `other_blocks` tells them.
    """
    own = network.state_dict()
    taken = {name: value for name, value in taken.items() if name not in keep}
    network.load_state_dict({**own, **taken}, strict=True)
    copied = tuple(n for n in taken if n in theirs and torch.equal(theirs[n], taken[n]))
    new = tuple(name for name in own if name not in taken and name not in keep)
    return WarmStart(
        source=source,
        sha256=sha256,
        copied=copied,
        narrowed=tuple(name for name in taken if name not in copied),
        new=new,
        new_parts=tuple(summary(new, own)),
        blocks=tuple(blocks),
    )


def start_from(
    network: Generator,
    source: Generator,
    *,
    name: str,
    kind: str = "response",
    seed: int = 0,
    keep: Collection[str] = (),
) -> WarmStart:
    """Give a generator what it shares with another one; where it is narrower, chosen channels.

    Args:
        network: Generator, changed in place.
        source: The other one.
        name: Name of it, for people.
        kind: How channels are chosen; see `GeneratorConfig.channel_scores`.
        seed: Seed of that.
        keep: Tensors that the generator keeps.
    """
    pairs = zip(network.config.level_channels, source.config.level_channels, strict=False)
    scores: Scores = {}
    if any(own < theirs for own, theirs in pairs):
        levels = len(network.config.level_channels)
        scores = source.config.channel_scores(source, kind, seed=seed, levels=levels)
    found = warm_start(
        network,
        network.config.inherited(source, scores),
        source.state_dict(),
        source=name,
        sha256=weights_digest(source),
        keep=keep,
        blocks=other_blocks(network.config, source.config),
    )
    return replace(found, kept=network.config.kept_channels(source, scores))


@torch.no_grad()
def copy_matching(network: nn.Module, source: nn.Module) -> tuple[int, int]:
    """Give a network every tensor of another one that has its name and shape; how many, and how many not."""
    own, theirs = network.state_dict(), source.state_dict()
    fitting = {n: x for n, x in theirs.items() if n in own and own[n].shape == x.shape}
    network.load_state_dict({**own, **fitting}, strict=True)
    return len(fitting), len(own) - len(fitting)


def other_blocks(config: Any, source: Any) -> list[str]:
    """Blocks of a network's config that are of another kind in the config of the one that it takes from."""
    kinds = [kind for kind in KINDS if hasattr(config, kind) and hasattr(source, kind)]
    pairs = [(kind, getattr(config, kind)["name"], getattr(source, kind)["name"]) for kind in kinds]
    return [f"{kind} {own}, not {other}" for kind, own, other in pairs if own != other]


def fit_line(errors: Mapping[int, float]) -> str:
    """What the closed-form fit of a head left, for people.

    Args:
        errors: Mean absolute error by level.
    """
    if not errors:
        return "No head is fitted: all of it was taken over."
    return f"Head fitted, mean error left: {', '.join(f'{e:.3g} at level {i}' for i, e in errors.items())}."


def levels_line(left: Mapping[str, float]) -> str:
    """What the closed-form fit of narrowed layers left, for people.

    Args:
        left: Share of the energy of what the teacher's convolution gives, by layer.
    """
    if not left:
        return (
            "No level is fitted: none that learns and was taken over reads fewer channels than the "
            "teacher's, or the fit needs more latents."
        )
    told = ", ".join(f"{share:.1%} in {name}" for name, share in left.items())
    return f"Levels fitted, share of the teacher's features left: {told}."


def learning_lines(module: nn.Module, freeze: Collection[str], scales: Mapping[str, float]) -> list[str]:
    """What learns and how fast, for people; nothing where all of it learns alike."""
    lines = []
    if freeze:
        sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
        learning, whole = sum(n for n, learns in sizes if learns), sum(n for n, _ in sizes)
        lines.append(f"Frozen: {', '.join(freeze)}. {si(learning)} of {si(whole)} parameters learn.")
    if scales:
        told = ", ".join(f"{scale:g} in {part}" for part, scale in scales.items())
        lines.append(f"Factors of the learning rate: {told}.")
    return lines
