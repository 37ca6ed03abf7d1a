"""A network that takes no memory: its shapes are known before its weights are read or drawn."""

from typing import overload

import torch

from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.generator import Generator


@overload
def empty(config: GeneratorConfig) -> Generator: ...


@overload
def empty(config: DiscriminatorConfig) -> Discriminator: ...


@overload
def empty(config: GeneratorConfig | DiscriminatorConfig) -> Generator | Discriminator: ...


def empty(config: GeneratorConfig | DiscriminatorConfig) -> Generator | Discriminator:
    """The network of a config on the meta device: it takes no memory and has no weights.

    Raises:
        TypeError: for a block with a buffer that no file of weights would fill.
    """
    with torch.device("meta"):
        module: Generator | Discriminator
        if isinstance(config, DiscriminatorConfig):
            module = Discriminator(config)
        else:
            module = Generator.from_config(config)
    saved = module.state_dict()
    for name, tensor in module.named_buffers():
        if tensor.is_meta and name not in saved:
            raise TypeError(f"The buffer {name!r} is not saved: its block must make it with device='cpu'.")
    return module.float()  # whatever the caller's default dtype is
