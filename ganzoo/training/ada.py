"""How strong adaptive augmentation is while a run trains (Karras et al. 2020a, section 3.1)."""

import math
from dataclasses import dataclass

from ganzoo.system.validation import check_fields
from ganzoo.training.settings import require


@dataclass(frozen=True, kw_only=True)
class AdaSettings:
    """What moves the strength p of an adaptive augmentation.

    Args:
        target: Mean sign of the discriminator's answers to real images that p is moved towards.
        interval: Steps from one move of p to the next; the signs of all of them are averaged.
        kimg: Thousands of images in which p goes from 0 to 1 at the quickest; 100 suits a run that starts
            from a trained network.
        fixed: Strength for the whole run; None adapts it.
    """

    target: float = 0.6
    interval: int = 4
    kimg: float = 500.0
    fixed: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        require(-1 <= self.target <= 1, "target is from -1 to 1", self.target)
        require(self.interval >= 1, "interval is at least 1", self.interval)
        require(0 < self.kimg < math.inf, "kimg is positive", self.kimg)
        require(self.fixed is None or 0 <= self.fixed < math.inf, "fixed is not negative", self.fixed)


def adapted(p: float, mean_sign: float, batch: int, settings: AdaSettings) -> float:
    """The strength after an interval: up where the discriminator overfits, else down, never below 0.

    p += sign(mean_sign - target) * batch * interval / (1000 kimg). It may exceed 1.

    Args:
        p: Strength so far.
        mean_sign: Mean over the interval of the sign of the answers to real images, in -1..1.
        batch: Images in a step, of all processes.
        settings: What moves it.
    """
    if settings.fixed is not None:
        return settings.fixed
    step = batch * settings.interval / (settings.kimg * 1000)
    direction = (mean_sign > settings.target) - (mean_sign < settings.target)
    return max(p + direction * step, 0.0)
