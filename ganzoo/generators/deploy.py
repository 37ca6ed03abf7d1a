"""The deploy form of a generator: the same images from fewer and quicker steps.

Every block of a copy is asked for its folded form, and what each can do is said there: scales of equalised
learning rate, constant demodulation, gains and biases move into the weights; heads that serve the training
alone go; the channels in front of an inverse wavelet transform are sorted by sub-band, so that the transform
is slices and sums. A block that cannot fold stays as it is.
"""

import copy
from typing import cast

import torch

from ganzoo.blocks import MappingNetwork
from ganzoo.generators.generator import DEPLOYED, TRAINABLE, Generator
from ganzoo.generators.synthesis import SynthesisNetwork


def deploy(generator: Generator) -> Generator:
    """The deploy form of a generator, on its device: the same images within float error.

    The original is untouched. The weights of the deploy form need no gradient; gradients with respect to z
    and w flow. `Output.levels` is empty. It is not saved: save what it was made from.

    Raises:
        TypeError: if it is deployed already, or no generator.
    """
    if not isinstance(generator, Generator) or generator.form != TRAINABLE:
        found = (
            f"one that is {generator.form}" if isinstance(generator, Generator) else type(generator).__name__
        )
        raise TypeError(f"deploy takes a Generator as create() gives it, not {found}.")
    with torch.inference_mode(False), torch.no_grad():
        mapping = copy.deepcopy(generator.mapping).folded()
        synthesis = copy.deepcopy(generator.synthesis).folded()
        deployed = Generator(
            generator.config, cast(MappingNetwork, mapping), cast(SynthesisNetwork, synthesis), form=DEPLOYED
        )
        return deployed.requires_grad_(False)
