"""Losses of a generator against a discriminator, and the discriminator's penalty.

Logits are of any shape; real images are meant to have positive ones.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


def nonsaturating_generator(fake_logits: Tensor) -> Tensor:
    """Mean of softplus(-D(G(z))) (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake_logits).mean()


def logistic_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Mean of softplus(-D(x)) plus mean of softplus(D(G(z))) (Goodfellow et al. 2014, equation 1)."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def linear_generator(fake_logits: Tensor) -> Tensor:
    """Mean of -D(G(z)): the generator's part of the hinge and of the Wasserstein loss."""
    return -fake_logits.mean()


def hinge_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Mean of max(0, 1 - D(x)) plus mean of max(0, 1 + D(G(z))) (Miyato et al. 2018, equation 16)."""
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def r1_penalty(real_logits: Tensor, images: Tensor) -> Tensor:
    """Mean over the samples of the squared norm of dD(x)/dx (Mescheder et al. 2018, equation 9).

    The paper's factor gamma/2 is the caller's. The penalty can be differentiated for the weights.

    Args:
        real_logits: Logits of the real images.
        images: `[N, C, H, W]`, real ones; they required gradients when the discriminator saw them.

    Raises:
        ValueError: if they did not.
    """
    slope: Tensor | None = None
    if images.requires_grad and real_logits.requires_grad:
        (slope,) = torch.autograd.grad(real_logits.sum(), images, create_graph=True, allow_unused=True)
    if slope is None:
        raise ValueError("The R1 penalty needs images.requires_grad_() before the discriminator sees them.")
    return slope.square().flatten(1).sum(dim=1).mean()


@dataclass(frozen=True)
class Adversarial:
    """Losses of both sides.

    Attributes:
        generator: Loss of its images' logits.
        discriminator: Loss of real images' logits and of the generator's.
    """

    generator: Callable[[Tensor], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]


ADVERSARIAL = {
    "logistic": Adversarial(nonsaturating_generator, logistic_discriminator),
    "hinge": Adversarial(linear_generator, hinge_discriminator),
}
