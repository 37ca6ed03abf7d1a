"""Importance of channels: which of them a narrower network keeps.

The places where a network may become narrower are the features of every level, and what stands in front of a
level's last convolution: the learnt constant, and what the upsamplers give.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks import ModulatedConv
from ganzoo.generators.config import Scores
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.levels import InputLevel, StyledLevel, UpsamplingLevel
from ganzoo.generators.stylegan2.names import CONST, features_name, inner_name
from ganzoo.generators.stylegan2.synthesis import Synthesis

STEP = 5.0  # by which w moves


def weight_scores(generator: Generator) -> Scores:
    """Norms of the weights that read a channel, summed over what they lead to ("l1-out" of Liu et al. 2021).

    In the style of the mean w.
    """
    synthesis = cast(Synthesis, generator.synthesis)
    w = generator.mapping.w_avg.reshape(-1, generator.w_dim).mean(dim=0)
    levels = [cast(StyledLevel, level) for level in synthesis.levels]
    scores: dict[str, Tensor] = {}
    for i, level in enumerate(levels):
        scores[inner_name(i)] = level.last.conv.input_norms(w)
        norms = synthesis.head.input_norms_at(i, w)
        if i + 1 < len(levels):
            above = cast(UpsamplingLevel, levels[i + 1])
            norms = norms + above.upsample.conv.input_norms(w) + above.shortcut.input_norms(w)
        scores[features_name(i)] = norms.expand(level.width)
    return scores


def response_scores(generator: Generator, samples: int, seed: int, levels: int | None) -> Scores:
    """How much a channel changes when w moves by 5 in a random direction (DCP-GAN, Chung et al. 2024).

    Mean over pixels of the absolute change, summed over samples, each with a direction of its own.
    """
    synthesis = cast(Synthesis, generator.synthesis)
    constant = cast(InputLevel, synthesis.levels[0])
    random = torch.Generator("cpu").manual_seed(seed)
    scores: dict[str, Tensor] = {}

    def add(name: str, x: Tensor) -> Tensor:
        change = (x[1] - x[0]).abs().mean(dim=(1, 2))
        if name == CONST:  # only its style changes
            modulation = cast(nn.Module, cast(ModulatedConv, constant.conv.conv).modulation)
            styles = modulation(w[:, 0])
            change = constant.const[0].abs().mean(dim=(1, 2)) * (styles[1] - styles[0]).abs()
        scores[name] = scores.get(name, 0) + change
        return x

    for i in range(samples):
        start = _w(generator, seed + i)
        direction = torch.randn(generator.w_dim, generator=random, device="cpu").to(start)
        w = torch.cat([start, start + STEP * F.normalize(direction, dim=0)])
        with _visited(synthesis, add):
            for _ in islice(synthesis.features(w), levels):
                pass
    return scores


def saliency_scores(generator: Generator, samples: int, seed: int) -> Scores:
    """How much a channel's strength moves the image (content-aware importance of Liu et al. 2021).

    Every pixel of the image is perturbed by a random sign; the score is the absolute gradient of their sum
    with respect to a factor 1 of the channel, summed over samples. The paper perturbs the pixels of a face
    alone; here all of them count.
    """
    random = torch.Generator("cpu").manual_seed(seed)
    factors: dict[str, Tensor] = {}

    def multiply(name: str, x: Tensor) -> Tensor:
        factors[name] = x.new_ones(x.shape[1]).requires_grad_()
        return x * factors[name][:, None, None]

    scores: dict[str, Tensor] = {}
    synthesis = cast(Synthesis, generator.synthesis)
    for i in range(samples):
        with _visited(synthesis, multiply), torch.enable_grad():
            image = synthesis(_w(generator, seed + i)).image
        signs = torch.randint(2, image.shape, generator=random, device="cpu").to(image) * 2 - 1
        gradients = torch.autograd.grad(image, [*factors.values()], signs)
        for name, gradient in zip(factors, gradients, strict=True):
            scores[name] = scores.get(name, 0) + gradient.abs()
    return scores


@contextmanager
def _visited(synthesis: Synthesis, visit: Callable[[str, Tensor], Tensor]) -> Iterator[None]:
    """Within it, the network goes on with what `visit` makes of the features of every place."""

    def entering(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return visit(CONST, args[0]), *args[1:]

    def leaving(name: str) -> Callable[[nn.Module, object, Tensor], Tensor]:
        return lambda module, args, features: visit(name, features)

    handles = []
    for i, level in enumerate(cast(StyledLevel, level) for level in synthesis.levels):
        first = level.layers[0]
        if i == 0:
            handles.append(first.register_forward_pre_hook(entering))
        else:
            handles.append(first.register_forward_hook(leaving(inner_name(i))))
        handles.append(level.register_forward_hook(leaving(features_name(i))))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _w(generator: Generator, seed: int) -> Tensor:
    """W `[1, num_ws, w_dim]` of a seed; a conditional network's classes take turns."""
    label = None
    if generator.label_dim:
        number = torch.tensor([seed % generator.label_dim], device=generator.device)
        label = F.one_hot(number, generator.label_dim).to(generator.mapping.w_avg)
    with torch.no_grad():
        return cast(Tensor, generator.mapping(generator.sample_z(1, seed), label))
