"""`Look`: what the image of a point of latent space depends on besides the model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.generators.sampling import (
    Label,
    as_labels,
    check_label,
    check_limit,
    check_noise,
    check_psi,
    shown_label,
)
from ganzoo.latent.truncation import nearest, towards

PSI = 0.7  # of images of seeds
SAVED_PSI = 1.0  # of saved w: they are drawn as they are


@dataclass(frozen=True)
class Look:
    """What the image of a seed depends on besides the model.

    Attributes:
        truncation_psi: Truncation: 1 for full variety, 0 for the mean image.
        truncation_cutoff: Number of rows of w to truncate (default: all).
        noise: "const" (saved with the weights), "random" (by the image's seed) or "none".
        label: Class, or a mix such as `{3: 0.5, 7: 0.5}`, for a conditional model.
        centers: Centers to truncate towards, each w towards its nearest one, as
            `ganzoo.latent.centers.find_centers` gives them; None for the mean w, or what the model's mapping
            network truncates towards.
        z_limit: Limit of the latents' numbers, in deviations; see `Generator.sample_z`. None for no limit.

    Raises:
        ValueError: for a value that no model takes.
    """

    truncation_psi: float = PSI
    truncation_cutoff: int | None = None
    noise: str = "const"
    label: Label | None = None
    centers: Tensor | None = field(default=None, compare=False)
    z_limit: float | None = None

    def __post_init__(self) -> None:
        check_noise(self.noise)
        check_psi(self.truncation_psi)
        check_limit(self.z_limit)

    def check(self, model: Generator) -> None:
        """Raise ValueError for a cutoff or a label that a model does not take."""
        self.check_cutoff(model)
        check_label(self.label, model.label_dim, "--label")

    def check_cutoff(self, model: Generator) -> None:
        """Raise ValueError for a cutoff that a model does not take."""
        cutoff = self.truncation_cutoff
        if cutoff is not None and not 0 <= cutoff <= model.num_ws:
            raise ValueError(f"--cutoff is 0 to {model.num_ws} for this model; got {cutoff}.")

    def w(self, model: Generator, seeds: Sequence[int]) -> Tensor:
        """W `[N, num_ws, w_dim]` of seeds, truncated."""
        labels = None
        z = model.sample_z(seeds, limit=self.z_limit)
        if self.label is not None:
            labels = as_labels(self.label, len(seeds), model.label_dim).to(z)
        if self.centers is None:
            w: Tensor = model.mapping(z, labels, self.truncation_psi, self.truncation_cutoff)
            return w
        return self.truncated(model, model.mapping(z, labels))

    def truncated(self, model: Generator, w: Tensor) -> Tensor:
        """W `[N, num_ws, w_dim]` brought towards the mean w, or each towards its nearest center."""
        center = model.mapping.center(w) if self.centers is None else nearest(w, self.centers)
        return towards(w, center, self.truncation_psi, self.truncation_cutoff)

    def settings(self) -> dict[str, Any]:
        """The look as plain values; of the centers, how many there are."""
        centers = None if self.centers is None else len(self.centers)
        cut = {"truncation_psi": self.truncation_psi, "truncation_cutoff": self.truncation_cutoff}
        others = {"label": shown_label(self.label), "centers": centers, "z_limit": self.z_limit}
        return {**cut, "noise": self.noise, **others}


def random_sources(noise: object, seeds: Sequence[int]) -> list[torch.Generator] | None:
    """What random noise is drawn from, one source a seed; None for other noise."""
    return [torch.Generator().manual_seed(seed) for seed in seeds] if noise == "random" else None
