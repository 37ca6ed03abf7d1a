"""Standing statistics: what batch norms store, measured anew (Brock et al. 2019, appendix C)."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor

from ganzoo.blocks import Block
from ganzoo.generators.generator import Generator


def followers(generator: Generator) -> list[Block]:
    """The blocks of a generator that store statistics of batches."""
    return [block for block in generator.modules() if isinstance(block, Block) and block.follows]


@torch.no_grad()
def with_standing_statistics(generator: Generator, batches: Iterable[Tensor]) -> Generator:
    """A copy whose statistics are the means over these batches; the generator itself if it stores none.

    Statistics that followed the training are those of weights that changed on the way, and of no average of
    weights at all.

    Args:
        generator: Generator, in either mode.
        batches: w `[N, num_ws, w_dim]` of batches, on the generator's device.
    """
    if not followers(generator):
        return generator
    measured = copy.deepcopy(generator).train()
    blocks = followers(measured)
    for number, w in enumerate(batches, 1):
        for block in blocks:
            block.follow(1 / number)
        measured.synthesis(w)
    for block in blocks:
        block.follow(None)
    return measured.eval()
