"""The linear part of an encoder in closed form: ridge regression of w on what the encoder sees."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ganzoo.projection.encoder import Encoder

_KEPT_BACK = 8  # every eighth image chooses the strength


@torch.no_grad()
def normalise(encoder: Encoder, looked_at: Tensor) -> None:
    """Set mean and scale so that every stage, and the pixels, weigh the same, and all together 1."""
    encoder.mean.copy_(looked_at.mean(dim=0))
    parts = encoder.config.parts
    centred = torch.split(looked_at - encoder.mean, list(parts), dim=1)
    lengths = [
        part.square().sum(dim=1).mean().sqrt().clamp(min=1e-12) * len(parts) ** 0.5 for part in centred
    ]
    encoder.scale.copy_(torch.cat([(1 / n).expand(count) for n, count in zip(lengths, parts, strict=True)]))


@torch.no_grad()
def fit_linear(
    encoder: Encoder, looked_at: Tensor, target: Tensor, ridge: Sequence[float]
) -> tuple[float, float]:
    """Fit the linear map; returns the strength that was chosen, and the share of w that it explains.

    The strength is chosen on every eighth image, by a fit to the others; the fit that stays is to all.

    Args:
        encoder: Encoder, normalised.
        looked_at: What it sees, `[N, dim]`.
        target: Answers to give, `[N, groups, w_dim]`.
        ridge: Strengths to try, per image.
    """
    x = ((looked_at - encoder.mean) * encoder.scale).cpu().double()
    y = target.flatten(1).cpu().double()
    back = torch.arange(len(x), device=x.device) % _KEPT_BACK == 0
    fit, kept = ~back, back
    gram, moment = x[fit].T @ x[fit], x[fit].T @ y[fit]
    errors = {}
    for strength in ridge:
        weight = _solved(gram, moment, strength * int(fit.sum()))
        errors[strength] = float((x[kept] @ weight - y[kept]).square().sum())
    best = min(errors, key=lambda strength: errors[strength])
    gram, moment = gram + x[kept].T @ x[kept], moment + x[kept].T @ y[kept]
    encoder.linear.weight.copy_(_solved(gram, moment, best * len(x)).T.float())
    return best, 1 - errors[best] / float(y[kept].square().sum())


def _solved(gram: Tensor, moment: Tensor, strength: float) -> Tensor:
    own = gram.clone()
    own.diagonal().add_(strength)
    return torch.cholesky_solve(moment, torch.linalg.cholesky(own))
