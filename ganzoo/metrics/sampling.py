"""`Sampling`: how a model's images are drawn to be measured."""

from dataclasses import dataclass

from ganzoo.generators.sampling import check_noise, check_psi, check_seeds
from ganzoo.metrics.seeds import HELD_OUT_SEED


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How images of a model are drawn: image i from the seed `seed + i` alone.

    Args:
        num: Number of images.
        seed: Seed of the first.
        truncation_psi: Psi of the truncation; 1 for none.
        truncation_cutoff: Number of rows of w that are truncated; None for all.
        noise: const, random (by the image's seed) or none.
        resolution: Side that images are resized to before they are measured; None for the model's own.
        eager: Whether the model runs as it was trained, not deployed.

    Raises:
        ValueError: for an unknown noise mode, a psi that is not finite, or seeds out of range.
    """

    num: int = 5000
    seed: int = HELD_OUT_SEED
    truncation_psi: float = 1.0
    truncation_cutoff: int | None = None
    noise: str = "const"
    resolution: int | None = None
    eager: bool = False

    def __post_init__(self) -> None:
        check_seeds(self.seed, self.num)
        check_psi(self.truncation_psi)
        check_noise(self.noise)
