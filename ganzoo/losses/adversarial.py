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


def wasserstein_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Mean of D(G(z)) minus mean of D(x) (Arjovsky et al. 2017, equation 2); its slope is to be held at 1."""
    return fake_logits.mean() - real_logits.mean()


def slope_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Mean over the samples of (|dD(x)/dx| - 1)^2 (Gulrajani et al. 2017, equation 3).

    Args:
        logits: Logits of the images.
        images: `[N, C, H, W]`, between real ones and the generator's, that required gradients.

    Raises:
        ValueError: if they did not.
    """
    norm = (_slope(logits, images).square().flatten(1).sum(dim=1) + 1e-12).sqrt()
    return (norm - 1).square().mean()


def r1_penalty(real_logits: Tensor, images: Tensor) -> Tensor:
    """Mean over the samples of the squared norm of dD(x)/dx (Mescheder et al. 2018, equation 9).

    The paper's factor gamma/2 is the caller's. The penalty can be differentiated for the weights.

    Args:
        real_logits: Logits of the real images.
        images: `[N, C, H, W]`, real ones; they required gradients when the discriminator saw them.

    Raises:
        ValueError: if they did not.
    """
    return _slope(real_logits, images).square().flatten(1).sum(dim=1).mean()


def _slope(logits: Tensor, images: Tensor) -> Tensor:
    """dD(x)/dx `[N, C, H, W]`, which can be differentiated for the weights."""
    slope: Tensor | None = None
    if images.requires_grad and logits.requires_grad:
        (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True, allow_unused=True)
    if slope is None:
        raise ValueError("A penalty on the slope needs images.requires_grad_() before they are judged.")
    return slope


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
    "wasserstein": Adversarial(linear_generator, wasserstein_discriminator),
}
