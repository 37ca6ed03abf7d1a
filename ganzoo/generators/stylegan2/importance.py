"""Importance of channels: which of them a narrower network keeps.

The places where a network may become narrower are the features of every level, and what stands in front of a
level's last convolution: the learnt constant, and what the upsamplers give.
"""

from typing import cast

import torch
from torch import Tensor

from ganzoo.generators.config import Scores
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.levels import Level, UpsamplingLevel
from ganzoo.generators.stylegan2.names import features_name, inner_name
from ganzoo.generators.stylegan2.synthesis import Synthesis
from ganzoo.system.validation import unknown


def channel_scores(generator: Generator, kind: str) -> Scores:
    """Importance `[C]` of the channels at every place where the network may become narrower, by its name.

    Args:
        generator: Trainable generator.
        kind: "weights": norms of the weights that read a channel, summed over what they lead to, in the style
            of the mean w ("l1-out" of Liu et al. 2021).

    Raises:
        ValueError: for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(unknown("kind of importance", kind, KINDS))
    with torch.no_grad():
        return KINDS[kind](generator)


def weight_scores(generator: Generator) -> Scores:
    """Norms of the weights that read every channel."""
    synthesis = cast(Synthesis, generator.synthesis)
    w = generator.mapping.w_avg.reshape(-1, generator.w_dim).mean(dim=0)
    levels = [cast(Level, level) for level in synthesis.levels]
    scores: dict[str, Tensor] = {}
    for i, level in enumerate(levels):
        scores[inner_name(i)] = level.layers[-1].conv.input_norms(w)
        norms = synthesis.head.input_norms_at(i, w)
        if i + 1 < len(levels):
            above = cast(UpsamplingLevel, levels[i + 1])
            norms = norms + above.upsample.conv.input_norms(w) + above.shortcut.input_norms(w)
        scores[features_name(i)] = norms.expand(level.width)
    return scores


KINDS = {"weights": weight_scores}
