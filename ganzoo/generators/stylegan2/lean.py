"""What serves the training alone, taken out of a trained generator."""

from dataclasses import replace

import torch

from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.config import StyleGAN2Config


def without_auxiliary_heads(generator: Generator) -> Generator:
    """The same images from a generator that predicts them once; `Output.levels` has the last level alone.

    A generator with another head is returned as it is.
    """
    config = generator.config
    if not isinstance(config, StyleGAN2Config) or config.head["name"] != "aux":
        return generator
    with torch.device("meta"):
        single = Generator.from_config(replace(config, head={"name": "single"}))
    tensors = generator.state_dict()
    single.load_state_dict({name: tensors[name] for name in single.state_dict()}, strict=True, assign=True)
    return single
