"""Parameters and multiply-accumulates of a generator, counted the way the published figures are."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ganzoo.blocks import KINDS
from ganzoo.generators.config import GENERATORS, GeneratorConfig
from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import Generator
from ganzoo.models.catalogue import CONVENTION as CONVENTION
from ganzoo.models.catalogue import CONVENTION_SHORT as CONVENTION_SHORT
from ganzoo.registry import Registry


@dataclass(frozen=True)
class Cost:
    """What one part of a generator costs.

    Attributes:
        parameters: Number of parameters without the vectors of static demodulation.
        macs: MACs of one forward at batch 1; see `CONVENTION`.
        static: Length of the vectors of static demodulation together, which vanish when deployed; the
            reference keeps them as untrained buffers and does not count them.
    """

    parameters: int
    macs: int
    static: int = 0


def costs(config: GeneratorConfig, *, deployed: bool = True) -> dict[str, Cost]:
    """Costs by part: mapping, synthesis and, unless left out, the deployed synthesis. Takes no memory.

    A config is counted once: a run asks four times for two, and each takes a quarter of a second.
    """
    registries: tuple[Registry[Any], ...] = (*KINDS.values(), GENERATORS)
    known = tuple(c for registry in registries for c in registry.classes().values())
    return dict(_counted(json.dumps(config.to_dict()), deployed, known))


@functools.cache
def _counted(data: str, deployed: bool, known: tuple[type, ...]) -> dict[str, Cost]:
    """The costs of a config, by its JSON and by all classes that its names may stand for."""
    config = GeneratorConfig.from_dict(json.loads(data))
    with torch.device("meta"):
        generator = Generator.from_config(config).requires_grad_(False)
        z = torch.empty(1, config.z_dim)
        label = torch.empty(1, config.label_dim) if config.label_dim else None
        w = torch.empty(1, config.num_ws, config.w_dim)
        result = {
            "mapping": _cost(generator.mapping, lambda: generator.mapping(z, label)),
            "synthesis": _cost(generator.synthesis, lambda: generator.synthesis(w)),
        }
        if deployed:
            folded = deploy(generator).synthesis
            result["deployed synthesis"] = _cost(folded, lambda: folded(w))
    return result


def _cost(module: nn.Module, run: Callable[[], Any]) -> Cost:
    """Cost of a module on the meta device, whose forward `run` calls."""
    vanishing = [m for m in module.modules() if getattr(m, "vanishes", False)]
    static = [p.numel() for m in vanishing for p in m.parameters()]
    counter = FlopCounterMode(display=False)
    before: dict[nn.Module, int] = {}
    correction = 0

    def enter(m: nn.Module, _: Any) -> None:
        before[m] = counter.get_total_flops() // 2

    def leave(m: nn.Module, _: Any, output: torch.Tensor | None) -> None:
        # A fixed filter counts by the convention, however it is computed here.
        nonlocal correction
        outputs = 0 if output is None else output.numel()
        correction += cast(int, m.macs_per_output) * outputs - (counter.get_total_flops() // 2 - before[m])

    handles = []
    for m in module.modules():
        if hasattr(m, "macs_per_output"):
            handles += [m.register_forward_pre_hook(enter), m.register_forward_hook(leave)]
    with counter:
        run()
    for handle in handles:
        handle.remove()
    parameters = sum(p.numel() for p in module.parameters())
    return Cost(parameters - sum(static), counter.get_total_flops() // 2 + correction, sum(static))
