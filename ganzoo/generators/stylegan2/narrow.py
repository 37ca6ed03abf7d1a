"""A narrower network's tensors from a wider one's: the most important channels, the same ones everywhere.

What the narrower network computes is what the wider one does if the channels that it lacks are zero and left
out of the demodulation's norm.
"""

from typing import cast

import torch
from torch import Tensor, nn

from ganzoo.blocks.base import prefixed
from ganzoo.blocks.upsampler import Upsampler, highest
from ganzoo.generators.config import Scores
from ganzoo.generators.stylegan2.levels import StyledLevel, UpsamplingLevel
from ganzoo.generators.stylegan2.names import features_name, inner_name
from ganzoo.generators.stylegan2.synthesis import Synthesis


def narrowed(target: Synthesis, source: Synthesis, scores: Scores) -> dict[str, Tensor]:
    """Tensors by name for the levels and heads of a network that the source has, too, in the same blocks.

    There are none for a level that has more channels than the source's, or that reads more.

    Args:
        target: Narrower network, which may have fewer levels; may be on the meta device.
        source: Trainable network.
        scores: Importance of its channels, see `ganzoo.generators.stylegan2.importance`.

    Raises:
        ValueError: if channels are to be chosen at a place without scores.
    """
    kept = kept_channels(target, source, scores)
    found: dict[str, Tensor] = {}
    features: dict[int, Tensor] = {}
    below: Tensor | None = torch.arange(0)  # nothing is below level 0
    for i, (new, old) in enumerate(_pairs(target, source)):
        inner, outer = kept.get(inner_name(i)), kept.get(features_name(i))
        if below is not None and inner is not None and outer is not None:
            tensors = old.narrowed(below, inner, outer)
            others = [
                name for name, part in old.named_children() if _kinds(part) != _kinds(getattr(new, name))
            ]
            same = {name: x for name, x in tensors.items() if name.split(".")[0] not in others}
            found |= prefixed(f"levels.{i}", same)
        if outer is not None:
            features[i] = outer
        below = outer
    found |= prefixed("head", source.head.narrowed_at(features))
    shapes = {name: x.shape for name, x in target.state_dict().items()}
    return {name: x.detach().clone() for name, x in found.items() if x.shape == shapes.get(name)}


def kept_channels(target: Synthesis, source: Synthesis, scores: Scores) -> dict[str, Tensor]:
    """Indices of the source's channels that the target keeps, by place, from low to high.

    A place at which the target has more channels is left out. Arguments and errors are those of `narrowed`.
    """
    pairs, found = _pairs(target, source), {}
    for i, (new, old) in enumerate(pairs):
        above = cast(UpsamplingLevel, pairs[i + 1][1]) if i + 1 < len(pairs) else None
        reader = cast(Upsampler, above.upsample.conv) if above else None
        for place, reads in ((inner_name(i), None), (features_name(i), reader)):
            found[place] = _kept(scores, place, new.width, old.width, reads)
    return {place: indices for place, indices in found.items() if indices is not None}


def _pairs(target: Synthesis, source: Synthesis) -> list[tuple[StyledLevel, StyledLevel]]:
    """The levels that both have."""
    return [
        (cast(StyledLevel, a), cast(StyledLevel, b))
        for a, b in zip(target.levels, source.levels, strict=False)
    ]


def _kept(
    scores: Scores, name: str, count: int, available: int, reader: Upsampler | None = None
) -> Tensor | None:
    """Indices of the channels to keep at a place, as its reader likes them; None if there are too few."""
    if count >= available:
        return torch.arange(count) if count == available else None
    if name not in scores:
        raise ValueError(
            f"{count} of {available} channels are to be chosen at {name!r}, which has no scores."
        )
    own = scores[name].cpu()
    return highest(own, count) if reader is None else reader.kept_inputs(own, count)


def _kinds(module: nn.Module) -> list[type]:
    """What a part of a level is built of."""
    return [type(part) for part in module.modules()]
