"""`Look`: what the image of a point of latent space depends on besides the model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganzoo.generators.generator import Generator
from ganzoo.generators.sampling import check_noise, check_psi
from ganzoo.latent.truncation import truncate

PSI = 0.7  # of images of seeds
SAVED_PSI = 1.0  # of saved w: they are drawn as they are


@dataclass(frozen=True)
class Look:
    """What the image of a seed depends on besides the model.

    Attributes:
        truncation_psi: Truncation: 1 for full variety, 0 for the mean image.
        truncation_cutoff: Number of rows of w to truncate (default: all).
        noise: "const" (saved with the weights), "random" (by the image's seed) or "none".
        label: Class, for a conditional model.
        centers: Centers to truncate towards, each w towards its nearest one, as
            `ganzoo.latent.centers.find_centers` gives them; None for the mean w.

    Raises:
        ValueError: for a value that no model takes.
    """

    truncation_psi: float = PSI
    truncation_cutoff: int | None = None
    noise: str = "const"
    label: int | None = None
    centers: Tensor | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_noise(self.noise)
        check_psi(self.truncation_psi)

    def check(self, model: Generator) -> None:
        """Raise ValueError for a cutoff or a label that a model does not take."""
        self.check_cutoff(model)
        labels = model.label_dim
        if labels == 0 and self.label is not None:
            raise ValueError("--label: this model is not conditional.")
        if labels and (self.label is None or not 0 <= self.label < labels):
            got = "" if self.label is None else f"; got {self.label}"
            raise ValueError(f"--label: this model needs a class from 0 to {labels - 1}{got}.")

    def check_cutoff(self, model: Generator) -> None:
        """Raise ValueError for a cutoff that a model does not take."""
        cutoff = self.truncation_cutoff
        if cutoff is not None and not 0 <= cutoff <= model.num_ws:
            raise ValueError(f"--cutoff is 0 to {model.num_ws} for this model; got {cutoff}.")

    def w(self, model: Generator, seeds: Sequence[int]) -> Tensor:
        """W `[N, num_ws, w_dim]` of seeds, truncated."""
        labels = None
        if self.label is not None:
            classes = torch.full([len(seeds)], self.label, device=model.device)
            labels = one_hot(classes, model.label_dim).float()
        z = model.sample_z(seeds)
        if self.centers is None:
            w: Tensor = model.mapping(z, labels, self.truncation_psi, self.truncation_cutoff)
            return w
        return self.truncated(model, model.mapping(z, labels))

    def truncated(self, model: Generator, w: Tensor) -> Tensor:
        """W `[N, num_ws, w_dim]` brought towards the mean w, or each towards its nearest center."""
        centers = mean_center(model) if self.centers is None else self.centers
        return truncate(w, centers, self.truncation_psi, self.truncation_cutoff)

    def settings(self) -> dict[str, Any]:
        """The look as plain values; of the centers, how many there are."""
        centers = None if self.centers is None else len(self.centers)
        cut = {"truncation_psi": self.truncation_psi, "truncation_cutoff": self.truncation_cutoff}
        return {**cut, "noise": self.noise, "label": self.label, "centers": centers}


def mean_center(model: Generator) -> Tensor:
    """The mean w as a center `[1, 1 or num_ws, w_dim]`."""
    mean = model.mapping.w_avg
    return mean[None] if mean.ndim > 1 else mean[None, None]


def random_sources(noise: object, seeds: Sequence[int]) -> list[torch.Generator] | None:
    """What random noise is drawn from, one source a seed; None for other noise."""
    return [torch.Generator().manual_seed(seed) for seed in seeds] if noise == "random" else None
