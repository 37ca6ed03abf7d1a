"""What is assumed of a network that leaves: that its clamp is never reached, where a layout has none."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from ganzoo.converters.outgoing.fit import Config
from ganzoo.converters.outgoing.layouts import refusal
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.system.validation import unknown

Module = TypeVar("Module", Generator, Discriminator)
CLAMP = "clamp"
_SEEDS = range(4)  # whose results tell whether a clamp is reached


def refuse_misfits(config: Config, layout: str, assume: Mapping[str, Any]) -> None:
    """Raise ValueError for a network without a place in a layout, or an assumption that is unknown."""
    for name, value in assume.items():
        if name != CLAMP:
            raise ValueError(unknown("setting to assume of what is written", name, [CLAMP]))
        if value is not None:
            raise ValueError(f"With --to, --assume clamp=none leaves a clamp out; got clamp={value}.")
    if line := refusal(_assumed(config, assume), layout):
        raise ValueError(line)


def as_assumed(module: Module, layout: str, assume: Mapping[str, Any]) -> Module:
    """A network as it is to be written, with the same weights.

    Raises:
        ValueError: if it has no place in the layout, or gives something else without its clamp.
    """
    refuse_misfits(module.config, layout, assume)
    config = _assumed(module.config, assume)
    if config == module.config:
        return module
    free: Any = empty(config)
    free.load_state_dict(module.state_dict(), assign=True)
    for seed in _SEEDS:
        if not torch.equal(_result(module, seed), _result(free, seed)):
            kind = type(module).__name__.lower()
            raise ValueError(f"The clamp of the {kind} is reached, as of seed {seed}: it cannot be left out.")
    return free  # type: ignore[no-any-return]


def _assumed(config: Any, assume: Mapping[str, Any]) -> Any:
    """A config without its clamp, if that is assumed."""
    if CLAMP not in assume:
        return config
    if isinstance(config, DiscriminatorConfig):
        spec = config.discriminator
        return replace(config, discriminator={**spec, CLAMP: None}) if CLAMP in spec else config
    return replace(config, clamp=None) if hasattr(config, CLAMP) else config


@torch.no_grad()
def _result(module: Generator | Discriminator, seed: int) -> Tensor:
    """What a network makes of a seed: an image, or the logits of an image of noise."""
    reference = next(module.parameters())
    label = None
    if module.label_dim:
        label = reference.new_zeros(1, module.label_dim)
        label[0, seed % module.label_dim] = 1
    if isinstance(module, Generator):
        return module(module.sample_z(1, seed), label)  # type: ignore[no-any-return]
    shape = (1, module.img_channels, module.resolution, module.resolution)
    images = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), device="cpu")
    return module(images.to(reference), label)  # type: ignore[no-any-return]
