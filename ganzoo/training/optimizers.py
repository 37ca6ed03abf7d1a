"""Optimizers of timm's by name, and the learning rate over time."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]
from timm.scheduler import CosineLRScheduler  # type: ignore[attr-defined]
from torch import nn
from torch.optim import Optimizer

from ganzoo.training.checkpoint import optimizer_tensors
from ganzoo.training.settings import LoopSettings, OptimizerSettings


def create_optimizer(own: OptimizerSettings, groups: Sequence[Mapping[str, Any]], setting: str) -> Optimizer:
    """Timm's optimizer by its settings.

    Args:
        own: Settings.
        groups: Groups of parameters, as `ganzoo.training.parts.groups` gives them.
        setting: Name that the settings stand under.

    Raises:
        ValueError: if there is none of that name, or it takes other arguments, or cannot be saved.
    """
    probe = nn.Parameter(torch.zeros(2, 2))
    probe.grad = torch.zeros(2, 2)
    try:
        first = _create(own, [{"params": [probe]}])
        first.step()
        optimizer_tensors(first)
        return _create(own, groups)
    except Exception as error:  # whatever an optimizer of timm's says of arguments that it does not take
        raise ValueError(
            f"{setting}.name={own.name!r} cannot be used with betas={list(own.betas)}: {error}"
        ) from error


def moments(own: OptimizerSettings) -> float:
    """Numbers that an optimizer keeps of every weight."""
    probe = nn.Parameter(torch.zeros(8, 8))
    probe.grad = torch.zeros_like(probe)
    optimizer = _create(own, [{"params": [probe]}])
    optimizer.step()
    return sum(x.nbytes for x in optimizer_tensors(optimizer).values() if x.numel() > 1) / probe.nbytes


def schedule(optimizer: Optimizer, own: OptimizerSettings, settings: LoopSettings) -> CosineLRScheduler:
    """Timm's schedule in steps: a linear warm-up, then a half cosine, or none.

    It multiplies what it finds by the `lr_scale` of a group, from the first step of the warm-up to the last.
    """
    warmup = math.ceil(own.warmup_kimg * 1000 / settings.batch_size)
    final = own.lr * own.final if own.schedule == "cosine" else own.lr
    return CosineLRScheduler(
        optimizer,
        t_initial=max(2, settings.steps - warmup),  # timm warns at 1
        lr_min=final,
        warmup_t=warmup,
        warmup_lr_init=own.lr / (warmup + 1),
        warmup_prefix=True,
        t_in_epochs=False,
    )


def _create(own: OptimizerSettings, groups: Sequence[Mapping[str, Any]]) -> Optimizer:
    return create_optimizer_v2(
        [dict(group) for group in groups],
        opt=own.name,
        lr=own.lr,
        weight_decay=own.weight_decay,
        betas=own.betas,
    )
