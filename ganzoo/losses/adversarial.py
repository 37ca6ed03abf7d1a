"""Losses of a generator against a discriminator, and the discriminator's penalty.

Logits are of any shape; real images are meant to have positive ones.
"""

import math
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


def relativistic_generator(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """Mean of softplus(-(D(G(z)) - D(x))) over pairs (Huang et al. 2024, equation 3)."""
    return F.softplus(real_logits - fake_logits).mean()


def relativistic_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Mean of softplus(-(D(x) - D(G(z)))) over pairs (Huang et al. 2024, equation 3)."""
    return F.softplus(fake_logits - real_logits).mean()


def top_k(fake_logits: Tensor, share: float) -> Tensor:
    """The logits of the most convincing images, at least one, `[k, ...]` (Sinha et al. 2020, section 3).

    Args:
        fake_logits: `[N, ...]`; an image is as convincing as the mean of its logits.
        share: k as a share of N, above 0.
    """
    count = max(1, math.ceil(share * len(fake_logits)))
    if count >= len(fake_logits):
        return fake_logits
    return fake_logits[fake_logits.detach().flatten(1).mean(dim=1).topk(count).indices]


def path_lengths(images: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """Lengths `[N]` of J^T y, by how much an image moves with w (Karras et al. 2020b, section 3.2).

    The root of the mean over rows of the squared norm; it can be differentiated for the weights. The paper's
    penalty is the squared distance of the lengths from their running mean.

    Args:
        images: Images `[N, C, H, W]` made of w.
        w: `[N, num_ws, w_dim]`, which required gradients.
        noise: y, normal numbers of the images' shape.

    Raises:
        ValueError: if w required none.
    """
    if not (images.requires_grad and w.requires_grad):
        raise ValueError("Path lengths need w.requires_grad_() before the images are made.")
    y = noise / math.sqrt(images.shape[2] * images.shape[3])
    (slope,) = torch.autograd.grad((images * y).sum(), w, create_graph=True)
    return slope.square().sum(dim=2).mean(dim=1).sqrt()


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


def r1_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Mean over the samples of the squared norm of dD(x)/dx (Mescheder et al. 2018, equation 9).

    Of real images it is R1, of the generator's R2. The paper's factor gamma/2 is the caller's. The penalty
    can be differentiated for the weights.

    Args:
        logits: Logits of the images.
        images: `[N, C, H, W]`; they required gradients when the discriminator saw them.

    Raises:
        ValueError: if they did not.
    """
    return _slope(logits, images).square().flatten(1).sum(dim=1).mean()


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
        generator: Loss of its images' logits; of a relativistic game, of real images' logits as well.
        discriminator: Loss of real images' logits and of the generator's.
        relativistic: Whether logits count against those of the other side alone.
    """

    generator: Callable[..., Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]
    relativistic: bool = False


ADVERSARIAL = {
    "logistic": Adversarial(nonsaturating_generator, logistic_discriminator),
    "hinge": Adversarial(linear_generator, hinge_discriminator),
    "wasserstein": Adversarial(linear_generator, wasserstein_discriminator),
    "relativistic": Adversarial(relativistic_generator, relativistic_discriminator, relativistic=True),
}
